"""Every example of docs/enrichment.md, run."""

import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from schemas import topics
from schemas.control import BotPolicy, ProjectRecord
from tests.unit.streams.raw_log import BROWSER, NOON, PROJECT, SECOND, Partition, RawLog, devices_processor, track

PAGE = Path(__file__).parents[3] / "docs" / "enrichment.md"
EXAMPLES = [orjson.loads(block) for block in re.findall(r"```json enrichment\n(.*?)```", PAGE.read_text(), re.DOTALL)]
PROJECTS = {
    PROJECT: ProjectRecord(
        id=PROJECT,
        organization_id="organization-1",
        name="Test",
        origins=("https://shop.example", "https://pay.example"),
        bot_policy=BotPolicy.FLAG,
    )
}


@pytest.mark.parametrize("example", EXAMPLES, ids=range(1, len(EXAMPLES) + 1))
def test_example(example: dict[str, Any]) -> None:
    agent = example.get("user_agent", BROWSER)
    log = RawLog()
    for earlier in example.get("before", []):
        time = NOON - earlier["seconds"] * SECOND
        log.send(time, track(time=time, properties=earlier["event"], user_agent=agent))
    log.send(NOON, track(name=example.get("name", "screen_view"), properties=example["event"], user_agent=agent))
    partition = Partition(lambda: devices_processor(projects=lambda: PROJECTS)).take([log.chunk()])
    row = [row for row in partition.rows(topics.EVENTS) if not row["synthesized"]][-1]
    for column, value in example["gives"].items():
        first, _, path = column.partition(".")
        assert (row[first][path] if path else row[first]) == value, column


def test_the_page_has_its_examples() -> None:
    assert len(EXAMPLES) == PAGE.read_text().count("```json enrichment") >= 15
