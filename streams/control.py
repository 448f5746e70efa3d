"""Projects, their rules and topic epochs as the worker knows them: a tail of ``weir.control``."""

import threading
from collections.abc import Callable
from typing import TypeVar

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition
from pydantic import TypeAdapter, ValidationError

from schemas.control import ControlRecord, ErasureRecord, LogRecord, ProjectRecord, RuleRecord
from schemas.topics import CONTROL
from streams.erasures import Erasures
from streams.rules import ProjectRules

T = TypeVar("T")
_RECORD: TypeAdapter[ControlRecord] = TypeAdapter(ControlRecord)


class ControlMissing(Exception):
    """``weir.control`` lacks what a worker needs; the message says what to run."""


class ControlTail:
    """Reads ``weir.control`` in a thread. ``projects``, ``rules`` (of projects that have any) and ``logs`` are
    replaced whole, so a reader needs no lock; ``erasures`` only grows.
    """

    def __init__(self, bootstrap: str, fail: Callable[[str], None]) -> None:
        self.projects: dict[str, ProjectRecord] = {}
        self.rules: dict[str, ProjectRules] = {}
        self.logs: dict[str, LogRecord] = {}
        self.erasures = Erasures()
        self._rule_records: dict[str, dict[str, RuleRecord]] = {}
        self._projects_with_news: set[str] = set()
        self._bootstrap = bootstrap
        self._fail = fail
        self._read = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._tail, name="control-tail", daemon=True)

    def start(self, timeout: float = 30) -> None:
        """Begin to read and wait until the topic's end as of now is reached. Raises ControlMissing."""
        self._thread.start()
        if not self._read.wait(timeout):
            raise ControlMissing(
                f"{CONTROL} could not be read within {timeout:.0f} s: is Kafka up at {self._bootstrap}?"
            )

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join(5)

    def log(self, topic: str) -> LogRecord:
        """The registered identity of a topic. Raises ControlMissing."""
        record = self.logs.get(topic)
        if record is None:
            raise ControlMissing(f"Topic {topic} is not registered: run 'weir topics'.")
        return record

    def _tail(self) -> None:
        reader = Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                "group.id": "weir-control-reader",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "log_level": 2,
                # The end is told by an answer without messages, which the broker would hold back for half a second.
                "fetch.wait.max.ms": 100,
            }
        )
        try:
            reader.assign([TopicPartition(CONTROL, 0, OFFSET_BEGINNING)])
            while not self._stop.is_set():
                message = reader.poll(0.1)
                if message is None:
                    continue
                error = message.error()
                if error is None:
                    self._apply((message.key() or b"").decode("utf-8", "replace"), message.value())
                elif error.code() == KafkaError._PARTITION_EOF:
                    self._put_rules_in_force()
                    self._read.set()
        except Exception as error:  # noqa: BLE001  # what was known would be rules that are no longer in force
            self._fail(f"{CONTROL} is not read any more: {type(error).__name__}: {error}")
        finally:
            reader.close()

    def _apply(self, key: str, value: bytes | None) -> None:
        kind, _, name = key.partition("/")
        record = None
        if value is not None:
            try:
                record = _RECORD.validate_json(value)
            except ValidationError:
                return  # a kind of record that a newer Weir writes
        if kind == "project":
            self.projects = _with(self.projects, name, record if isinstance(record, ProjectRecord) else None)
        elif kind == "rule":
            project_id, _, rule_id = name.partition("/")
            known_rules = self._rule_records.get(project_id, {})
            known_rules = _with(known_rules, rule_id, record if isinstance(record, RuleRecord) else None)
            self._rule_records[project_id] = known_rules
            self._projects_with_news.add(project_id)
        elif isinstance(record, ErasureRecord):
            self.erasures.add(record)
        elif kind == "log":
            known = self.logs.get(name)
            renewed = isinstance(record, LogRecord) and known is not None and known.topic_id != record.topic_id
            if renewed and self._read.is_set():
                self._fail(f"Topic {name} was created anew; starting again to take up its new epoch.")
            self.logs = _with(self.logs, name, record if isinstance(record, LogRecord) else None)

    def _put_rules_in_force(self) -> None:
        """Rules cost more to make ready than to read: only once all that is there was read."""
        if not self._projects_with_news:
            return
        rules = dict(self.rules)
        for project_id in self._projects_with_news:
            rules[project_id] = ProjectRules(self._rule_records[project_id].values())
        self.rules = {project_id: found for project_id, found in rules.items() if found}
        self._projects_with_news.clear()


def _with(records: dict[str, T], name: str, record: T | None) -> dict[str, T]:
    changed = dict(records)
    if record is None:
        changed.pop(name, None)
    else:
        changed[name] = record
    return changed
