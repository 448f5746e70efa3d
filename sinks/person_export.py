"""Everything that is stored of a person, as lines of JSON: one object a row, its ``type`` says of what."""

from collections.abc import Generator, Iterable, Iterator

import orjson
from clickhouse_connect.driver.client import Client

from sinks.erased_rows import letter_texts, naming
from sinks.sql_text import literal

_LARGE = 64 * 1024 * 1024
_PLACE = "log_topic, log_epoch, log_partition, log_offset"


def export_person(
    client: Client, project_id: str, person: str, profile_ids: Iterable[str], device_ids: Iterable[str]
) -> Generator[bytes, None, None]:
    """Pieces of the lines, ready to be written; memory does not grow with how much there is. None if nothing is stored.

    The events of a device that name somebody else are somebody else's, and not among them.

    :raises ClickHouseError: ClickHouse refuses.
    """
    ids = {"profile_ids": list(profile_ids), "device_ids": list(device_ids)}
    seen = also_devices(client, project_id, ids["profile_ids"], ids["device_ids"])
    shown = [each for each in ids["device_ids"] if each not in ids["profile_ids"] or each in seen]
    opening = {"type": "person", "project_id": project_id, "id": person, **ids, "device_ids": shown}
    first = orjson.dumps(opening) + b"\n"
    for sql in _queries(project_id, ids["profile_ids"], ids["device_ids"]):
        settings = {"max_query_size": _LARGE, "output_format_json_quote_64bit_integers": 0}
        with client.raw_stream(sql, settings=settings, fmt="JSONEachRow") as stream:
            for piece in filter(None, stream):
                yield first + piece
                first = b""


def also_devices(
    client: Client, project_id: str, profile_ids: Iterable[str], device_ids: Iterable[str]
) -> frozenset[str]:
    """Which of a person's ids are stored as a device's too. A person is looked for under every id as a profile and as
    a device, for a device that belongs to nobody is a person; most ids of profiles are no device's.

    :raises ClickHouseError: ClickHouse refuses.
    """
    both = set(profile_ids).intersection(device_ids)
    if not both:
        return frozenset()
    project, listed = f"project_id = {literal(project_id)}", _list(sorted(both))
    rows = client.query(
        f"""
        select distinct device_id from events where {project} and device_id in {listed}
        union distinct
        select source_id from identities final
        where {project} and is_deleted = 0 and kind = 'device' and source_id in {listed}
        """,
        settings={"max_query_size": _LARGE},
    ).result_rows
    return frozenset(str(row[0]) for row in rows)


def _queries(project_id: str, profile_ids: list[str], device_ids: list[str]) -> Iterator[str]:
    project = f"project_id = {literal(project_id)}"
    profiles, devices = _list(profile_ids), _list(device_ids)
    its = f"(profile_id in {profiles} or (profile_id = '' and device_id in {devices}))"
    sessions = f"(select session_id from sessions where {project} and {its})"
    texts = letter_texts([*profile_ids, *device_ids])
    yield f"""
        select 'profile' as type, * except ({_PLACE}, ops_epoch, ops_partition, ops_offset, is_deleted)
        from profiles final
        where {project} and is_deleted = 0 and (profile_id in {profiles} or profile_id in {devices})
    """
    yield f"""
        select 'link' as type, * except ({_PLACE}, is_deleted) from identities final
        where {project} and is_deleted = 0 and (profile_id in {profiles}
            or (kind = 'device' and source_id in {devices}) or (kind = 'profile' and source_id in {profiles}))
    """
    yield f"""
        select 'cohort' as type, cohort_id, version, name, definition, computed_at from cohorts final
        where {project} and is_deleted = 0 and (cohort_id, version) in
        (
            select cohort_id, version from cohort_members
            where {project} and ((kind = 'profile' and member in (select cityHash64(arrayJoin({_array(profile_ids)}))))
                or (kind = 'device' and member in (select cityHash64(arrayJoin({_array(device_ids)})))))
        )
    """
    yield f"""
        select 'session' as type, * except ({_PLACE}, sign) from sessions final
        where {project} and {its} and sign = 1 order by started_at, session_id
    """
    yield f"""
        select 'event' as type, * except ({_PLACE}) from events where {project} and {its} order by created_at
        settings max_bytes_before_external_sort = 200000000
    """
    yield f"""
        select 'replay_chunk' as type, * except ({_PLACE}) from replay_chunks
        where {project} and session_id in {sessions}
    """
    yield f"""
        select 'dead_letter' as type, * except ({_PLACE}, log_stamp) replace (
            toValidUTF8(
                arrayStringConcat(arrayFilter(line -> {naming("line", texts)}, splitByChar('\\n', value)), '\\n')
            ) as value
        )
        from dead_letters
        where ({project} or (project_id = '' and position(value, {literal(project_id)}) > 0))
            and {naming("value", texts)}
    """


def _list(texts: Iterable[str]) -> str:
    return f"({', '.join(literal(text) for text in texts)})"


def _array(texts: Iterable[str]) -> str:
    inner = ", ".join(literal(text) for text in texts)
    return f"[{inner}]" if inner else "emptyArrayString()"
