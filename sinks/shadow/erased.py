"""What an erased person left in the past stays away when the past is made again, and so does what retention took.

Up to where an erasure begins, messages make what they made, else other people's sessions would not be what they were.
The rows of the person are then left out by the list that keeps them out of the tables, too (migration 0013).
"""

from clickhouse_connect.driver.client import Client

from schemas.topics import RAW
from sinks.retained import read_retained
from sinks.shadow.tables import DEAD_LETTERS, EVENTS, SESSIONS

_WHOSE = {"device": "device_id", "profile": "profile_id", "session": "session_id"}
_KEYS = {
    EVENTS.made: ", ".join(EVENTS.key),
    SESSIONS.made: "project_id, session_id, raw_partition, raw_offset",
}
_LINE = "raw_epoch, raw_partition, raw_offset, raw_line"
_LETTER = f"""
    arrayExists(
        one -> position(unhex(value), one.2) > 0
            and (project_id = one.1 or (project_id = '' and position(unhex(value), one.1) > 0))
            and (epoch, offset) < (one.3, one.4[partition + 1]),
        (select groupArray((project_id, id, raw_epoch, raw_ends)) from erased final
            where kind = 'letter' and notEmpty(raw_ends))
    )
    and topic = '{RAW}'
"""


def read_ends(client: Client, epoch: int, partitions: int) -> dict[tuple[str, str], tuple[int, ...]]:
    """For each project and profile that is known to have been erased: per partition of the raw log of that epoch, the
    offset from which rows are of after.
    """
    rows = client.query(
        "select project_id, id, argMax((raw_epoch, raw_ends), erasure) from erased final "
        "where kind = 'profile' and notEmpty(raw_ends) group by project_id, id"
    ).result_rows
    return {
        (str(project_id), str(profile_id)): tuple(ends) if at == epoch else (2**63 if at > epoch else 0,) * partitions
        for project_id, profile_id, (at, ends) in rows
    }


def leave_out(client: Client) -> None:
    """Take what belongs to erased people, from before their erasure, and events that retention took, out of what
    processing made. Safe to repeat.
    """
    # What came to a time of which retention took rows stands in the table. Sessions follow from their events.
    taken = f"not ({read_retained(client).condition('created_at')})"
    _delete(
        client,
        EVENTS.made,
        f"{taken} and ({_LINE}) not in (select {_LINE} from {EVENTS.table} where {taken})",
    )
    for table, key in _KEYS.items():
        theirs = " union all ".join(_of(table, key, kind, column) for kind, column in _WHOSE.items())
        _delete(client, table, f"({key}) in ({theirs})")
    _delete(client, DEAD_LETTERS.made, _LETTER)


def _of(table: str, key: str, kind: str, column: str) -> str:
    return f"""
        select {", ".join(f"made.{name} as {name}" for name in key.split(", "))}
        from {table} as made
        inner join
        (
            select project_id, id, argMax((raw_epoch, raw_ends), erasure) as cut
            from erased final where kind = '{kind}' and notEmpty(raw_ends) group by project_id, id
        ) as gone on gone.project_id = made.project_id and gone.id = made.{column}
        where (made.raw_epoch, made.raw_offset) < (gone.cut.1, gone.cut.2[made.raw_partition + 1])
    """


def _delete(client: Client, table: str, condition: str) -> None:
    client.command(
        f"alter table {table} delete where {condition}",
        settings={"mutations_sync": 2, "allow_nondeterministic_mutations": 1},
    )
