"""Loading and joining: what workers do to each other, and to themselves, when partitions change hands."""

import os
import signal
import subprocess
import threading
import time
from collections import defaultdict

import orjson
import pytest
from confluent_kafka import Producer

from schemas import topics
from schemas.session_id import session_bucket, session_id
from streams.device_state import heard_of
from streams.devices import CLOCK_KEY
from streams.known_devices import MAX_ENDED_PER_MESSAGE
from streams.position import POSITION_KEY, Position
from streams.positions import read_logs
from streams.state import load_state
from tests.broker import Broker
from tests.integration.streams.lab import PARTITIONS, PROJECT, Lab, track, wait_until
from tests.integration.streams.replay import assert_exact, wait_for_the_end
from tests.unit.streams.raw_log import MINUTE, RawLog, process
from tests.unit.streams.raw_log import track as plain_track

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

SESSION_SECONDS = 6


def limit_reading(broker: Broker, client_id: str, bytes_per_second: int) -> None:
    """Have the broker serve a client no faster, as a distant or busy one would."""
    done = subprocess.run(
        [
            *("java", "-Xmx64m", "-cp", f"{broker.place.jars}/*", "kafka.admin.ConfigCommand"),
            *("--bootstrap-server", broker.bootstrap, "--alter"),
            *("--add-config", f"consumer_byte_rate={bytes_per_second}"),
            *("--entity-type", "clients", "--entity-name", client_id),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_member_stays_while_its_state_loads(own_lab: Lab) -> None:
    """Rule 9. Loaded within the rebalance, no heartbeat leaves the worker: a load longer than the session timeout has
    it thrown out, its partitions given away, and the next owner thrown out in turn.
    """
    lab, group = own_lab, topics.STREAMS_GROUP
    limit_reading(lab.broker, "rdkafka", 200_000)
    raw = read_logs(lab.broker.bootstrap)[topics.RAW]
    for partition in range(PARTITIONS):
        for number in range(100):
            key = f"ring/device/{PROJECT}/old-{number}/0"
            lab.producer.produce(topics.DEVICES_CHANGELOG, os.urandom(15_000), key=key, partition=partition)
        position = Position(raw.topic_id, raw.epoch, 0).encode()
        lab.producer.produce(topics.DEVICES_CHANGELOG, position, key=POSITION_KEY, partition=partition)
    lab.send(track(f"device-{number}") for number in range(40))
    worker = lab.start_worker(WEIR_WORKER_SESSION_TIMEOUT_SECONDS=str(SESSION_SECONDS))
    joined: float | None = None

    def loaded() -> bool:
        nonlocal joined
        description = lab.broker.admin().describe_consumer_groups([group])[group].result(30)
        if joined is None and description.members and description.members[0].assignment.topic_partitions:
            joined = time.monotonic()
        assert joined is None or description.members, "the member was thrown out while it loaded"
        return all(f"{topics.RAW}/{partition} goes on" in worker.output() for partition in range(PARTITIONS))

    wait_until(loaded, "the state to be loaded")
    assert joined is not None
    assert time.monotonic() - joined > SESSION_SECONDS, "loading was not slow enough to show anything"
    wait_for_the_end(lab)
    worker.kill(signal.SIGTERM)
    assert worker.process.returncode == 0, worker.output()
    assert worker.output().count(f"{topics.RAW}/0 goes on") == 1
    assert_exact(lab)


def latencies(lab: Lab, since_ms: int) -> dict[int, int]:
    """Per raw partition, the longest time in ms from the broker's stamp of a message to that of its ledger row's."""
    stamps = {(message.partition(), message.offset()): message.timestamp()[1] for message in lab.messages(topics.RAW)}
    slowest: dict[int, int] = defaultdict(int)
    for message in lab.messages(topics.LEDGER):
        for line in (message.value() or b"").split(b"\n"):
            row = orjson.loads(line)
            stamp = stamps.get((row["raw_partition"], row["from_offset"]))
            if row["kind"] != "hole" and stamp is not None and stamp > since_ms:
                took = message.timestamp()[1] - stamp
                slowest[row["raw_partition"]] = max(slowest[row["raw_partition"]], took)
    return slowest


def test_a_join_does_not_hold_up_the_others(own_lab: Lab) -> None:
    """Rule 10. When Faust believes there is something to recover, each join stalls all partitions for 30 s and more.

    The promise is a time, so this test compares times: those written in the log, by the broker and the workers. What
    a join may take is more where everything takes longer, so it may take longer by what a start takes here and now.
    """
    lab = own_lab
    stop = threading.Event()
    producer = Producer({"bootstrap.servers": lab.broker.bootstrap, "linger.ms": 0})

    def keep_sending() -> None:
        number = 0
        while not stop.wait(0.1):
            for partition in range(PARTITIONS):
                number += 1
                line = orjson.dumps(track(f"device-{partition}-{number % 50}"))
                producer.produce(topics.RAW, line, partition=partition)
            producer.flush(30)

    sender = threading.Thread(target=keep_sending)
    sender.start()
    try:
        first_began = int(time.time() * 1000)
        first = lab.start_worker("worker-1")
        wait_for_the_end(lab)
        alone_since = int(time.time() * 1000)
        second = lab.start_worker("worker-2")
        wait_until(lambda: f"{topics.RAW}/" in second.output(), "the second to work", 60)
        wait_for_the_end(lab)
        third = lab.start_worker("worker-3")
        wait_until(lambda: f"{topics.RAW}/" in third.output(), "the third to work", 60)
        wait_for_the_end(lab)
    finally:
        stop.set()
        sender.join(60)
    wait_for_the_end(lab)
    assert [worker.process.poll() for worker in (first, second, third)] == [None, None, None]
    slowest = latencies(lab, alone_since)
    assert set(slowest) == set(range(PARTITIONS))
    start = alone_since - first_began
    assert max(slowest.values()) < 15_000 + start, (slowest, start)
    lab.stop()
    assert_exact(lab)


def write_idle_devices(lab: Lab, count: int, heard_ms: int) -> None:
    """State of workers that saw devices last at ``heard_ms`` and nothing since: all sessions open, all overdue."""
    partition = process(RawLog().send(heard_ms, plain_track("device-0000000", heard_ms)))
    template = partition.state[f"device/{PROJECT}/device-0000000".encode()]
    bucket = session_bucket(heard_ms)
    old_id = session_id(PROJECT, "device-0000000", bucket).encode()
    raw = read_logs(lab.broker.bootstrap)[topics.RAW]
    for number in range(count):
        name = f"device-{number:07}"
        value = template.replace(old_id, session_id(PROJECT, name, bucket).encode())
        while True:
            try:
                key = f"device/{PROJECT}/{name}"
                lab.producer.produce(topics.DEVICES_CHANGELOG, value, key=key, partition=number % PARTITIONS)
                break
            except BufferError:
                lab.producer.poll(0.1)
    for number in range(PARTITIONS):
        # Of now: two minutes without a message, while so much state loads, would be an outage, after which none ends.
        clock = orjson.dumps([int(time.time() * 1000), 0])
        lab.producer.produce(topics.DEVICES_CHANGELOG, clock, key=CLOCK_KEY, partition=number)
        position = Position(raw.topic_id, raw.epoch, 0).encode()
        lab.producer.produce(topics.DEVICES_CHANGELOG, position, key=POSITION_KEY, partition=number)
    lab.producer.flush(120)


def test_everybody_is_overdue_at_once(own_lab: Lab) -> None:
    """Rule 11. Without the bound, one tick ends a partition's 30,000 sessions in one transaction; of ten times as many,
    no queue may hold it, and everything behind it is blocked.
    """
    lab, count = own_lab, 120_000
    write_idle_devices(lab, count, int(time.time() * 1000) - 120 * MINUTE)
    worker = lab.start_worker(WEIR_TICK_SECONDS="0.5")

    def ended() -> list[int]:
        return [
            number
            for row in lab.rows(topics.LEDGER)
            if row["kind"] == "tick"
            for table, number in zip(row["row_tables"], row["row_counts"], strict=True)
            if table == "events"
        ]

    wait_until(lambda: sum(ended()) >= count, "every session to end", 240)
    assert sum(ended()) == count
    assert max(ended()) == MAX_ENDED_PER_MESSAGE
    lab.send([track("device-new")])
    wait_for_the_end(lab)
    worker.kill(signal.SIGTERM)
    assert worker.process.returncode == 0, worker.output()
    for partition in range(PARTITIONS):
        state = load_state(lab.broker.bootstrap, topics.DEVICES_CHANGELOG, partition)
        devices = [value for key, value in state.items() if key.startswith(b"device/") and b"device-new" not in key]
        assert len(devices) == count // PARTITIONS
        assert not any(heard_of(value)[0] for value in devices)
