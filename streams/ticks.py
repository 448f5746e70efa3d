"""Ticks: messages on every raw partition that say that time has passed, so that sessions end on quiet partitions."""

import threading

from confluent_kafka import KafkaException, Producer

from schemas.envelope import tick_message
from schemas.topics import RAW

TICK_SECONDS = 30.0


def send_ticks(producer: Producer, partitions: int, sender: str) -> None:
    """One tick to each partition of the raw topic. More ticks than needed do no harm."""
    value, headers = tick_message(sender)
    for partition in range(partitions):
        producer.produce(RAW, value, partition=partition, headers=headers)
    producer.poll(0)


class Ticker:
    """Sends ticks from a thread of its own. A tick that fails is not repeated: the next one says the same."""

    def __init__(self, bootstrap: str, partitions: int, sender: str, seconds: float = TICK_SECONDS) -> None:
        self._producer = Producer({"bootstrap.servers": bootstrap, "log_level": 3, "message.timeout.ms": 10_000})
        self._partitions = partitions
        self._sender = sender
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ticker", daemon=True)

    def start(self) -> None:
        """Begin; the first tick goes out at once."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join(5)

    def _run(self) -> None:
        while True:
            try:
                send_ticks(self._producer, self._partitions, self._sender)
            except (BufferError, KafkaException):
                self._producer.poll(0.1)  # the queue is full of ticks that Kafka did not take: it is away
            if self._stop.wait(self._seconds):
                self._producer.flush(1)
                return
