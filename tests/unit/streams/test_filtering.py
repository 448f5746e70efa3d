"""What a project does not want: dropped, counted, and without any effect."""

from typing import Any

import pytest

from schemas import topics
from schemas.control import BotPolicy, ProjectRecord
from schemas.filters import FilterRecord
from streams.devices import DevicesProcessor
from streams.enrich.geo import NOWHERE, Geo
from tests.unit.streams.raw_log import (
    CRAWLER,
    EPOCHS,
    NOON,
    PARTITION,
    PARTITIONS,
    PROJECT,
    Partition,
    RawLog,
    identify,
    track,
)

SWISS = "81.2.69.142"
CLIENT = "6f0c7e5a-3b1d-4c2e-9f8a-1d2c3b4a5e6f"


def locate(ip: str) -> Geo:
    return Geo("CH", "", "", None, None) if ip == SWISS else NOWHERE


def process(project: ProjectRecord, *events: dict[str, Any]) -> Partition:
    def made() -> DevicesProcessor:
        return DevicesProcessor(PARTITION, PARTITIONS, EPOCHS, lambda: {PROJECT: project}, locate)

    return Partition(made).take([RawLog().send(NOON, *events).chunk()])


def project(policy: BotPolicy = BotPolicy.DROP, *filters: tuple[str, str]) -> ProjectRecord:
    records = tuple(FilterRecord(kind=kind, value=value) for kind, value in filters)
    return ProjectRecord(id=PROJECT, organization_id="acme", name="", bot_policy=policy, filters=records)


def counted(partition: Partition) -> dict[str, int]:
    (row,) = partition.rows(topics.LEDGER)
    names = ("stored", "repeated", "bots", "filtered", "dead", "operations")
    assert row["lines"] == sum(row[name] for name in names)
    return {name: row[name] for name in names if row[name]}


@pytest.mark.parametrize(
    ("kind", "value", "event"),
    [
        ("ip", "81.2.69.0/24", {"ip": SWISS}),
        ("profile_id", "ann", {"profile_id": "ann"}),
        ("country", "CH", {"ip": SWISS}),
        ("path", "/admin/*", {"properties": {"__path": "https://shop.example/admin/users?x=1"}}),
        ("user_agent", "uptime", {"user_agent": "Mozilla/5.0 (X11; Linux x86_64) Uptime-Check"}),
    ],
)
def test_what_a_filter_names_leaves_nothing_but_its_count(kind: str, value: str, event: dict[str, Any]) -> None:
    partition = process(project(BotPolicy.FLAG, (kind, value)), track("a", **event), track("b"))
    assert counted(partition) == {"stored": 1, "filtered": 1}
    assert {row["device_id"] for row in partition.events()} == {"b"}
    assert {row["device_id"] for row in partition.rows(topics.SESSIONS)} == {"b"}
    assert [key for key in partition.state if key.startswith(b"device/") and b"/a" in key] == []
    assert partition.dead() == []


def test_filters_hold_for_every_kind_of_event() -> None:
    partition = process(project(BotPolicy.FLAG, ("profile_id", "ann")), identify("a", "ann"), identify("a", "bob"))
    assert counted(partition) == {"operations": 1, "filtered": 1}
    assert {row["profile_id"] for row in partition.rows(topics.PROFILE_OPS)} == {"bob"}


def test_an_event_that_is_sent_again_is_filtered_again() -> None:
    filtered = track("a", ip=SWISS)
    assert counted(process(project(BotPolicy.DROP, ("ip", SWISS)), filtered, filtered)) == {"filtered": 2}


def test_a_crawler_is_dropped_flagged_or_kept() -> None:
    event = track("a", user_agent=CRAWLER)
    dropped = process(project(BotPolicy.DROP), event)
    assert (counted(dropped), dropped.events()) == ({"bots": 1}, [])
    flagged = process(project(BotPolicy.FLAG), event)
    assert counted(flagged) == {"stored": 1}
    assert [(row["name"], row["bot"]) for row in flagged.events()] == [("screen_view", "Googlebot")]
    kept = process(project(BotPolicy.KEEP), event)
    assert counted(kept) == {"stored": 1}
    assert {row["bot"] for row in kept.events()} == {""}
    assert kept.events("session_start")


def test_a_crawlers_event_that_a_client_vouched_for_is_flagged() -> None:
    partition = process(project(BotPolicy.DROP), track("a", user_agent=CRAWLER, client_id=CLIENT))
    assert counted(partition) == {"stored": 1}
    assert [row["bot"] for row in partition.events()] == ["Googlebot"]
