"""Asks the questions, and says how large everything is."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import click
from clickhouse_connect.driver.client import Client

from bench.store.build import PLAIN
from bench.store.questions import DATABASE, Question, questions
from bench.store.traffic import Traffic
from query_api.folded_days import FoldedDaysReader
from query_api.reader import Reader
from query_api.sql.builder import Query


def ask(client: Client, traffic: Traffic, runs: int, cpu: Callable[[], float], *, beside: bool = True) -> None:
    """Print a table of the questions: the shortest and the median time of ``runs`` runs, without the first. ``cpu``:
    the seconds of processor time that the store has used so far. ``beside``: also of events themselves and of the
    plain table, which takes minutes where there are many.
    """
    has_plain = beside and _has_rows(client, PLAIN)
    click.echo("| question | at most | shortest | median | CPU | of events | plain table | ratio |")
    click.echo("|---|---|---|---|---|---|---|---|")
    for question in questions(traffic):
        if question.before:
            client.command(question.before)
        asks: Callable[[], None] = partial(_ask_weir, client, question.queries)
        if question.asked is not None:
            asks = _asks_reader(client, question.asked)
        shortest, median, used = _timed(asks, runs, cpu)
        bound = f"{question.bound} ms" if question.bound else "–"
        row = f"| {question.name} | {bound} | {shortest:.0f} ms | {median:.0f} ms | {used:.0f} ms |"
        if beside and question.unrolled:
            slow, _, _ = _timed(partial(_ask_weir, client, question.unrolled), max(2, runs // 3), cpu)
            row += f" {slow:.0f} ms |"
        else:
            row += " – |"
        if has_plain and question.plain:
            slow, _, _ = _timed(partial(_ask_plain, client, question), max(2, runs // 3), cpu)
            row += f" {slow:.0f} ms | {slow / shortest:.1f} |"
        else:
            row += " – | – |"
        click.echo(row)


def _ask_weir(client: Client, queries: Sequence[Query]) -> None:
    for query in queries:
        client.query(query.sql, query.parameters)


def _asks_reader(client: Client, asked: Callable[[Reader], Awaitable[object]]) -> Callable[[], None]:
    """As the API asks: what is folded is looked up each time, beside the question, which begins with what was folded
    when it was asked before.
    """

    async def rows(query: Query) -> list[dict[str, Any]]:
        result = await asyncio.to_thread(client.query, query.sql, query.parameters)
        return [dict(zip(result.column_names, row, strict=True)) for row in result.result_rows]

    looked_up = FoldedDaysReader(rows, DATABASE, worth=1, kept_seconds=0)

    async def answer() -> None:
        await asked(Reader(rows, DATABASE, looked_up))

    return lambda: asyncio.run(answer())


def _ask_plain(client: Client, question: Question) -> None:
    for sql in question.plain:
        client.query(sql)


def tell_sizes(client: Client) -> None:
    """Print how many rows and bytes each table has, and the columns of an event."""
    rows = client.query(
        """
        select table, sum(rows) as n, sum(bytes_on_disk) as bytes, count()
        from system.parts where active and database = currentDatabase() group by table having n > 1000
        order by bytes desc
        """
    ).result_rows
    events = max((n for table, n, _, _ in rows if table == "events"), default=0) or 1
    click.echo("| table | rows | parts | bytes | bytes a row | bytes an event |")
    click.echo("|---|---|---|---|---|---|")
    for table, n, size, parts in rows:
        click.echo(f"| {table} | {n:,} | {parts} | {size:,} | {size / n:.1f} | {size / events:.2f} |")
    columns = client.query(
        """
        select column, sum(column_data_compressed_bytes + column_marks_bytes) / sum(rows) as each
        from system.parts_columns where active and database = currentDatabase() and table = 'events'
        group by column order by each desc
        """
    ).result_rows
    click.echo("\n| column of events | bytes an event |\n|---|---|")
    for column, each in columns:
        if each >= 0.25:
            click.echo(f"| {column} | {each:.2f} |")
    rest = sum(each for _, each in columns if each < 0.25)
    click.echo(f"| all others | {rest:.2f} |")


def _timed(ask_once: Callable[[], None], runs: int, cpu: Callable[[], float]) -> tuple[float, float, float]:
    """Shortest, median and processor time, in milliseconds."""
    ask_once()
    before, times = cpu(), []
    for _ in range(runs):
        began = time.perf_counter()
        ask_once()
        times.append((time.perf_counter() - began) * 1000)
    return min(times), statistics.median(times), (cpu() - before) / runs * 1000


def _has_rows(client: Client, table: str) -> bool:
    rows = client.query(
        "select count() from system.parts where active and database = currentDatabase() and table = {table:String}",
        {"table": table},
    ).result_rows
    return bool(rows[0][0])
