"""Real workers on a real broker: each test is a way in which an event was lost or doubled before its rule was kept.

The numbers are those of the rules in docs/exactly-once.md. Rule 15 (the live topic is written outside of transactions)
has no test here yet: nothing writes that topic so far.
"""

import signal

import orjson
import pytest
from click.testing import CliRunner, Result
from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from schemas import topics
from schemas.partition import partition_of
from streams.position import POSITION_KEY
from streams.positions import read_logs, read_positions, reset_position
from streams.transaction import fencing_producer
from tests.integration.streams.lab import PARTITIONS, PROJECT, Lab, Worker, track, wait_until
from tests.integration.streams.replay import assert_chain, assert_exact, ends, wait_for_the_end
from weir.commands.positions import positions as command

pytestmark = pytest.mark.integration

_numbers = iter(range(1_000_000))


def fresh_devices(count: int) -> list[str]:
    """Devices that no test had before."""
    return [f"device-{next(_numbers)}" for _ in range(count)]


def work_to_the_end(lab: Lab) -> None:
    """A worker that processes all there is and is told to stop."""
    lab.tick()  # so that there is something, and its end shows that the worker is up
    worker = lab.start_worker()
    wait_for_the_end(lab)
    worker.kill(signal.SIGTERM)
    assert worker.process.returncode == 0, worker.output()


def ended_by_itself(worker: Worker) -> bool:
    return worker.process.poll() is not None


@pytest.fixture
def transactional(lab: Lab) -> Producer:
    """A foreign producer with transactions."""
    producer = Producer({"bootstrap.servers": lab.broker.bootstrap, "transactional.id": "foreign", "log_level": 0})
    producer.init_transactions(30)
    return producer


def test_two_agents_of_one_worker_live_together(lab: Lab) -> None:
    """Rule 4. With one transactional id for raw and profile-ops of a partition, the agents fence each other."""
    people = {f"person-{number}" for number in range(40)}
    lab.send(
        track(device, kind="identify", profile_id=person, payload={"first_name": person})
        for device, person in zip(fresh_devices(len(people)), sorted(people), strict=True)
    )
    worker = lab.start_worker()
    wait_for_the_end(lab)
    wait_until(lambda: {row["profile_id"] for row in lab.rows(topics.PROFILES)} >= people, "every profile")
    assert {partition_of(PROJECT, person, PARTITIONS) for person in people} == set(range(PARTITIONS))
    worker.kill(signal.SIGTERM)
    assert worker.process.returncode == 0, worker.output()
    assert_exact(lab)


def test_a_fenced_worker_ends_and_nothing_is_doubled(lab: Lab) -> None:
    """Rule 5. A worker that aborts and goes on has state in memory that is not in the log."""
    devices = fresh_devices(40)
    lab.send(track(device) for device in devices)
    worker = lab.start_worker()
    wait_for_the_end(lab)
    for partition in range(PARTITIONS):
        fencing_producer(lab.broker.bootstrap, topics.STREAMS_GROUP, topics.RAW, partition)
    lab.send(track(device) for device in devices)
    wait_until(lambda: ended_by_itself(worker), "the fenced worker to end")
    assert worker.process.returncode == 3
    assert "weir worker: weir.raw/" in worker.output()
    work_to_the_end(lab)
    assert_exact(lab)


def test_the_group_may_be_deleted(lab: Lab) -> None:
    """Rule 6. Kafka forgets a group 7 days after its last member left; who falls back to the log's start then doubles
    everything, who falls back to its end loses what came meanwhile.
    """
    devices = fresh_devices(40)
    lab.send(track(device) for device in devices)
    work_to_the_end(lab)
    lab.send(track(device) for device in devices)
    group = topics.STREAMS_GROUP

    def deleted() -> bool:
        try:
            lab.broker.admin().delete_consumer_groups([group])[group].result(30)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.NON_EMPTY_GROUP:
                raise
            return False  # a static member stays for a session timeout
        return True

    wait_until(deleted, "the group to be deleted")
    work_to_the_end(lab)
    assert_exact(lab)


