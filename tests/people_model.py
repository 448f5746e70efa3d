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
    known = {to for (_, source), (_, to) in links.items() if source != to}
    if ("device", device_id) in links and device_id not in known:
        return follow(links, links["device", device_id][1])
    return follow(links, device_id)


class Said:
    """What senders said, one after the other: who is linked to whom, and what is known of each."""

    def __init__(self) -> None:
        self.links: dict[tuple[str, str], str] = {}
        self.settings: dict[str, dict[str, tuple[int, Any]]] = {}
        self.once: dict[str, dict[str, Any]] = {}
        self.counts: dict[str, int] = {}
        self._heard: set[str] = set()

    def hear(self, event: Mapping[str, Any]) -> None:
        """One raw event; one that was heard before says nothing."""
        if event["event_id"] in self._heard:
            return
        self._heard.add(event["event_id"])
        kind, device, profile, payload = event["kind"], event["device_id"], event["profile_id"], event["payload"]
        if kind == "unlink":
            self.links.pop(("profile", payload["alias"]) if payload["alias"] else ("device", device), None)
            return
        if device and profile:
            self.links["device", device] = profile
        if kind == "alias" and payload["alias"] != profile:
            self.links["profile", payload["alias"]] = profile
        elif kind == "increment":
            self.counts[profile] = self.counts.get(profile, 0) + payload["value"]
        elif kind == "identify":
            self._identify(profile, event["time"], payload)

    def _identify(self, profile: str, time: int, payload: Mapping[str, Any]) -> None:
        known = self.settings.setdefault(profile, {})
        for name, value in payload["properties"].items():
            if name not in known or known[name][0] <= time:
                known[name] = (time, value)
        for name, value in payload["set_once"].items():
            self.once.setdefault(profile, {}).setdefault(name, value)
