"""Whom an erasure has to reach: what else belongs to the person than was known when it began."""

from collections import defaultdict
from typing import NamedTuple

from clickhouse_connect.driver.client import Client

from sinks.erased_rows import BEFORE, OF_PROJECT, Cut, listed

EVER = 2**32 - 1
"""An epoch after all others: nothing is of after."""

_KNOWN_PROFILES = f"""
(select profile_id from identities final where {OF_PROJECT} and is_deleted = 0 and source_id != profile_id)
"""
"""A device's link is passed over where its id is one of these, as in the view ``people``."""


class Found(NamedTuple):
    """Ids of a person. ``visits``: its sessions on devices that are not its own, by device; ``records``: the devices
    that have a record of their own; ``sessions``: all its sessions; ``strangers``: known profiles that are linked
    to the person as devices, of which only the link is the person's.
    """

    profile_ids: frozenset[str]
    device_ids: frozenset[str]
    visits: dict[str, frozenset[str]]
    records: frozenset[str]
    sessions: frozenset[str]
    strangers: frozenset[str]


def find(client: Client, cut: Cut) -> Found:
    """What belongs to the listed ids, up to the cut, but is not listed itself; all records and sessions."""
    parameters = cut.parameters()
    links = client.query(
        f"""
        select if(kind = 'device' and source_id in {_KNOWN_PROFILES}, 'stranger', kind), source_id from identities final
        where {OF_PROJECT} and is_deleted = 0 and {BEFORE} and profile_id in {listed("profile")}
        """,
        parameters,
    ).result_rows
    visits: dict[str, set[str]] = defaultdict(set)
    for table in ("events", "sessions"):
        for device, session in client.query(
            f"""
            select distinct device_id, session_id from {table}
            where {OF_PROJECT} and profile_id in {listed("profile")} and {BEFORE}
                and device_id != '' and session_id != '' and device_id not in {listed("device")}
            """,
            parameters,
        ).result_rows:
            visits[str(device)].add(str(session))
    records = client.query(
        f"select distinct profile_id from profiles where {OF_PROJECT} and profile_id in {listed('device')}", parameters
    ).result_rows
    sessions = client.query(
        f"""
        select distinct session_id from sessions
        where {OF_PROJECT} and {BEFORE} and (device_id in {listed("device")} or profile_id in {listed("profile")})
        """,
        parameters,
    ).result_rows
    return Found(
        frozenset(str(each) for kind, each in links if kind == "profile"),
        frozenset(str(each) for kind, each in links if kind == "device"),
        {device: frozenset(found) for device, found in visits.items()},
        frozenset(str(row[0]) for row in records),
        frozenset(str(row[0]) for row in sessions) | frozenset().union(*visits.values()),
        frozenset(str(each) for kind, each in links if kind == "stranger"),
    )
