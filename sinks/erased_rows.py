"""What of each table belongs to a person that is being erased, and that it goes.

Who is meant, and how far back, is in the table ``erased`` (migration 0013): rows of one ``erasure``. The same list
keeps the ingest views from letting rows of before in again.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from clickhouse_connect.driver.client import Client

from schemas import topics
from schemas.shards import original
from sinks.dead_letter_replay import insert_readable_lines
from sinks.dead_letters import Letter, LetterName
from sinks.errors import DeletionError
from sinks.rendering import on_cluster
from sinks.settings import SinkSettings
from sinks.sql_text import identifier, literal
from sinks.tables import TABLES

_MUTATION = {"mutations_sync": 2, "allow_nondeterministic_mutations": 1}
_LARGE = 64 * 1024 * 1024
"""Bytes of a statement that names many ids."""
_NEEDLES = 200
"""So many texts are looked for at once; ClickHouse takes 255 at most."""
_LETTER_FIELDS = ("device_id", "profile_id", "alias", "source_id")


@dataclass(frozen=True, slots=True)
class Cut:
    """Whose rows, and up to where. ``ends``: per raw partition the offset from which rows are of after the erasure."""

    erasure: int
    project_id: str
    epoch: int
    ends: tuple[int, ...]
    erased_at: int
    """Milliseconds: what came before is of before, where there is no offset to go by."""
    account: int = 0
    """Names the rows of the ledger; the same however often an erasure begins anew before it is done."""

    def parameters(self) -> dict[str, Any]:
        """What the conditions below bind."""
        return {
            "erasure": self.erasure,
            "account": self.account,
            "project": self.project_id,
            "epoch": self.epoch,
            "ends": list(self.ends),
            "erased_at": self.erased_at,
            "raw_topic": topics.RAW,
            "ops_topic": topics.PROFILE_OPS,
        }


def listed(*kinds: str) -> str:
    """The ids of these kinds that the erasure lists, as a subquery."""
    named = ", ".join(f"'{kind}'" for kind in kinds)
    return (
        "(select id from erased final where project_id = {project:String} and erasure = {erasure:UInt64} "
        f"and kind in ({named}))"
    )


def _hashed(kind: str) -> str:
    """The hashes of these ids."""
    return f"(select cityHash64(id) from {listed(kind)})"


OF_PROJECT = "project_id = {project:String}"
BEFORE = "(raw_epoch, raw_offset) < ({epoch:UInt32}, {ends:Array(UInt64)}[raw_partition + 1])"
_LETTER_BEFORE = """
if(topic = {raw_topic:String},
    (epoch, offset) < ({epoch:UInt32}, {ends:Array(UInt64)}[partition + 1]),
    toUnixTimestamp64Milli(stamp) < {erased_at:Int64})