def test_markers_and_aborted_messages_are_holes_in_the_ledger(lab: Lab, transactional: Producer) -> None:
    """Rules 7, 8 and 22. Offsets have gaps where transactions ended: a guard on offsets would stop here, an uncommitted
    reader would store what was aborted, and a ledger of messages alone would look as if some were lost.
    """
    kept = [fresh_devices(PARTITIONS) for _ in range(10)]
    aborted = [fresh_devices(PARTITIONS) for _ in range(10)]
    # The worker is there before them, and no tick comes after: markers are all there is behind the last message.
    lab.tick()
    worker = lab.start_worker(WEIR_TICK_SECONDS="3600")
    wait_for_the_end(lab)
    before = ends(lab, topics.RAW)
    for wanted, unwanted in zip(kept, aborted, strict=True):
        for devices, commit in ((wanted, True), (unwanted, False)):
            transactional.begin_transaction()
            for partition, device in enumerate(devices):
                transactional.produce(topics.RAW, orjson.dumps(track(device)), partition=partition)
            transactional.flush(30)
            if commit:
                transactional.commit_transaction(30)
            else:
                transactional.abort_transaction(30)
    # The last marker is written after the producer was told: each pair of transactions takes four offsets.
    wait_until(
        lambda: all(end >= before[partition] + 4 * len(kept) for partition, end in ends(lab, topics.RAW).items()),
        "the last markers",
    )
    wait_for_the_end(lab)
    worker.kill(signal.SIGTERM)
    assert worker.process.returncode == 0, worker.output()
    stored = {row["device_id"] for row in lab.events()}
    assert stored >= {device for devices in kept for device in devices}
    assert not stored & {device for devices in aborted for device in devices}
    ledger = lab.rows(topics.LEDGER)
    for partition in range(PARTITIONS):
        mine = [row for row in ledger if row["raw_partition"] == partition]
        assert_chain(mine)
        new = [row for row in mine if row["from_offset"] >= before[partition]]
        skipped = sum(row["to_offset"] - row["from_offset"] for row in new if row["kind"] == "hole")
        # The marker of each committed transaction; the message and the marker of each aborted one.
        assert skipped == 3 * len(kept)
        assert sum(row["lines"] for row in new) == len(kept)
    assert_exact(lab)


def test_aborted_operations_change_no_profile(lab: Lab, transactional: Producer) -> None:
    """Rule 8, on the other source topic: a worker that dies in a transaction leaves operations that never were."""
    device, person, ghost = fresh_devices(3)
    operation = {
        "version": 1,
        "op": "set",
        "project_id": PROJECT,
        "profile_id": ghost,
        "event_id": "e",
        "time": 1_780_000_000_000,
        "values": {"first_name": "Ghost"},
        "raw_epoch": 1,
        "raw_partition": 0,
        "raw_offset": 0,
        "raw_line": 0,
    }
    partition = partition_of(PROJECT, ghost, PARTITIONS)
    transactional.begin_transaction()
    transactional.produce(topics.PROFILE_OPS, orjson.dumps(operation), partition=partition)
    transactional.flush(30)
    transactional.abort_transaction(30)
    # What is committed behind it shows that the aborted one was passed.
    lab.producer.produce(topics.PROFILE_OPS, orjson.dumps({**operation, "profile_id": person}), partition=partition)
    lab.send([track(device)])
    worker = lab.start_worker()
    wait_until(lambda: person in {row["profile_id"] for row in lab.rows(topics.PROFILES)}, "the committed operation")
    worker.kill(signal.SIGTERM)
    assert ghost not in {row["profile_id"] for row in lab.rows(topics.PROFILES)}


def test_a_worker_that_stood_still_ends(lab: Lab) -> None:
    """Rule 14. Fencing protects the data; but one that nobody fenced yet would go on with partitions that may be
    another's, and wait for errors to find out.
    """
    lab.send(track(device) for device in fresh_devices(10))
    worker = lab.start_worker()
    wait_for_the_end(lab)
    worker.kill(signal.SIGSTOP)
    group = topics.STREAMS_GROUP
    # Stopped for as long as it takes the group to give its partitions up.
    wait_until(
        lambda: not lab.broker.admin().describe_consumer_groups([group])[group].result(30).members,
        "the group to forget the stopped worker",
    )
    worker.kill(signal.SIGCONT)
    wait_until(lambda: ended_by_itself(worker), "the worker to end")
    assert worker.process.returncode == 3
    assert "stood still" in worker.output()
    work_to_the_end(lab)
    assert_exact(lab)


