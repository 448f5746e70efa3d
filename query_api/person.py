"""Who somebody is: all ids of a person, and one record made of what was told under each of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from query_api.services import Services
from query_api.sql.people import PersonIds, links_of_person, person_ids, person_of, settled_person

TRAITS = ("first_name", "last_name", "email", "avatar")
_FIRST, _LAST = "__first.", "__last."


@dataclass(slots=True)
class PersonRecord:
    """What is known of a person. ``first_touch`` and ``last_touch`` have their time under ``seen_at``."""

    traits: dict[str, str] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    first_touch: dict[str, str] = field(default_factory=dict)
    last_touch: dict[str, str] = field(default_factory=dict)


async def find_person(services: Services, project_id: str, any_id: str) -> PersonIds:
    """All ids of the person that an id, a profile's or a device's, means today.

    :raises QueryApiError: as `Store.rows`.
    """
    database = services.settings.clickhouse_database
    person = settled_person(any_id, await services.store.rows(person_of(database, project_id, any_id)))
    return person_ids(person, await services.store.rows(links_of_person(database, project_id, person)))


def merged_record(person: str, records: Iterable[Mapping[str, Any]]) -> PersonRecord:
    """One record of many (rows of ``sql.profiles.records_of``): what was told under the person's own id goes before
    what was told under others, and of those the record that changed last before the rest.
    """
    merged = PersonRecord()
    groups: dict[str, None] = {}
    for record in sorted(records, key=lambda record: bool(record["profile_id"] == person)):
        merged.traits |= {trait: record[trait] for trait in TRAITS if record[trait]}
        groups |= dict.fromkeys(record["groups"])
        properties = flat(orjson.loads(record["record_properties"]))
        first, last = _taken(properties, _FIRST), _taken(properties, _LAST)
        merged.first_touch = earlier(merged.first_touch, first)
        merged.last_touch = later(merged.last_touch, last)
        merged.properties |= properties
    merged.groups = tuple(groups)
    return merged


def earlier(one: dict[str, str], other: dict[str, str]) -> dict[str, str]:
    """The touch that was first; an empty one is none."""
    return min((touch for touch in (one, other) if touch), key=lambda touch: touch["seen_at"], default={})


def later(one: dict[str, str], other: dict[str, str]) -> dict[str, str]:
    """The touch that was last; an empty one is none."""
    return max((touch for touch in (one, other) if touch), key=lambda touch: touch["seen_at"], default={})


def flat(properties: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested objects as dotted paths, as the properties came in."""
    found: dict[str, Any] = {}
    for name, value in properties.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


def _taken(properties: dict[str, Any], prefix: str) -> dict[str, str]:
    """The properties below a prefix, without it, taken out."""
    names = [name for name in properties if name.startswith(prefix)]
    return {name.removeprefix(prefix): str(properties.pop(name)) for name in names}
