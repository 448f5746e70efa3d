"""The raw archive against a real log: what is in it is what Kafka has, whatever happened to the writer."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from confluent_kafka import Producer, TopicPartition

from schemas.topics import RAW
from streams.archive.chain import read_chains
from streams.archive.part import RawMessage, decode
from streams.archive.place import Folder
from streams.archive.reading import NotKept, RawHistory
from streams.archive.run import Archiver, raw_message
from streams.archive.verify import verify
from streams.positions import read_logs
from tests.integration.streams.lab import PARTITIONS, Lab, wait_until
from weir.cli import cli
from weir.errors import WeirError
from weir.local.ports import free_ports

pytestmark = pytest.mark.integration

HOUR_MS = 3_600_000
START = (int(time.time() * 1000) // HOUR_MS - 12) * HOUR_MS
"""Not so long ago that Kafka deletes it."""


class Died(Exception):
    """What a killed process does not say."""


class DeadlyFolder(Folder):
    """A folder whose writer dies at some write, before the file is there or just after."""

    def __init__(self, root: Path, writes: int, after: bool) -> None:
        super().__init__(root)
        self._left = writes
        self._after = after

    def write(self, name: str, data: bytes) -> None:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise Died
        super().write(name, data)
        if self._left == 0:
            raise Died


@pytest.fixture(scope="module")
def epoch(lab: Lab) -> int:
    """Three hours of the raw log: committed and aborted messages with keys, headers, and nothing at all in them."""
    producer = Producer({"bootstrap.servers": lab.broker.bootstrap, "transactional.id": "archive-test", "log_level": 2})
    producer.init_transactions(30)
    for batch in range(18):
        producer.begin_transaction()
        for number in range(60):
            producer.produce(
                RAW,
                None if number == 7 else b"%d/%d" % (batch, number) * 20,
                key=b"key" if number % 3 else None,
                partition=number % (PARTITIONS - 1),
                timestamp=START + batch * 10 * 60_000 + number * 1_000,
                headers=[("a", b"\x00\xff"), ("a", None)] if number % 5 == 0 else None,
            )
        producer.flush(30)
        if batch % 4 == 3:
            producer.abort_transaction(30)
        else:
            producer.commit_transaction(30)
    return read_logs(lab.broker.bootstrap)[RAW].epoch


def logged(lab: Lab) -> dict[int, list[RawMessage]]:
    """What a reader of the log gets, by partition."""
    found: dict[int, list[RawMessage]] = {}
    for message in lab.messages(RAW):
        found.setdefault(message.partition() or 0, []).append(raw_message(message))
    return {partition: sorted(messages) for partition, messages in found.items()}


def archived(root: Path) -> dict[int, list[RawMessage]]:
    """What is in the archive, by partition; a message that is there twice is there twice."""
    place, found = Folder(root), dict[int, list[RawMessage]]()
    for chain in read_chains(place):
        assert (chain.gaps, chain.overlaps) == ((), ())
        for part in chain.parts:
            with place.open(part.name) as file:
                for group in decode(part, file):
                    assert {message.timestamp // HOUR_MS for message in group} <= {part.hour}
                    found.setdefault(part.partition, []).extend(group)
    return found


def archive(lab: Lab, place: Folder, epoch: int) -> None:
    """Run a writer until nothing comes any more, then stop it as a service is stopped."""
    stop = threading.Event()
    writer = Archiver(lab.broker.bootstrap, place, epoch, flush_seconds=900, memory_bytes=100_000)
    writer.run(stop, idle=stop.set)


def test_the_archive_is_the_log(lab: Lab, epoch: int, tmp_path: Path) -> None:
    archive(lab, Folder(tmp_path), epoch)
    assert archived(tmp_path) == logged(lab)
    names = Folder(tmp_path).names()
    archive(lab, Folder(tmp_path), epoch)
    assert Folder(tmp_path).names() == names


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_writer_may_die_at_any_part(lab: Lab, epoch: int, tmp_path: Path, after: bool) -> None:
    deaths = 0
    for writes in [1, 2, 3, 5, 4, 3, 2, 1]:
        try:
            archive(lab, DeadlyFolder(tmp_path, writes, after), epoch)
        except Died:
            deaths += 1
    assert deaths
    archive(lab, Folder(tmp_path), epoch)
    assert archived(tmp_path) == logged(lab)


@pytest.fixture
def service(lab: Lab, tmp_path: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """The service's processes; the last one is the one that runs."""
    running: list[subprocess.Popen[bytes]] = []
    yield running
    for process in running:
        if process.poll() is None:
            process.kill()
            process.wait(30)


