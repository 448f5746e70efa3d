"""Following ``weir.live`` from five minutes ago on, in a thread of its own and without a consumer group."""

import logging
import threading
import time

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, Message, TopicPartition
from pydantic import ValidationError

from query_api.live_visitors import LiveView, LiveVisitors
from schemas.live import LIVE_MS, LiveMessage
from schemas.topics import LIVE

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.2
_BATCH = 500
_METADATA_SECONDS = 3.0
_RETRY_SECONDS = 2.0


class LiveFeed:
    """What the workers tell, kept up to date by a thread once it is started."""

    def __init__(self, bootstrap: str) -> None:
        self._visitors = LiveVisitors()
        self._ready = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live-feed", daemon=True)
        self._config: dict[str, object] = {
            "bootstrap.servers": bootstrap,
            # librdkafka wants a name; nothing is ever committed or joined under it.
            "group.id": "weir-query-api-unused",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "latest",
            "fetch.wait.max.ms": 100,
            "log_level": 2,
            "error_cb": self._troubled,
        }

    def view(self, project_id: str, now_ms: int) -> LiveView | None:
        """A project's visitors; None while the last five minutes are not read, or Kafka is away: then what is known
        here may be less than there is.
        """
        return self._visitors.view(project_id, now_ms) if self._ready.is_set() else None

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; blocks until it did, three seconds at most: it has nothing to finish."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_METADATA_SECONDS)

    def _troubled(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._ready.clear()

    def _run(self) -> None:
        while not self._stop.is_set():
            consumer = Consumer(self._config)
            try:
                self._follow(consumer)
            except KafkaException as error:
                log.debug("%s cannot be followed at the moment: %s", LIVE, error)
            finally:
                self._ready.clear()
                consumer.close()
            self._stop.wait(_RETRY_SECONDS)

    def _follow(self, consumer: Consumer) -> None:
        start = self._start(consumer)
        ahead = {place.partition for place in start}
        consumer.assign(start)
        while not self._stop.is_set():
            first = consumer.poll(_POLL_SECONDS)
            for message in () if first is None else (first, *consumer.consume(_BATCH, timeout=0)):
                error = message.error()
                if error is None:
                    self._take(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    ahead.discard(message.partition() or 0)
                else:
                    raise KafkaException(error)
                if not ahead:
                    self._ready.set()

    def _start(self, consumer: Consumer) -> list[TopicPartition]:
        metadata = consumer.list_topics(LIVE, timeout=_METADATA_SECONDS).topics[LIVE]
        if metadata.error is not None:
            raise KafkaException(metadata.error)
        since = _now_ms() - LIVE_MS
        wanted = [TopicPartition(LIVE, partition, since) for partition in sorted(metadata.partitions)]
        found = consumer.offsets_for_times(wanted, timeout=_METADATA_SECONDS)
        return [
            TopicPartition(LIVE, place.partition, place.offset if place.offset >= 0 else OFFSET_END) for place in found
        ]

    def _take(self, message: Message) -> None:
        try:
            said = LiveMessage.model_validate_json(message.value() or b"")
        except ValidationError:
            return  # of a newer Weir, or nobody's
        self._visitors.take(said, _now_ms())


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
