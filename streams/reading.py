"""Messages of a consumer by the batch, without waiting for more than is there."""

from confluent_kafka import Consumer, Message


def read_batch(consumer: Consumer, count: int, seconds: float) -> list[Message]:
    """At most ``count`` messages and ends of partitions: those that are there, or, while nothing is, the first that
    comes within so many seconds and what came with it. ``Consumer.consume`` alone waits its whole time for the last.
    """
    first = consumer.poll(seconds)
    return [] if first is None else [first, *consumer.consume(count - 1, 0)]
