"""Whose an event is: the one place where devices and profiles are resolved to people. docs/identity.md has the rules.

An event's id is the profile that its sender named, else the profile its device is linked to, else the device itself;
its person is where that id's aliases end, today. The view ``people`` follows them; here is how rows meet it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from query_api.periods import Period
from query_api.sql.builder import In, Join, Query, Select, build
from query_api.sql.overview import compared_parameters
from query_api.sql.tables import EVENTS, PEOPLE
from query_api.sql.time import compared_columns, within

MAX_IDS = 10_000
"""Of one person; more are not looked at."""

LINKS = (
    Join(
        Select({"linked_device": "id", "device_person": "person"}, PEOPLE, where=("kind = 'device'",)),
        "linked_devices",
        "linked_devices.linked_device = device_id",
    ),
    Join(
        Select({"other_id": "id", "alias_person": "person"}, PEOPLE, where=("kind = 'profile'",)),
        "other_ids",
        "other_ids.other_id = if(profile_id = '', device_id, profile_id)",
    ),
)
"""Joins for a select with the columns ``device_id`` and ``profile_id``; after them ``PERSON`` means something."""
PERSON = (
    "multiIf(profile_id = '' and device_person != '', device_person, alias_person != '', alias_person, "
    "profile_id != '', profile_id, device_id)"
)
"""The person of an event or session; empty for an event of a server that names nobody."""
PEOPLE_COUNT = f"uniqExactIf({PERSON}, {PERSON} != '')"
"""How many people; exact."""

OF_PERSON = "profile_id in {profiles:Array(String)} or (profile_id = '' and device_id in {devices:Array(String)})"
"""The condition that an event or session is a person's; the parameters are those of `PersonIds`."""


@dataclass(frozen=True, slots=True)
class PersonIds:
    """All ids that mean one person today. ``profiles``: its own and all that are aliases of it, its own first;
    ``devices``: those that nobody named means it, linked ones and ids that are devices' own.
    """

    person: str
    profiles: tuple[str, ...]
    devices: tuple[str, ...]

    def parameters(self) -> dict[str, Any]:
        """The parameters of ``OF_PERSON``."""
        return {"profiles": list(self.profiles), "devices": list(self.devices)}


def person_of(database: str, project_id: str, any_id: str) -> Query:
    """Whom an id means. Rows: ``id_kind``, ``person``; none for an id that is not linked (`settled_person`)."""
    asked = Select({"id_kind": "kind", "id_person": "person"}, PEOPLE, where=("id = {id:String}",))
    return build(database, project_id, asked, id=any_id)


def settled_person(any_id: str, found: Iterable[Mapping[str, Any]]) -> str:
    """The person of an id, from the rows of `person_of`. An id is taken for a profile's before it is a device's."""
    by_kind = {row["id_kind"]: str(row["id_person"]) for row in found}
    return by_kind.get("profile") or by_kind.get("device") or any_id


def links_of_person(database: str, project_id: str, person: str) -> Query:
    """What means a person, and what is a device's id among it. Rows for `person_ids`."""
    aliases = Select({"alias": "id"}, PEOPLE, where=("kind = 'profile'", "person = {person:String}"))
    devices_named_so = In(
        "id",
        aliases,
        unless="person = {person:String} or (kind = 'device' and id = {person:String})",
        only_if="kind = 'device'",
    )
    found = Select(
        {"link_kind": "kind", "link_id": "id", "link_person": "person"},
        PEOPLE,
        where=(devices_named_so,),
        order_by="link_kind, link_id",
        limit="{limit:UInt32}",
    )
    return build(database, project_id, found, person=person, limit=MAX_IDS)


def person_ids(person: str, links: Iterable[Mapping[str, Any]]) -> PersonIds:
    """All ids of a person, from the rows of `links_of_person`."""
    rows = list(links)
    profiles = [person, *(row["link_id"] for row in rows if row["link_kind"] == "profile")]
    linked = {row["link_id"]: row["link_person"] for row in rows if row["link_kind"] == "device"}
    # A device that is not linked to somebody else is a person under its own id, and that id may have been given away.
    devices = [found for found, of in linked.items() if of == person]
    devices += [found for found in profiles if found not in linked]
    return PersonIds(person, tuple(dict.fromkeys(profiles)), tuple(dict.fromkeys(devices)))


def people(database: str, project_id: str, period: Period) -> Query:
    """People of the period and the one before. Rows: ``current`` (0 or 1), ``bucket`` (its start in seconds, 0: the
    whole period), ``people``.
    """
    # Few devices and names stand for many events: they are found first, so that few rows are joined.
    seen = Select(
        {**compared_columns("created_at"), "device_id": "device_id", "profile_id": "profile_id"},
        EVENTS,
        where=(within("created_at"),),
        group_by="current, bucket, device_id, profile_id",
    )
    counted = Select(
        {"current": "current", "bucket": "bucket", "people": PEOPLE_COUNT},
        seen,
        joins=LINKS,
        group_by="grouping sets ((current, bucket), (current))",
    )
    return build(database, project_id, counted, **compared_parameters(period))