"""
_WHOSE = f"(device_id in {listed('device')} or profile_id in {listed('profile')} or session_id in {listed('session')})"

CONDITIONS: Mapping[str, str] = {
    "events": f"{OF_PROJECT} and {_WHOSE} and {BEFORE}",
    "sessions": f"{OF_PROJECT} and {_WHOSE} and {BEFORE}",
    "replay_chunks": (
        f"{OF_PROJECT} and (device_id in {listed('device')} or session_id in {listed('session')}) and {BEFORE}"
    ),
    "identities": (
        f"{OF_PROJECT} and is_deleted = 0 and {BEFORE} and (profile_id in {listed('profile')} or "
        f"(kind = 'device' and source_id in {listed('device')}) or "
        f"(kind = 'profile' and source_id in {listed('profile')}))"
    ),
    "profiles": f"{OF_PROJECT} and profile_id in {listed('record')} and version < {{{{versions}}}}",
    # Of before and of after: cohorts are counted anew anyway.
    "cohort_members": (
        f"{OF_PROJECT} and ((kind = 'device' and member in {_hashed('device')}) or "
        f"(kind = 'profile' and member in {_hashed('profile')}))"
    ),
    "dead_letters": f"""
        (project_id = {{project:String}} or (project_id = '' and position(value, {{project:String}}) > 0))
        and {_LETTER_BEFORE}
        and {{{{letters}}}}
    """,
}
"""Per table the rows that go, in the order in which they go."""

_COUNTED: Mapping[str, tuple[str, str, str, str]] = {
    # Raw coordinates; the month that the ledger tells them under; how many; and when their message came.
    "events": ("raw_epoch, raw_partition, raw_offset", "toYYYYMM(created_at)", "count()", "max(received_at)"),
    "sessions": ("raw_epoch, raw_partition, raw_offset", "session_month", "sum(sign)", "max(ended_at)"),
    "replay_chunks": ("raw_epoch, raw_partition, raw_offset", "toYYYYMM(stamp)", "count()", "max(stamp)"),
    "dead_letters": ("epoch, partition, offset", "0", "count()", "max(stamp)"),
}
"""The tables that the audit compares with the ledger, row by row or in sum."""


def list_ids(client: Client, cut: Cut, ids: Mapping[str, Iterable[str]]) -> None:
    """Write down ids by kind (``device``, ``profile``, ``session``), not yet in force. Safe to repeat."""
    rows = [(kind, each) for kind, found in ids.items() for each in found]
    rows += [("letter", text) for text in letter_texts(each for kind, each in rows if kind != "session")]
    when = _moment(cut.erased_at)
    _write(client, [[cut.project_id, kind, each, 0, [], 0, when, cut.erasure] for kind, each in rows])


def list_records(client: Client, cut: Cut) -> int:
    """List the records of the person's profiles, and devices, as they are after the erasure; how many there are. What
    is older is of before. Workers must have processed it.
    """
    rows = client.query(
        f"select profile_id, max(version) from profiles where {OF_PROJECT} and "
        f"(profile_id in {listed('profile')} or profile_id in {listed('device')}) group by profile_id",
        cut.parameters(),
    ).result_rows
    when = _moment(cut.erased_at)
    _write(client, [[cut.project_id, "record", each, 0, [], version, when, cut.erasure] for each, version in rows])
    return len(rows)


def put_in_force(client: Client, cut: Cut) -> None:
    """From now on the ingest views let no row of before in. Everything of before must have been consumed."""
    rows = client.query(
        f"select kind, id, version from erased final where {OF_PROJECT} and erasure = {{erasure:UInt64}}",
        cut.parameters(),
    ).result_rows
    when, ends = _moment(cut.erased_at), list(cut.ends)
    _write(
        client,
        [[cut.project_id, kind, each, cut.epoch, ends, version, when, cut.erasure] for kind, each, version in rows],
    )


def letter_texts(ids: Iterable[str]) -> set[str]:
    """How an id of a person is written in what Weir and others send."""
    texts = set()
    for each in ids:
        # As orjson writes it, and as others do who write ASCII only.
        for value in {json.dumps(each, ensure_ascii=False), json.dumps(each)}:
            texts |= {f'"{name}":{space}{value}' for name in _LETTER_FIELDS for space in ("", " ")}
    return texts


def naming(column: str, texts: Iterable[str]) -> str:
    """The condition that one of these stands in a column of texts. Not a function over an array of them: it would hold
    each text of the column as often as there are any.
    """
    found = [literal(text) for text in sorted(set(texts))]
    some = (", ".join(found[start : start + _NEEDLES]) for start in range(0, len(found), _NEEDLES))
    return f"({' or '.join(f'multiSearchAny({column}, [{each}])' for each in some) or '0'})"


def _write(client: Client, rows: Sequence[Sequence[Any]]) -> None:
    if rows:
        names = ["project_id", "kind", "id", "raw_epoch", "raw_ends", "version", "erased_at", "erasure"]
        client.insert("erased", rows, column_names=names)


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def count_rows(client: Client, cut: Cut, table: str) -> int:
    """Rows of the table that go, or would."""
    sums = "sum(sign)" if table == "sessions" else "count()"
    rows = _query(client, cut, f"select {sums} from {identifier(table)} where {_condition(client, cut, table)}")
    return int(rows[0][0])


def account(client: Client, cut: Cut, table: str) -> None:
    """Tell the ledger of the rows that will go, each as one less. Rows must not have begun to go; safe to repeat
    until they do.
    """
    if table not in _COUNTED:
        return
    place, month, number, stamp = _COUNTED[table]
    names = f"'{table}'"
    if table == "dead_letters":
        names = "if(topic = {raw_topic:String}, 'dead_letters', 'profile_op_letters')"
    more = " and topic in ({raw_topic:String}, {ops_topic:String})" if table == "dead_letters" else ""
    parameters = cut.parameters()
    told = "kind = 'erasure' and log_topic = {table:String} and log_offset = {account:UInt64}"
    named = {**parameters, "table": _of_erasure(table)}
    if client.query(f"select count() from ledger where {told}", named).result_rows[0][0]:
        client.command(f"alter table ledger delete where {told}", named, settings=_MUTATION)
    sql = f"""
        insert into ledger
            (kind, raw_epoch, raw_partition, from_offset, to_offset, stamp, row_tables, row_months, row_counts,
                log_topic, log_offset)
        select 'erasure', place.1, place.2, place.3, place.3, max(came), groupArray(name), groupArray(month),
            groupArray(-number), {literal(_of_erasure(table))}, {{account:UInt64}}
        from
        (
            select ({place}) as place, {names} as name, toUInt32({month}) as month, toInt64({number}) as number,
                {stamp} as came
            from {identifier(table)}
            where {_condition(client, cut, table)}{more}
            group by place, name, month
            having number != 0
        )
        group by place
    """
    client.command(sql, parameters, settings={"max_query_size": _LARGE})


def take_unread_messages(client: Client, cut: Cut) -> None:
    """Put what can be read of messages that name the person, and that ClickHouse could not read as a whole, into their
    tables: whose letter it was goes as a whole, and with it rows of others. Safe to repeat.
    """
    rows = _query(
        client,
        cut,
        "select topic, epoch, partition, offset, line, stamp, stage, reason, detail, project_id, hex(value) "
        f"from dead_letters where stage = 'store' and {_condition(client, cut, 'dead_letters')}",
    )
    for *name, stamp, stage, reason, detail, project_id, value in rows:
        letter = Letter(LetterName(*name), stamp, stage, reason, detail, project_id, bytes.fromhex(value))
        if original(letter.name.topic) in TABLES.values():
            insert_readable_lines(client, letter)


def touched_hours(client: Client, cut: Cut) -> list[int]:
    """The hours whose rollups change, as Unix seconds: of events, and of sessions that began in them."""
    found: set[int] = set()
    for table, time in (("events", "created_at"), ("sessions", "started_at")):
        rows = _query(
            client,
            cut,
            f"select distinct toUnixTimestamp(toStartOfHour({time})) from {table} "
            f"where {_condition(client, cut, table)}",
        )
        found |= {int(hour) for (hour,) in rows}
    return sorted(found)


def delete_rows(client: Client, settings: SinkSettings, cut: Cut, table: str) -> None:
    """Rewrite the parts that hold rows of the person without these, and wait until it is done. Safe to repeat.

    :raises DeletionError: ClickHouse says that it is done, and rows are left.
    """
    client.command(
        f"alter table {identifier(table)}{on_cluster(settings)} delete where {_condition(client, cut, table)}",
        cut.parameters(),
        settings={**_MUTATION, "max_query_size": _LARGE},
    )
    if left := count_rows(client, cut, table):
        raise DeletionError(table, left)


def _query(client: Client, cut: Cut, sql: str) -> Sequence[Sequence[Any]]:
    rows: Sequence[Sequence[Any]] = client.query(sql, cut.parameters(), settings={"max_query_size": _LARGE}).result_rows
    return rows


def _condition(client: Client, cut: Cut, table: str) -> str:
    condition = CONDITIONS[table]
    for name, kind in (("versions", "record"), ("letters", "letter")):
        mark = f"{{{{{name}}}}}"
        if mark in condition:
            rows = client.query(
                "select id, version from erased final where project_id = {project:String} "
                f"and erasure = {{erasure:UInt64}} and kind = '{kind}'",
                cut.parameters(),
            ).result_rows
            put = _versions(rows) if kind == "record" else naming("value", (str(row[0]) for row in rows))
            condition = condition.replace(mark, put)
    return condition


def _versions(rows: Sequence[Sequence[Any]]) -> str:
    if not rows:
        return "0"
    return f"transform(profile_id, {_texts(row[0] for row in rows)}, [{', '.join(str(row[1]) for row in rows)}], 0)"


def _texts(found: Iterable[str]) -> str:
    inner = ", ".join(literal(text) for text in found)
    return f"[{inner}]" if inner else "emptyArrayString()"


def _of_erasure(table: str) -> str:
    """What stands in place of a topic in the ledger rows of an erasure: nothing of Kafka's, so no progress."""
    return f"erasure of {table}"
