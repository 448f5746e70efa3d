"""Every example of docs/sessions.md, run."""

import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from schemas.event_time import clickhouse_time, parse_iso_ms
from tests.unit.streams.raw_log import RawLog, process, track

PAGE = Path(__file__).parents[3] / "docs" / "sessions.md"
EXAMPLES = [orjson.loads(block) for block in re.findall(r"```json sessions\n(.*?)```", PAGE.read_text(), re.DOTALL)]


def ms(time: str) -> int:
    parsed = parse_iso_ms(f"{time}Z" if " " in time else f"2026-03-04T{time}Z")
    assert parsed is not None
    return parsed


def run(example: dict[str, Any]) -> list[dict[str, Any]]:
    """The example's sessions as Weir makes them, in the example's own words."""
    log = RawLog()
    arrived = ms(example["events"][0].get("arrives", example["events"][0]["at"]))
    for number, event in enumerate(example["events"]):
        arrives = ms(event.get("arrives", event["at"]))
        if arrives - arrived > 60_000:
            log.ticks(arrived + 30_000, arrives - 1)
        arrived = max(arrived, arrives)
        page = f"https://shop.example{event.get('page', '/')}"
        log.send(arrived, track(time=ms(event["at"]), event_id=str(number), properties={"__path": page}))
    if "quiet_until" in example:
        log.ticks(arrived + 30_000, ms(example["quiet_until"]))
    return sorted(process(log).sessions().values(), key=lambda session: str(session["started_at"]))


@pytest.mark.parametrize("example", EXAMPLES, ids=range(1, len(EXAMPLES) + 1))
def test_example(example: dict[str, Any]) -> None:
    found = run(example)
    said = example["sessions"]
    assert [(session["started_at"], session["ended_at"], session["event_count"]) for session in found] == [
        (clickhouse_time(ms(session["from"])), clickhouse_time(ms(session["to"])), session["events"])
        for session in said
    ]
    assert [bool(session["is_closed"]) for session in found] == [session["closed"] for session in said]
    for session, words in zip(found, said, strict=True):
        if "entry" in words:
            assert (session["entry_path"], session["exit_path"]) == (words["entry"], words["exit"])


def test_the_page_has_its_examples() -> None:
    assert len(EXAMPLES) == PAGE.read_text().count("```json sessions") >= 10
