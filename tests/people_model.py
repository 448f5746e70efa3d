"""People, the simple way: what docs/identity.md says, written down a second time and as plainly as possible."""

from collections.abc import Iterable, Mapping
from typing import Any

Links = dict[tuple[str, str], tuple[int, str]]
"""(kind, source) to (version, profile) of the links that stand."""


def standing_links(rows: Iterable[Mapping[str, Any]]) -> Links:
    """Of the rows of each source the one with the highest version; deleted ones are none."""
    newest: dict[tuple[str, str], Mapping[str, Any]] = {}
    for row in rows:
        source = (row["kind"], row["source_id"])
        if source not in newest or row["version"] >= newest[source]["version"]:
            newest[source] = row
    return {source: (row["version"], row["profile_id"]) for source, row in newest.items() if not row["is_deleted"]}


def follow(links: Links, start: str) -> str:
    """Where the aliases that begin at an id end."""
    way: list[str] = []
    here = start
    while ("profile", here) in links and links["profile", here][1] != here:
        if here in way:
            circle = way[way.index(here) :]
            return min(circle, key=lambda each: (links["profile", each][0], each))
        way.append(here)
        here = links["profile", here][1]
    return here


def person(links: Links, profile_id: str, device_id: str) -> str:
    """Whose an event or a session is."""
    if profile_id:
        return follow(links, profile_id)
    if ("device", device_id) in links:
        return follow(links, links["device", device_id][1])
    return follow(links, device_id)
