"""Who is on a site now, told beside the transactions: what is lost here is lost, and nobody waits for it."""

import logging
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import orjson
from confluent_kafka import KafkaException, Producer

from schemas.envelope import Headers
from schemas.event_time import clickhouse_time, parse_iso_ms
from schemas.live import LIVE_MS, MAX_OTHERS, MAX_VISITORS, MESSAGES_PER_SECOND, visitor_hash
from schemas.partition import project_partition
from schemas.topics import FORMAT_VERSION, HEADER_FORMAT, LIVE
from streams.columns import Columns, Row

logger = logging.getLogger(__name__)

SHORTEST_SECONDS = 0.5
"""Between two messages of one worker, even if it is the only one."""
MAX_WAITING = 100_000
"""Devices that wait for the next message; of more, those seen first."""
_COPIED = ("session_id", "profile_id", "name", "path", "origin", "country", "city", "longitude", "latitude", "device")
_COPIED_TOO = ("browser", "referrer_name")
_HEADERS: Headers = [(HEADER_FORMAT, FORMAT_VERSION.encode())]

EventRow = Mapping[str, Any]
Seen = dict[tuple[str, str], tuple[EventRow, tuple[Columns, ...]]]
"""The newest event row of each (project, device): its own columns, and those it shares. None is a crawler's, made up by
us, or without a device."""


def interval_seconds(own: int, partitions: int) -> float:
    """Between two messages of a worker with so many of the partitions, so that all workers keep to the rate."""
    return max(SHORTEST_SECONDS, partitions / (MESSAGES_PER_SECOND * own))


class LiveVisitors:
    """Devices seen since they were last told of. One thread."""

    def __init__(self) -> None:
        self._waiting: Seen = {}

    def take(self, seen: Seen, now_ms: int) -> None:
        """Rows of a committed batch; what is not live any more (a backlog) is let go."""
        since = clickhouse_time(now_ms - LIVE_MS)
        waiting = self._waiting
        for device, newest in seen.items():
            created_at = newest[0]["created_at"]
            if created_at > since and len(waiting) < MAX_WAITING:
                known = waiting.get(device)
                if known is None or known[0]["created_at"] <= created_at:
                    waiting[device] = newest

    def messages(self) -> dict[str, bytes]:
        """By project what is to be told (``schemas.live.LiveMessage``), and nothing of it a second time."""
        by_project: dict[str, list[EventRow]] = defaultdict(list)
        for (project_id, _), (own, shared) in self._waiting.items():
            by_project[project_id].append(Row(own, shared))
        self._waiting = {}
        return {project_id: _message(project_id, rows) for project_id, rows in by_project.items()}


def _message(project_id: str, rows: list[EventRow]) -> bytes:
    rows.sort(key=lambda row: str(row["created_at"]), reverse=True)
    others = rows[MAX_VISITORS : MAX_VISITORS + MAX_OTHERS]
    return orjson.dumps(
        {
            "version": 1,
            "project_id": project_id,
            "visitors": [_visitor(row) for row in rows[:MAX_VISITORS]],
            "others": [_hash_and_time(row) for row in others],
            "more": max(0, len(rows) - MAX_VISITORS - MAX_OTHERS),
        }
    )


def _visitor(row: EventRow) -> dict[str, Any]:
    visitor, seen = _hash_and_time(row)
    return {"visitor": visitor, "seen": seen, **{name: row[name] for name in (*_COPIED, *_COPIED_TOO)}}


def _hash_and_time(row: EventRow) -> tuple[str, int]:
    return visitor_hash(row["project_id"], row["device_id"]), parse_iso_ms(row["created_at"]) or 0


class LiveTopic:
    """``weir.live`` as a worker writes it: without a transaction, which a dead owner could leave open and so hold up
    every reader, and without waiting for an answer.
    """

    def __init__(self, bootstrap: str, partitions: int) -> None:
        self._visitors = LiveVisitors()
        self._partitions = partitions
        self._told_at = 0.0
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "acks": "1",
                "linger.ms": 20,
                "compression.type": "lz4",
                "message.timeout.ms": 5_000,
                "queue.buffering.max.kbytes": 16 * 1024,
                "log_level": 2,
            }
        )

    def take(self, seen: Seen) -> None:
        """The newest row of each device of a committed batch."""
        self._visitors.take(seen, time.time_ns() // 1_000_000)

    def tell(self, own: int) -> None:
        """Send what waits, if it is time to; ``own``: partitions of the raw topic that are this worker's."""
        self._producer.poll(0)
        now = time.monotonic()
        if not own or now - self._told_at < interval_seconds(own, self._partitions):
            return
        self._told_at = now
        try:
            for project_id, value in self._visitors.messages().items():
                partition = project_partition(project_id, self._partitions)
                self._producer.produce(LIVE, value, key=project_id.encode(), partition=partition, headers=_HEADERS)
        except (BufferError, KafkaException) as error:
            logger.debug("live visitors are not told: %s", error)