def start(lab: Lab, root: Path) -> "subprocess.Popen[bytes]":
    environment = {
        **os.environ,
        "WEIR_KAFKA_BOOTSTRAP": lab.broker.bootstrap,
        "WEIR_ARCHIVE_LOCATION": str(root),
        "WEIR_ARCHIVE_FLUSH_SECONDS": "0.05",
        "WEIR_ARCHIVE_METRICS_PORT": str(free_ports(1)[0]),
    }
    return subprocess.Popen([sys.executable, "-m", "weir.commands.archive", "run"], env=environment)


def test_the_service_is_killed_while_messages_come(
    lab: Lab, epoch: int, tmp_path: Path, service: list["subprocess.Popen[bytes]"]
) -> None:
    root, chance = tmp_path / "archive", random.Random(1)
    for death in range(3):
        moment, before = START + (4 + death) * HOUR_MS, len(Folder(root).names())
        service.append(start(lab, root))
        for number in range(30):
            lab.producer.produce(RAW, b"early", partition=number % PARTITIONS, timestamp=moment)
            lab.producer.flush(10)
        wait_until(lambda seen=before: len(Folder(root).names()) > seen, "a part more")  # type: ignore[misc]
        for _ in range(chance.randrange(40)):
            lab.producer.produce(RAW, b"late", partition=chance.randrange(PARTITIONS), timestamp=moment)
            lab.producer.flush(10)
        service[-1].kill()
        service[-1].wait(30)
    service.append(start(lab, root))
    lab.producer.produce(RAW, b"last", partition=0, timestamp=START + 9 * HOUR_MS)
    lab.producer.flush(10)
    count = sum(map(len, logged(lab).values()))
    wait_until(lambda: sum(map(len, archived(root).values())) >= count, "all of the log")
    service[-1].send_signal(signal.SIGTERM)
    assert service[-1].wait(30) == 0
    assert archived(root) == logged(lab)


def test_an_archive_is_verified_up_to_the_log(lab: Lab, epoch: int, tmp_path: Path) -> None:
    bootstrap, place = lab.broker.bootstrap, Folder(tmp_path)
    archive(lab, place, epoch)
    found = verify(bootstrap, place, epoch)
    assert [partition.problems for partition in found] == [()] * PARTITIONS
    assert sum(partition.messages for partition in found) == sum(map(len, logged(lab).values()))
    names = [name for name in place.names() if name.startswith(f"{epoch}/0/")]
    (tmp_path / RAW / names[1]).unlink()
    (tmp_path / RAW / names[2]).write_bytes(b"PAR1")
    (problems,) = [partition.problems for partition in verify(bootstrap, place, epoch) if partition.partition == 0]
    assert len(problems) == 2
    assert "missing" in problems[0]
    assert "cannot be read" in problems[1]


def test_log_and_archive_are_read_as_one(lab: Lab, epoch: int, tmp_path: Path) -> None:
    bootstrap, place = lab.broker.bootstrap, Folder(tmp_path)
    # Markers of transactions bear the time of day, and Kafka finds them too: nothing but them may lie before it.
    lab.producer.produce(RAW, b"now", partition=0, timestamp=int(time.time() * 1000))
    lab.producer.flush(10)
    archive(lab, place, epoch)
    whole = logged(lab)[0]
    middle = whole[len(whole) // 2]
    lab.broker.admin().delete_records([TopicPartition(RAW, 0, middle.offset)])[
        TopicPartition(RAW, 0, middle.offset)
    ].result(30)
    history = RawHistory(bootstrap, epoch, place)
    try:
        first, end = history.reach(0)
        assert first == 0
        for start in (0, 5, middle.offset, middle.offset + 1):
            chunks = list(history.chunks(0, start, end))
            assert [chunks[0].start, *(chunk.end for chunk in chunks)] == [*(chunk.start for chunk in chunks), end]
            read = [message for chunk in chunks for message in chunk.messages]
            assert read == list[object](message for message in whole if message.offset >= start)
        for message in (whole[0], whole[3], middle, whole[-1]):
            same = next(other.offset for other in whole if other.timestamp >= message.timestamp)
            assert history.offset_at(0, message.timestamp) == same
        assert history.offset_at(0, whole[-1].timestamp + 1) == end
        with pytest.raises(NotKept):
            next(history.chunks(0, 0, end + 1))
    finally:
        history.close()
    without = RawHistory(bootstrap, epoch, None)
    assert without.reach(0)[0] == middle.offset
    without.close()


@pytest.mark.usefixtures("epoch")
def test_an_archive_without_anything_is_not_called_whole(lab: Lab, tmp_path: Path) -> None:
    environment = {"WEIR_ARCHIVE_LOCATION": str(tmp_path), "WEIR_KAFKA_BOOTSTRAP": lab.broker.bootstrap}
    done = CliRunner().invoke(cli, ("archive", "verify"), env=environment)
    assert isinstance(done.exception, WeirError)
    assert "The archive is empty" in str(done.exception)
    assert "whole" not in done.output
