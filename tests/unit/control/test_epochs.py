"""Topic epochs: the same while the topic is the same, a greater one when it was made anew."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

from control.database import migrate, open_database
from control.epochs import register_topics
from control.models import TopicEpoch
from schemas.control import LogRecord

NOON = 1_772_366_400


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_database(f"sqlite:///{tmp_path}/control.db")
    migrate(opened)
    yield opened
    opened.dispose()


def _epochs(records: dict[str, LogRecord]) -> dict[str, int]:
    return {name: record.epoch for name, record in records.items()}


def test_a_recreated_topic_gets_a_greater_epoch_and_the_others_stay(engine: Engine) -> None:
    with Session(engine) as session:
        first = register_topics(session, {"a": "id-1", "b": "id-2"}, {}, lambda: NOON + 0.9)
        assert _epochs(first) == {"a": NOON, "b": NOON}
        assert register_topics(session, {"a": "id-1", "b": "id-2"}, {}, lambda: NOON + 60) == first
        second = register_topics(session, {"a": "id-3", "b": "id-2"}, first, lambda: NOON + 90)
        assert second["a"] == LogRecord(topic="a", topic_id="id-3", epoch=NOON + 90)
        assert second["b"] == first["b"]


@pytest.mark.parametrize("behind", [0, 3600])
def test_epochs_grow_though_the_clock_does_not(engine: Engine, behind: int) -> None:
    with Session(engine) as session:
        register_topics(session, {"a": "id-1"}, {}, lambda: NOON)
        again = register_topics(session, {"a": "id-2"}, {}, lambda: NOON - behind)
    assert _epochs(again) == {"a": NOON + 1}


def test_they_grow_when_everything_that_remembered_them_is_gone(tmp_path: Path) -> None:
    found = []
    for name, now in (("before", NOON), ("after", NOON + 1)):
        engine = open_database(f"sqlite:///{tmp_path}/{name}.db")
        migrate(engine)
        with Session(engine) as session:
            found.append(register_topics(session, {"a": f"id-{name}"}, {}, iter([now]).__next__)["a"].epoch)
        engine.dispose()
    assert found[0] < found[1] < 2**32


def test_a_new_or_restored_database_does_not_fall_behind_what_is_published(engine: Engine) -> None:
    published = {
        "same": LogRecord(topic="same", topic_id="id-1", epoch=7),
        "changed": LogRecord(topic="changed", topic_id="id-2", epoch=NOON + 4),
    }
    with Session(engine) as session:
        records = register_topics(session, {"same": "id-1", "changed": "id-9"}, published, lambda: NOON)
    assert _epochs(records) == {"same": 7, "changed": NOON + 5}


@pytest.mark.parametrize("known", [False, True])
def test_two_that_register_at_once_agree(engine: Engine, known: bool) -> None:
    with Session(engine) as session:
        if known:
            register_topics(session, {"a": "id-1"}, {}, lambda: NOON)
    overtaken: list[str] = []

    def overtake(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(("INSERT", "UPDATE")) and not overtaken:
            overtaken.append(statement)
            with Session(engine) as other:
                register_topics(other, {"a": "id-2"}, {}, lambda: NOON + 10)

    with Session(engine) as session:
        event.listen(engine, "before_cursor_execute", overtake)
        assert _epochs(register_topics(session, {"a": "id-2"}, {}, lambda: NOON + 20)) == {"a": NOON + 10}
        assert session.get_one(TopicEpoch, "a").epoch == NOON + 10
    assert len(overtaken) == 1


def test_the_number_of_partitions_is_written_down_once(engine: Engine) -> None:
    """Kafka may tell of fewer later, or of more that nobody works on; a topic made anew has its own."""
    with Session(engine) as session:
        first = register_topics(session, {"a": "id-1"}, {}, lambda: NOON)
        assert first["a"].partitions is None  # as a database that is older has it
        for told, registered in ((8, 8), (3, 8), (9, 8)):
            again = register_topics(session, {"a": "id-1"}, first, lambda: NOON, {"a": told})
            assert again["a"] == first["a"].model_copy(update={"partitions": registered})
        anew = register_topics(session, {"a": "id-2"}, again, lambda: NOON + 9, {"a": 4})
        assert anew["a"].partitions == 4


def test_a_lost_database_learns_the_partitions_from_what_is_published(engine: Engine) -> None:
    published = {"a": LogRecord(topic="a", topic_id="id-1", epoch=7, partitions=8)}
    with Session(engine) as session:
        assert register_topics(session, {"a": "id-1"}, published, lambda: NOON, {"a": 3}) == published