def test_a_state_that_lost_its_position_is_refused_until_a_person_decides(lab: Lab) -> None:
    """Rule 6. And then nothing is doubled: the group's offset, written in the same transactions, still knows."""
    devices = fresh_devices(40)
    lab.send(track(device) for device in devices)
    work_to_the_end(lab)
    lab.producer.produce(topics.DEVICES_CHANGELOG, None, key=POSITION_KEY, partition=1)
    lab.send(track(device) for device in devices)
    worker = lab.start_worker()
    wait_until(lambda: ended_by_itself(worker), "the worker to refuse")
    assert worker.process.returncode == 3
    assert "The state of weir.raw/1 has lost its position. 'weir positions reset weir.raw/1'" in worker.output()
    bootstrap = lab.broker.bootstrap
    (found,) = (found for found in read_positions(bootstrap, read_logs(bootstrap)) if found.problem)
    assert (found.topic, found.partition, found.stored) == (topics.RAW, 1, None)
    reset_position(bootstrap, read_logs(bootstrap), topics.RAW, 1)
    work_to_the_end(lab)
    assert_exact(lab)


def positions(lab: Lab, *arguments: str) -> Result:
    """``weir positions …``, as a person would run it."""
    return CliRunner().invoke(command, arguments, env={"WEIR_KAFKA_BOOTSTRAP": lab.broker.bootstrap})


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["reset", "weir.raw"], "names no partition"),
        (
            ["reset", "weir.events/0"],
            "weir.events is no topic that workers read; these are: weir.raw, weir.profile-ops",
        ),
        (["reset", "weir.raw/99"], "weir.raw has no partition 99"),
        (["reset", "weir.raw/0", "--to", "999999"], "The log of weir.raw/0 holds 0 to "),
    ],
    ids=["no partition", "not a source", "no such partition", "outside the log"],
)
def test_what_cannot_be_reset_is_said(lab: Lab, arguments: list[str], sentence: str) -> None:
    result = positions(lab, *arguments)
    assert result.exit_code == 1
    assert sentence in str(result.exception)


def test_messages_that_retention_took_are_a_hole_that_a_person_accepts(own_lab: Lab) -> None:
    """Rules 6 and 22. Going on silently would hide that they are gone; the ledger says which."""
    lab = own_lab
    lab.send((track(device) for device in fresh_devices(40)), per_envelope=1)
    work_to_the_end(lab)
    (at,) = (
        p
        for p in read_positions(lab.broker.bootstrap, read_logs(lab.broker.bootstrap))
        if p.partition == 2 and p.topic == topics.RAW
    )
    assert at.stored is not None
    assert at.problem is None
    lost = 3
    for _ in range(lost + 2):
        lab.send_value(2, orjson.dumps(track(fresh_devices(1)[0])))
    lab.producer.flush(30)
    gone = TopicPartition(topics.RAW, 2, at.stored.offset + lost)
    lab.broker.admin().delete_records([gone])[gone].result(30)
    worker = lab.start_worker()
    wait_until(lambda: ended_by_itself(worker), "the worker to refuse")
    refusal = f"weir.raw/2 was processed up to offset {at.stored.offset}, but the log holds {gone.offset} to"
    assert refusal in worker.output()
    shown = positions(lab, "show").output.splitlines()
    assert len(shown) == 2 * PARTITIONS
    assert [line for line in shown if refusal in line] == [line for line in shown if line.startswith("weir.raw/2:")]
    result = positions(lab, "reset", "weir.raw/2")
    assert f"was at offset {at.stored.offset}, goes on at {gone.offset}" in result.output
    assert not [line for line in positions(lab, "show").output.splitlines() if "reset" in line]
    work_to_the_end(lab)
    rows = [row for row in lab.rows(topics.LEDGER) if row["raw_partition"] == 2]
    assert_chain(rows)
    holes = [(row["from_offset"], row["to_offset"]) for row in rows if row["kind"] == "hole"]
    assert holes == [(at.stored.offset, gone.offset)]
    assert len({row["event_id"] for row in lab.events()}) == len(lab.events()) == 42
