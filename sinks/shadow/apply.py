"""New rows in the place of old ones: month by month, each in one step.

A month is built beside its table while events flow: what lies outside the range, and the new rows. Then the pipes are
taken off for a moment, what came meanwhile is added, and the months are put in place. Whatever step it dies at, a month
is wholly old or wholly new, the plan says so, and the same again completes it.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from clickhouse_connect.driver.client import Client

from schemas import topics
from sinks.client import attach
from sinks.kafka_log import KafkaLog
from sinks.rebuild import repair
from sinks.rollups import ROLLUPS
from sinks.settings import SinkSettings
from sinks.shadow.plan import Plan, ReprocessError, Stage, write_plan
from sinks.shadow.tables import SHADOWED, Shadowed, columns, drop_tables
from sinks.sql_text import identifier

Progress = Callable[[str], None]
_POLL_SECONDS = 0.2
_PIPES = """
    select name from system.tables where database = currentDatabase() and engine = 'Kafka'
    union distinct
    select table from system.detached_tables where database = currentDatabase() and endsWith(table, '_queue')
"""
"""Those that a run which died has taken off, too."""
_LOG_KEY = "concat(log_topic, '/', toString(log_epoch), '/', toString(log_partition))"


def fingerprints(client: Client, plan: Plan) -> dict[str, str]:
    """What the range's old rows are, in a few digits per table; sessions follow from the events."""
    found = {}
    for each in SHADOWED:
        if each.table != "sessions":
            offset = each.key[1]
            places = f"cityHash64({each.partition}, {offset}, log_offset)"
            sql = f"select count(), sum({places}) from {each.table} where {each.old}"
            found[each.table] = "/".join(str(value) for value in client.query(sql, plan.parameters()).result_rows[0])
    return found


def apply(client: Client, settings: SinkSettings, plan: Plan, tell: Progress, patience_seconds: float = 60.0) -> None:
    """Put the new rows in place, rebuild rollups, and drop what is not needed any more.

    :raises ReprocessError: the rows of the range are not what they were when they were compared; ClickHouse is too far
        behind. Nothing has changed.
    :raises ClickHouseError: a statement failed; the same again completes it.
    """
    if plan.stage == Stage.READY and fingerprints(client, plan) != plan.fingerprints:
        raise ReprocessError(
            "The rows of this time have changed since they were compared: run weir reprocess for it again."
        )
    _await_passed(settings, plan, patience_seconds, tell)
    write_plan(client, plan.model_copy(update={"stage": Stage.APPLYING}))
    wanted = [each for each in SHADOWED if each.table in plan.differing]
    if wanted:
        _replace(client, plan, wanted, tell)
    for rollup in ROLLUPS:
        made = len(repair(client, settings, rollup).pieces)
        tell(f"{rollup.table}: {made} {rollup.grain}s made anew")
    drop_tables(client)


def _replace(client: Client, plan: Plan, wanted: Sequence[Shadowed], tell: Progress) -> None:
    built = {each: _build(client, plan, each, tell) for each in wanted}
    began = time.monotonic()
    tell("new rows wait in Kafka for a moment")
    with _pipes_off(client):
        for each, months in built.items():
            for month, reached in months.items():
                _top_up(client, plan, each, month, reached)
        for each, months in built.items():
            for month in months:
                client.command(
                    f"alter table {each.table} replace partition {{month:UInt32}} from {each.next}", {"month": month}
                )
    tell(f"{sum(map(len, built.values()))} months are in place; new rows waited for {time.monotonic() - began:.1f} s")


def _build(client: Client, plan: Plan, each: Shadowed, tell: Progress) -> dict[int, dict[str, int]]:
    """The months of a table that change, as they shall be; with how far each had come in its topic."""
    client.command(f"drop table if exists {each.next}")
    client.command(f"create table {each.next} as {each.table}")
    names = ", ".join(columns(client, each.table))
    months = client.query(
        f"select distinct month from (select {each.month} as month from {each.table} where {each.old} "
        f"union all select {each.month} from {each.shadow}) order by month",
        plan.parameters(),
    ).result_rows
    built: dict[int, dict[str, int]] = {}
    for (month,) in months:
        tell(f"building {each.table} of {month}")
        reached = client.query(
            f"select {_LOG_KEY} as place, max(log_offset) from {each.table} where {each.month} = {{month:UInt32}} "
            "group by place",
            {"month": month},
        ).result_rows
        built[month] = {str(place): int(offset) for place, offset in reached}
        _copy(client, plan, each, month, built[month], f"not {_later(built[month])}")
        client.command(
            f"insert into {each.next} ({names}) select {names} from {each.shadow} "
            f"where {each.month} = {{month:UInt32}}",
            {"month": month},
        )
    return built


def _top_up(client: Client, plan: Plan, each: Shadowed, month: int, reached: Mapping[str, int]) -> None:
    _copy(client, plan, each, month, reached, _later(reached))


def _later(reached: Mapping[str, int]) -> str:
    """The condition that a row came after the month had come so far."""
    place = f"indexOf({{places:Array(String)}}, {_LOG_KEY})"
    return f"({place} = 0 or log_offset > arrayElement({{reached:Array(UInt64)}}, {place}))"


def _copy(client: Client, plan: Plan, each: Shadowed, month: int, reached: Mapping[str, int], condition: str) -> None:
    names = ", ".join(columns(client, each.table))
    client.command(
        f"insert into {each.next} ({names}) select {names} from {each.table} "
        f"where {each.month} = {{month:UInt32}} and not {each.old} and {condition}",
        plan.parameters(month=month, places=list(reached), reached=list(reached.values())),
    )


@contextmanager
def _pipes_off(client: Client) -> Iterator[None]:
    """No row comes in from Kafka within the block. All pipes: each also feeds the dead letters."""
    queues = [identifier(str(name)) for (name,) in client.query(_PIPES).result_rows]
    try:
        # Each waits for its reader to end: all at once.
        with ThreadPoolExecutor(max(len(queues), 1)) as pool:
            list(pool.map(lambda queue: client.command(f"detach table if exists {queue}"), queues))
        yield
    finally:
        for queue in queues:
            attach(client, queue)


def _await_passed(settings: SinkSettings, plan: Plan, seconds: float, tell: Progress) -> None:
    """Wait until nothing of what the range's rows came from can come again."""
    log = KafkaLog(settings.kafka_bootstrap)
    deadline = time.monotonic() + seconds
    while True:
        behind = [each.table for each in SHADOWED if not _passed(log, each, plan)]
        if not behind:
            return
        if time.monotonic() > deadline:
            raise ReprocessError(f"ClickHouse has not read {', '.join(behind)} in time; is it running?")
        tell(f"waiting for ClickHouse: {', '.join(behind)}")
        time.sleep(_POLL_SECONDS)


def _passed(log: KafkaLog, each: Shadowed, plan: Plan) -> bool:
    committed = log.committed(topics.STORE_GROUP_PREFIX + each.table, each.topic)
    known: Sequence[tuple[int, int]] = [(part, at.offset) for part, at in plan.passed.get(each.table, {}).items()]
    return all(committed.get(part, 0) > offset for part, offset in known)
