"""The archive's writer: raw messages to parts, hour by hour and partition by partition, each message once.

Nothing is remembered but the archive itself: a start goes on where the newest part of a partition ends. A part covers
one unbroken range of offsets and is there wholly or not at all, so a writer that dies has either written its part or
has not begun. Messages wait in memory until their hour is over by the log's own clock, until they have waited for
``flush_seconds``, or until memory is full.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import nullcontext
from time import monotonic

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition
from prometheus_client import Counter, Gauge

from schemas.topics import RAW
from streams.archive.chain import read_chains
from streams.archive.part import HOUR_MS, Part, RawMessage, encode
from streams.archive.place import ArchiveError, ArchivePlace, Folder

logger = logging.getLogger(__name__)

MESSAGES = Counter("weir_archive_messages", "Raw messages in parts written by this process")
PARTS = Counter("weir_archive_parts", "Parts written by this process")
READY = Gauge("weir_archive_ready", "1 while raw messages are being archived, else 0")
WAITING_BYTES = Gauge("weir_archive_waiting_bytes", "Bytes of messages in memory, not in a part yet")
_GROUP = "weir-archive"
_READ_MESSAGES = 500
_READ_SECONDS = 0.25
_ASK_SECONDS = 30.0


class _Waiting:
    """Messages of one partition and hour, on their way into a part."""

    __slots__ = ("bytes", "hour", "messages", "next", "since")

    def __init__(self, start: int, hour: int) -> None:
        self.next = start
        self.hour = hour
        self.messages: list[RawMessage] = []
        self.bytes = 0
        self.since = 0.0


class Archiver:
    """Writes the raw topic of epoch ``epoch`` to ``place``. One at a time: a folder is locked meanwhile."""

    def __init__(
        self, bootstrap: str, place: ArchivePlace, epoch: int, *, flush_seconds: float, memory_bytes: int
    ) -> None:
        self._bootstrap = bootstrap
        self._place = place
        self._epoch = epoch
        self._flush_seconds = flush_seconds
        self._memory_bytes = memory_bytes
        self._waiting: dict[int, _Waiting] = {}
        self._bytes = 0

    def run(self, stop: threading.Event, idle: Callable[[], None] | None = None) -> None:
        """Archive until ``stop`` is set, then write what waits. ``idle`` is called whenever nothing comes.

        :raises ArchiveError: another one writes here; the log was cut; Kafka does not answer. What is archived stays.
        :raises OSError: the place cannot be written.
        """
        with self._place.owned() if isinstance(self._place, Folder) else nullcontext():
            consumer = raw_consumer(self._bootstrap)
            try:
                self._start(consumer)
                READY.set(1)
                while not stop.is_set():
                    messages = consumer.consume(_READ_MESSAGES, _READ_SECONDS)
                    for message in messages:
                        self._take(message)
                    self._flush_old()
                    if not messages and idle is not None:
                        idle()
                for partition in self._waiting:
                    self._flush(partition)
            finally:
                READY.set(0)
                consumer.close()

    def _start(self, consumer: Consumer) -> None:
        """Go on in each partition where its newest part ends, or at the beginning of the log."""
        known = {chain.partition: chain for chain in read_chains(self._place, self._epoch)}
        places = []
        for partition in sorted(consumer.list_topics(RAW, _ASK_SECONDS).topics[RAW].partitions):
            low, high = consumer.get_watermark_offsets(TopicPartition(RAW, partition), _ASK_SECONDS)
            chain = known.get(partition)
            start, hour = (chain.end, chain.parts[-1].hour) if chain is not None else (low, 0)
            if start > high:
                raise ArchiveError(
                    f"{RAW}/{partition} is archived up to offset {start}, but the log ends at {high}: it was cut, or "
                    "made anew; run weir topics."
                )
            if start < low:
                logger.warning(
                    "%s/%d: offsets %d to %d were gone before they were archived", RAW, partition, start, low
                )
                start = low
            self._waiting[partition] = _Waiting(start, hour)
            places.append(TopicPartition(RAW, partition, start))
        consumer.assign(places)

    def _take(self, message: Message) -> None:
        error = message.error()
        if error is not None:
            if error.code() == KafkaError._AUTO_OFFSET_RESET:
                raise ArchiveError(f"{RAW} lost messages before they were archived ({error.str()}): start it again.")
            if error.fatal():
                raise ArchiveError(f"Kafka at {self._bootstrap} cannot be read: {error.str()}.")
            return  # an end, or what the client tries again by itself
        taken, partition = raw_message(message), message.partition() or 0
        waiting = self._waiting[partition]
        hour = max(taken.timestamp // HOUR_MS, waiting.hour)
        if waiting.messages and hour > waiting.hour:
            self._flush(partition)
        if not waiting.messages:
            waiting.since = monotonic()
        waiting.hour = hour
        waiting.messages.append(taken)
        waiting.bytes += taken.size
        self._bytes += taken.size
        if self._bytes > self._memory_bytes:
            self._flush(max(self._waiting, key=lambda each: self._waiting[each].bytes))

    def _flush_old(self) -> None:
        due = monotonic() - self._flush_seconds
        for partition, waiting in self._waiting.items():
            if waiting.messages and waiting.since <= due:
                self._flush(partition)
        WAITING_BYTES.set(self._bytes)

    def _flush(self, partition: int) -> None:
        """Write what waits of a partition as one part."""
        waiting = self._waiting[partition]
        if not waiting.messages:
            return
        end = waiting.messages[-1].offset + 1
        part = Part(self._epoch, partition, waiting.next, end, waiting.hour)
        self._place.write(part.name, encode(part, waiting.messages))
        PARTS.inc()
        MESSAGES.inc(len(waiting.messages))
        self._bytes -= waiting.bytes
        waiting.next, waiting.messages, waiting.bytes = end, [], 0


def raw_message(message: Message) -> RawMessage:
    """A message that is no error, as it is archived."""
    headers = message.headers() or []
    pairs = headers.items() if isinstance(headers, dict) else headers
    known = tuple((name, value.encode() if isinstance(value, str) else value) for name, value in pairs)
    return RawMessage(message.offset() or 0, message.timestamp()[1], message.key(), known, message.value())


def raw_consumer(bootstrap: str) -> Consumer:
    """Reads the raw topic, committed messages only; never joins a group and never commits. Close it when done."""
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            # The library wants a name all the same.
            "group.id": _GROUP,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "auto.offset.reset": "error",
            "queued.max.messages.kbytes": 16 * 1024,
            "fetch.wait.max.ms": 100,
            "log_level": 2,
        }
    )
