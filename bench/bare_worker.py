"""The least a worker could do: read, parse, write back and commit in transactions. Prints one line of JSON."""

import json
import sys
import time

import orjson
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition

from schemas.topics import EVENTS, RAW

_BATCH_MESSAGES = 500


def main() -> None:
    """Run over the whole raw topic once."""
    bootstrap = sys.argv[1]
    reader = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "bare", "enable.partition.eof": True, "enable.auto.commit": False}
    )
    partitions = set(reader.list_topics(RAW, 30).topics[RAW].partitions)
    reader.assign([TopicPartition(RAW, partition, OFFSET_BEGINNING) for partition in partitions])
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": "bare", "compression.type": "lz4"})
    producer.init_transactions(30)
    began, cpu, events = time.monotonic(), time.process_time(), 0
    while partitions:
        producer.begin_transaction()
        for message in reader.consume(_BATCH_MESSAGES, 0.2):
            error = message.error()
            if error is not None:
                if error.code() == KafkaError._PARTITION_EOF:
                    partitions.discard(message.partition())
                continue
            lines = [orjson.dumps(orjson.loads(line)) for line in (message.value() or b"").split(b"\n")]
            producer.produce(EVENTS, b"\n".join(lines), partition=message.partition() or 0)
            events += len(lines)
        # Aborted, so that the topic is empty for the worker that is measured next; a marker costs the same.
        producer.flush()
        producer.abort_transaction()
    took = time.monotonic() - began
    print(
        json.dumps({"events_per_second": events / took, "cpu_us_per_event": (time.process_time() - cpu) / events * 1e6})
    )


if __name__ == "__main__":
    main()
