"""The comparisons of an audit for tables whose rows replace each other: sessions, profiles, groups, identities."""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from schemas import topics
from sinks.audit_checks import BELOW_ENDS, EXAMPLES, Scope
from sinks.audit_report import Finding, Kind
from sinks.kafka_log import KafkaLog

# Per session: what its pairs add up to, and its events. One that has rows from beyond the ends goes on while the
# audit runs, and cannot be compared: its events and its pairs come by different ways.
_SESSIONS = f"""
    select
        project_id, session_id,
        sum(signs) as sign_sum, sum(told) as events_told, sum(stored) as events_stored, max(beyond) as going_on
    from
    (
        select project_id, session_id, sum(sign) as signs, sum(toInt64(event_count) * sign) as told, 0 as stored,
            max(not {BELOW_ENDS}) as beyond, min(started_at) as first
        from sessions
        where %(chosen)s
        group by project_id, session_id
        union all
        select project_id, session_id, 0, 0, countIf(synthesized = 0) as stored, max(not {BELOW_ENDS}) as beyond,
            min(created_at) as first
        from events
        where session_id != '' and %(chosen)s and %(recent)s
        group by project_id, session_id
    )
    group by project_id, session_id
    having %(kept)s
"""
_CHOSEN = """
    select project_id, session_id from sessions where {begun}
    union distinct
    select project_id, session_id from events where session_id != '' and {begun}
"""
_MARGIN_SECONDS = 86_400
"""A session's events are not older than its beginning; enough for one that began earlier than it was known to."""


