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
            max(not {BELOW_ENDS}) as beyond
        from sessions
        group by project_id, session_id
        union all
        select project_id, session_id, 0, 0, countIf(synthesized = 0) as stored, max(not {BELOW_ENDS}) as beyond
        from events
        where session_id != ''
        group by project_id, session_id
    )
    group by project_id, session_id
"""


def sessions(scope: Scope) -> tuple[list[Finding], int]:
    """Each session stands once, and tells as many events as it has; also how many were left out as going on."""
    rows = scope.rows(
        "select *, countIf(sign_sum != 1) over () as signs_off, "
        "countIf(sign_sum = 1) over () as counts_off "
        f"from ({_SESSIONS}) where not going_on and (sign_sum != 1 or events_told != events_stored) "
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
    left_out = int(scope.rows(f"select countIf(going_on) from ({_SESSIONS})")[0][0])
    if not left_out:
        found += _session_counts(scope)
    return found, left_out


def _session_counts(scope: Scope) -> list[Finding]:
    """Per month: as many sessions as the ledger says were begun. For a log at rest."""
    rows = scope.rows(
        """
        select month, sum(wanted) as told, sum(standing) as found
        from
        (
            select month, toInt64(counted) as wanted, 0 as standing
            from ledger array join row_tables as named, row_months as month, row_counts as counted
            where named = 'sessions'
            union all
            select session_month as month, 0, sum(sign) as standing from sessions group by session_month
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


def profiles(scope: Scope, log: KafkaLog, ends: Mapping[int, int]) -> list[Finding]:
    """The newest version of each profile in the topic is the newest in the table."""
    newest = _newest(log, topics.PROFILES, ends, ("project_id", "profile_id"))
    found = scope.rows("select project_id, profile_id, max(version) from profiles group by project_id, profile_id")
    return _compared("profiles", newest, {(row[0], row[1]): row[2] for row in found})


def groups(scope: Scope, log: KafkaLog, ends: Mapping[int, int]) -> list[Finding]:
    """The newest version of each group in the topic is the newest in the table."""
    newest = _newest(log, topics.GROUPS, ends, ("project_id", "group_id"))
    found = scope.rows("select project_id, group_id, max(version) from groups group by project_id, group_id")
    return _compared("groups", newest, {(row[0], row[1]): row[2] for row in found})


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


def identities(scope: Scope, log: KafkaLog, ends: Mapping[int, int]) -> list[Finding]:
    """The newest version of each link that the topic still holds is not newer than the table's."""
    newest = _newest(log, topics.IDENTITIES, ends, ("project_id", "kind", "source_id"))
    found = scope.rows(
        "select project_id, kind, source_id, max(version) from identities group by project_id, kind, source_id"
    )
    return _compared("identities", newest, {(row[0], row[1], row[2]): row[3] for row in found})


def _newest(log: KafkaLog, topic: str, ends: Mapping[int, int], key: tuple[str, ...]) -> dict[tuple[str, ...], int]:
    lows = log.reach(topic)
    newest: dict[tuple[str, ...], int] = {}
    for message in log.messages(topic, {part: (lows[part].low, end) for part, end in ends.items()}):
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
