"""Every example of docs/identity.md, run; whose events are is what the plain model says of the rows."""

import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from schemas import topics
from schemas.event_time import parse_iso_ms
from streams.chunk import Chunk
from streams.profiles import ProfilesProcessor
from tests.people_model import person, standing_links
from tests.unit.streams.raw_log import (
    EPOCHS,
    HOUR,
    MINUTE,
    NOON,
    PARTITION,
    Message,
    Partition,
    RawLog,
    operate,
    process,
    track,
)

PAGE = Path(__file__).parents[3] / "docs" / "identity.md"
EXAMPLES = [orjson.loads(block) for block in re.findall(r"```json identity\n(.*?)```", PAGE.read_text(), re.DOTALL)]
TEN = NOON - 2 * HOUR


def sent(number: int, event: dict[str, Any]) -> dict[str, Any]:
    """The raw event of an example's."""
    given = dict(event)
    kind, device, profile = given.pop("kind", "track"), given.pop("device", ""), given.pop("as", "")
    at = given.pop("at", None)
    time = parse_iso_ms(f"2026-03-04T{at}Z") if at else TEN + number * MINUTE
    assert time is not None
    event_id = given.pop("id", str(number))
    if kind == "track":
        page = f"https://shop.example{given.pop('page', '/')}"
        properties = {"__path": page, "__referrer": given.pop("referrer", "")}
        assert not given
        return track(device, time, profile_id=profile, event_id=event_id, properties=properties)
    payload = {{"set": "properties", "groups": "group_ids"}.get(name, name): value for name, value in given.items()}
    return operate(kind, payload, profile, time, device, event_id=event_id)


def run(events: list[dict[str, Any]]) -> tuple[Partition, Partition]:
    """The raw partition after the events, and the one of the operations they gave."""
    log = RawLog()
    for number, event in enumerate(events):
        log.send(max(NOON + number, TEN + number * MINUTE), sent(number, event))
    raw = process(log)
    assert raw.dead() == []
    operations = raw.rows(topics.PROFILE_OPS)
    messages = [Message(number, NOON, orjson.dumps(operation)) for number, operation in enumerate(operations)]
    known = Partition(lambda: ProfilesProcessor(PARTITION, EPOCHS))
    known.take([Chunk(topics.PROFILE_OPS, PARTITION, 0, list(messages), len(messages))] if messages else [])
    assert known.dead() == []
    return raw, known


@pytest.mark.parametrize("example", EXAMPLES, ids=range(1, len(EXAMPLES) + 1))
def test_example(example: dict[str, Any]) -> None:
    raw, known = run(example["events"])
    links = standing_links(raw.rows(topics.IDENTITIES))
    if "people" in example:
        events = sorted(raw.events("screen_view"), key=lambda row: int(row["raw_offset"]))
        assert [person(links, row["profile_id"], row["device_id"]) for row in events] == example["people"]
    if "links" in example:
        assert {f"{kind} {source}": to for (kind, source), (_, to) in links.items()} == example["links"]
    profiles = {row["profile_id"]: row for row in known.rows(topics.PROFILES)}
    for name, said in example.get("profiles", {}).items():
        properties = profiles[name]["properties"]
        assert {path: properties.get(path) for path in said} == said
    for name, groups in example.get("groups", {}).items():
        assert profiles[name]["groups"] == groups


def test_the_page_has_its_examples() -> None:
    assert len(EXAMPLES) == PAGE.read_text().count("```json identity") >= 15
    assert all(set(example) & {"people", "links", "profiles", "groups"} for example in EXAMPLES)
