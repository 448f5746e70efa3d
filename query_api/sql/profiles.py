"""People as they are known: the records told of them under any of their ids, and what they did."""

from query_api.sql.builder import Query, Select, build
from query_api.sql.people import LINKS, OF_PERSON, PersonIds
from query_api.sql.tables import EVENTS, PROFILES, SESSIONS
from schemas.touch import TOUCHED

_TRAITS = ("first_name", "last_name", "email", "avatar")
_RECORD = {
    "profile_id": "profile_id",
    **{trait: trait for trait in _TRAITS},
    "created_ms": "toUnixTimestamp64Milli(created_at)",
    "updated_ms": "toUnixTimestamp64Milli(updated_at)",
}
# A record may be a device's own: then it stands under the device's id, and is of the person the device is linked to.
_RECORDS = Select(
    {
        "record_person": "multiIf(alias_person != '', alias_person, device_person != '', device_person, profile_id)",
        "is_own": "profile_id = record_person",
        **{name: name for name in (*_TRAITS, "created_ms", "updated_ms")},
    },
    Select({**_RECORD, "device_id": "profile_id"}, PROFILES),
    joins=LINKS,
)
_PEOPLE = Select(
    {
        "person": "record_person",
        # What was told under the person's own id goes before what was told under others.
        **{f"known_{trait}": f"argMaxIf({trait}, (is_own, updated_ms), {trait} != '')" for trait in _TRAITS},
        "created": "min(created_ms)",
        "updated": "max(updated_ms)",
    },
    _RECORDS,
    group_by="person",
    having="positionCaseInsensitiveUTF8(concat(person, '\\n', known_email, '\\n', known_first_name, ' ', "
    "known_last_name), {search:String}) > 0",
    order_by="updated desc, person",
    limit="{limit:UInt32} offset {offset:UInt64}",
)

_RECORDS_OF = Select(
    {**_RECORD, "groups": "groups", "record_properties": "toJSONString(properties)"},
    PROFILES,
    where=("profile_id in {profiles:Array(String)} or profile_id in {devices:Array(String)}",),
    order_by="updated_ms, profile_id",
)
_EVENTS_OF = Select(
    {
        "events": "count()",
        "first_ms": "toUnixTimestamp64Milli(min(created_at))",
        "last_ms": "toUnixTimestamp64Milli(max(created_at))",
    },
    EVENTS,
    where=(OF_PERSON,),
)

_TOLD = f"({', '.join(f'toString({name})' for name in TOUCHED)})"
_SESSIONS_OF = Select(
    {
        "sessions": "sum(sign)",
        # A session's beginning only ever moves back, so of its rows the one that begins first is the newest.
        "first_touch": f"argMinIf({_TOLD}, (started_at, session_id), sign = 1)",
        "last_touch": f"argMaxIf({_TOLD}, (started_at, session_id), sign = 1)",
        "first_touch_ms": "toUnixTimestamp64Milli(minIf(started_at, sign = 1))",
        "last_touch_ms": "toUnixTimestamp64Milli(maxIf(started_at, sign = 1))",
    },
    SESSIONS,
    where=(OF_PERSON,),
)


def profiles(database: str, project_id: str, search: str, *, limit: int, offset: int) -> Query:
    """People with a record, the one that changed last first. Rows: person, ``known_…`` of each trait, and created and
    updated in milliseconds.
    """
    return build(database, project_id, _PEOPLE, search=search, limit=limit, offset=offset)


def records_of(database: str, project_id: str, person: PersonIds) -> Query:
    """All records of a person, the one that changed last at the end."""
    return build(database, project_id, _RECORDS_OF, **person.parameters())


def deeds_of(database: str, project_id: str, person: PersonIds) -> tuple[Query, Query]:
    """How many events of a person, the first and the last in milliseconds; how many sessions, and their touches."""
    parameters = person.parameters()
    return (
        build(database, project_id, _EVENTS_OF, **parameters),
        build(database, project_id, _SESSIONS_OF, **parameters),
    )
