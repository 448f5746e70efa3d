"""Control records and topic settings."""

import pytest
from pydantic import TypeAdapter, ValidationError

from schemas import topics
from schemas.control import (
    AnyRecord,
    ClientRecord,
    ClientType,
    ControlRecord,
    DatabaseRecord,
    LogRecord,
    ProjectRecord,
    SaltRecord,
    UsageRecord,
    control_key,
)

RECORDS: list[tuple[AnyRecord, str]] = [
    (ProjectRecord(id="shop", organization_id="o", name="Shop"), "project/shop"),
    (ClientRecord(id="c-1", organization_id="o", type=ClientType.ROOT), "client/c-1"),
    (SaltRecord(day="2026-03-01", salt="00" * 32), "salt/2026-03-01"),
    (LogRecord(topic="weir.raw", topic_id="abc", epoch=2), "log/weir.raw"),
    (UsageRecord(gateway="g", project_id="shop", month=202603, events=1), "usage/g/shop/202603"),
    (DatabaseRecord(id="ab" * 16), "database/owner"),
]


@pytest.mark.parametrize(("record", "key"), RECORDS, ids=[key for _, key in RECORDS])
def test_key_and_way_back(record: AnyRecord, key: str) -> None:
    assert control_key(record) == key
    assert TypeAdapter(ControlRecord).validate_json(record.model_dump_json()) == record


@pytest.mark.parametrize("days", [0, 401])
def test_retention_is_bounded(days: int) -> None:
    with pytest.raises(ValidationError):
        ProjectRecord(id="p", organization_id="o", name="n", retention_days=days)


def test_source_topics_are_stamped_by_the_broker() -> None:
    """Stream time is the broker's: a sender's clock on either source topic would end everybody's sessions."""
    specs = {spec.name: spec.config for spec in topics.TOPICS}
    for name in (topics.RAW, topics.PROFILE_OPS):
        assert specs[name]["message.timestamp.type"] == "LogAppendTime"


def test_state_and_truths_are_compacted() -> None:
    compacted = {spec.name for spec in topics.TOPICS if spec.config["cleanup.policy"] == "compact"}
    assert compacted == {
        topics.PROFILES,
        topics.GROUPS,
        topics.CONTROL,
        topics.DEVICES_CHANGELOG,
        topics.PEOPLE_CHANGELOG,
    }