def _sessions_of(scope: Scope) -> str:
    """The sessions that are compared: all, or those that changed since the audit before."""
    kept = scope.kept.condition("min(first)")
    if scope.starts is None:
        return _SESSIONS % {"chosen": "1", "recent": "1", "kept": kept}
    # The planner needs a constant to leave parts and days out.
    ((first,),) = scope.rows(f"select toUnixTimestamp64Milli(min(started_at)) from sessions where {scope.begun}")
    seconds = max(int(first) // 1000 - _MARGIN_SECONDS, 0)
    since = f"toDateTime({seconds}, 'UTC')"
    return _SESSIONS % {
        "chosen": f"(project_id, session_id) in ({_CHOSEN.format(begun=scope.begun)})",
        "recent": f"toDate(created_at) >= toDate({since}) and created_at >= {since}",
        "kept": kept,
    }


def sessions(scope: Scope) -> tuple[list[Finding], int]:
    """Each session stands once, and tells as many events as it has; also how many were left out as going on."""
    compared = _sessions_of(scope)
    rows = scope.rows(
        "select *, countIf(sign_sum != 1) over () as signs_off, "
        "countIf(sign_sum = 1) over () as counts_off "
        f"from ({compared}) where not going_on and (sign_sum != 1 or events_told != events_stored) "
        "order by project_id, session_id limit 1000"
    )
    signs = [row for row in rows if row[2] != 1]
    counts = [row for row in rows if row[2] == 1]
    found = []
    if signs:
        found.append(
            Finding(
                kind=Kind.SESSION_SIGN,
                table="sessions",
                count=signs[0][6],
                summary=f"The rows of {signs[0][6]} sessions do not add up to one.",
                examples=tuple(
                    f"session {row[1]} of {row[0]}: sum(sign) is {row[2]}, {row[4]} events" for row in signs[:EXAMPLES]
                ),
            )
        )
    if counts:
        found.append(
            Finding(
                kind=Kind.SESSION_EVENTS,
                table="sessions",
                count=counts[0][7],
                summary=f"{counts[0][7]} sessions tell another number of events than they have.",
                examples=tuple(
                    f"session {row[1]} of {row[0]}: tells {row[3]} events, has {row[4]}" for row in counts[:EXAMPLES]
                ),
            )
        )
    left_out = int(scope.rows(f"select countIf(going_on) from ({compared})")[0][0])
    return [*found, *_session_counts(scope)], left_out


def _session_counts(scope: Scope) -> list[Finding]:
    """Per month: as many sessions as the ledger says were begun. Of months whose sessions are all at rest."""
    rows = scope.rows(
        f"""
        select month, sum(wanted) as told, sum(standing) as found
        from
        (
            select month, toInt64(counted) as wanted, 0 as standing
            from ledger array join row_tables as named, row_months as month, row_counts as counted
            where named = 'sessions'
            union all
            select session_month as month, 0, sum(sign) as standing from sessions group by session_month
        )
        where month >= {{kept_month:UInt32}} and month not in
        (
            select session_month from sessions
            where raw_epoch = {{epoch:UInt32}} and raw_offset >= {{least_end:UInt64}} and not {BELOW_ENDS}
        )
        group by month
        having told != found
        order by month
        """
    )
    if not rows:
        return []
    return [
        Finding(
            kind=Kind.SESSION_COUNT,
            table="sessions",
            count=sum(abs(row[1] - row[2]) for row in rows),
            summary=f"In {len(rows)} months there are not as many sessions as the ledger says.",
            examples=tuple(
                f"month {row[0]}: the ledger says {row[1]}, the table has {row[2]}" for row in rows[:EXAMPLES]
            ),
        )
    ]


_KEYS = {
    "profiles": ("project_id", "profile_id"),
    "groups": ("project_id", "group_id"),
    "identities": ("project_id", "kind", "source_id"),
}
Ranges = Mapping[str, Mapping[int, tuple[int, int]]]
"""Of the topics that are read themselves: from where, and up to where."""


def profiles(scope: Scope, log: KafkaLog, ranges: Ranges) -> list[Finding]:
    """The newest version of each profile in the topic is the newest in the table."""
    return _versions(scope, "profiles", _newest(log, topics.PROFILES, ranges, _KEYS["profiles"]))


def groups(scope: Scope, log: KafkaLog, ranges: Ranges) -> list[Finding]:
    """The newest version of each group in the topic is the newest in the table."""
    return _versions(scope, "groups", _newest(log, topics.GROUPS, ranges, _KEYS["groups"]))


def operations_missing(scope: Scope) -> int:
    """How many operations the ledger tells of beyond those that profiles and groups have seen (their versions count
    them) or that became dead letters, erased since or not; 0 or less when none is missing.
    """
    rows = scope.rows(
        f"""
        select
            (
                select sum(counted)
                from
                (
                    select raw_epoch, raw_partition, from_offset as raw_offset, counted
                    from ledger array join row_tables as named, row_counts as counted
                    where named in ('profile_ops', 'group_ops')
                )
                where {BELOW_ENDS}
            )
            - (select toInt64(sum(seen)) from
                (select max(version) as seen from profiles group by project_id, profile_id))
            - (select toInt64(sum(seen)) from (select max(version) as seen from groups group by project_id, group_id))
            - (select toInt64(count()) from dead_letters where topic = {{ops_topic:String}})
            + (select toInt64(sum(counted)) from ledger array join row_tables as named, row_counts as counted
                where kind = 'erasure' and named = 'profile_op_letters')
        """,
        ops_topic=topics.PROFILE_OPS,
    )
    return int(rows[0][0] or 0)


def identities(scope: Scope, log: KafkaLog, ranges: Ranges) -> list[Finding]:
    """The newest version of each link that the topic still holds is not newer than the table's."""
    return _versions(scope, "identities", _newest(log, topics.IDENTITIES, ranges, _KEYS["identities"]))


def _newest(log: KafkaLog, topic: str, ranges: Ranges, key: tuple[str, ...]) -> dict[tuple[str, ...], int]:
    newest: dict[tuple[str, ...], int] = {}
    for message in log.messages(topic, ranges[topic]):
        for row in _rows(message.value()):
            name = tuple(str(row[field]) for field in key)
            newest[name] = max(newest.get(name, 0), int(row["version"]))
    return newest


def _rows(value: bytes | None) -> Iterator[dict[str, Any]]:
    """The rows of a message; what cannot be read became a dead letter on its way to the table."""
    for line in (value or b"").split(b"\n"):
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if isinstance(row, dict) and "version" in row:
            yield row


_FEW = 2_000
"""So many rows are asked for by name; more are compared with the whole table."""


def _versions(scope: Scope, table: str, newest: Mapping[tuple[str, ...], int]) -> list[Finding]:
    if not newest:
        return []
    key = ", ".join(_KEYS[table])
    texts = ", ".join("String" for _ in _KEYS[table])
    chosen = f"({key}) in {{chosen:Array(Tuple({texts}))}}" if len(newest) <= _FEW else "1"
    rows = scope.rows(
        f"select {key}, max(version) from {table} where {chosen} group by {key}",
        chosen=list(newest) if len(newest) <= _FEW else [],
    )
    stored = {tuple(str(part) for part in row[:-1]): int(row[-1]) for row in rows}
    return _compared(table, newest, stored)


def _compared(
    table: str, newest: Mapping[tuple[str, ...], int], stored: Mapping[tuple[str, ...], int]
) -> list[Finding]:
    wrong = [(name, version) for name, version in newest.items() if stored.get(name, -1) < version]
    if not wrong:
        return []
    return [
        Finding(
            kind=Kind.VERSION,
            table=table,
            count=len(wrong),
            summary=f"The newest version of {len(wrong)} rows is not in the table.",
            examples=tuple(
                f"{' '.join(name)}: version {version} in the topic, {stored.get(name, 'none')} in the table"
                for name, version in sorted(wrong)[:EXAMPLES]
            ),
        )
    ]
