"""The spool as the event loop sees it: durable before it is said, bounded, adopted, emptied; kill -9 at any moment."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from ingest.metrics import Metrics
from ingest.spool.backlog import Backlog
from ingest.spool.directories import Directories
from ingest.spool.estate import Estate
from ingest.spool.spool import Spool
from schemas.envelope import Headers, envelope_headers
from schemas.topics import HEADER_GATEWAY, HEADER_SEQUENCE
from streams.sequences import Sequences
from tests.broker import REPOSITORY


class Opened:
    """A spool at work, with what it adopted and what became of each append."""

    def __init__(self, root: Path, gateway: UUID, max_bytes: int) -> None:
        self.metrics = Metrics(None)
        self.spool = Spool(root, gateway, self.metrics, max_bytes=max_bytes)
        self.adopted: asyncio.Queue[Backlog] = asyncio.Queue()

    def append(self, partition: int, value: bytes, number: int = 1) -> "asyncio.Future[str | None]":
        done: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self.spool.append(partition, value, envelope_headers("id", number), done.set_result)
        return done

    async def read(self, partition: int) -> list[bytes]:
        return [one.value for one in await self.spool.own.read(partition, 1_000) if one is not None]


@asynccontextmanager
async def opened(root: Path, gateway: UUID | None = None, max_bytes: int = 1 << 30) -> AsyncIterator[Opened]:
    one = Opened(root, gateway or uuid4(), max_bytes)
    one.spool.start(one.adopted.put_nowait)
    await until(lambda: one.spool.takes)
    try:
        yield one
    finally:
        await one.spool.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.001)


def encoded(headers: Headers, gateway: UUID) -> list[tuple[str, bytes]]:
    """Headers as they arrive at a worker, of this gateway."""
    arrived = [(name, value.encode() if isinstance(value, str) else value or b"") for name, value in headers]
    return [(name, str(gateway).encode() if name == HEADER_GATEWAY else value) for name, value in arrived]


def number_of(headers: Headers) -> int:
    return int(dict(headers)[HEADER_SEQUENCE] or 0)


async def test_what_was_appended_is_read_in_order_and_goes_when_delivered(tmp_path: Path) -> None:
    async with opened(tmp_path) as one:
        appended = [one.append(number % 3, b"%d" % number) for number in range(300)]
        assert await asyncio.gather(*appended) == [None] * 300
        assert await one.read(1) == [b"%d" % number for number in range(1, 300, 3)]
        for partition in range(3):
            assert one.spool.own.waiting(partition) == 100
            one.spool.delivered(one.spool.own, partition, 60)
            assert len(await one.read(partition)) == 40
            one.spool.delivered(one.spool.own, partition, 40)
        assert one.spool.bytes == 0
        assert await one.append(0, b"more") is None
        assert await one.read(0) == [b"more"]
        one.spool.delivered(one.spool.own, 0, 1)
    assert list(tmp_path.iterdir()) == []


async def test_a_full_spool_says_so_and_takes_again_what_fits(tmp_path: Path) -> None:
    async with opened(tmp_path, max_bytes=10_000) as one:
        assert await one.append(0, b"x" * 6_000) is None
        assert await one.append(0, b"x" * 6_000) == "spool_full"
        assert not one.spool.takes
        one.spool.delivered(one.spool.own, 0, 1)
        assert await one.append(0, b"x" * 6_000) is None
        assert one.spool.takes


async def test_without_a_directory_nothing_is_taken_and_later_it_is(tmp_path: Path) -> None:
    root = tmp_path / "spool"
    root.write_text("in the way")
    one = Opened(root, uuid4(), 1 << 30)
    one.spool.start(one.adopted.put_nowait)
    assert await one.append(0, b"x") == "spool_failed"
    root.unlink()
    await until(lambda: one.spool.takes)
    assert await one.append(0, b"x") is None
    await one.spool.close()


async def test_two_processes_do_not_take_from_each_other_but_inherit(tmp_path: Path) -> None:
    first, second = uuid4(), uuid4()
    async with opened(tmp_path, second) as other:
        async with opened(tmp_path, first) as one:
            assert await one.append(7, b"left", number=12) is None
            assert Estate(Directories(tmp_path)).take() == []
        backlog = await asyncio.wait_for(other.adopted.get(), 30)
        assert (backlog.name, backlog.partitions()) == (str(first), [7])
        (envelope,) = await backlog.read(7, 10)
        assert envelope is not None
        assert (envelope.value, number_of(envelope.headers)) == (b"left", 12)
        other.spool.delivered(backlog, 7, 1)
        await until(lambda: not (tmp_path / str(first)).exists())


async def test_a_damaged_envelope_costs_no_other_and_is_counted(tmp_path: Path) -> None:
    """Workers take what lies behind it: its numbers go on ascending, with a gap."""
    gateway = uuid4()
    async with opened(tmp_path, gateway) as one:
        for number in range(1, 6):
            assert await one.append(0, b"value %d" % number, number=number) is None
    (segment,) = (tmp_path / str(gateway)).iterdir()
    segment.write_bytes(segment.read_bytes().replace(b"value 3", b"valve 3"))
    async with opened(tmp_path) as other:
        backlog = await asyncio.wait_for(other.adopted.get(), 30)
        envelopes = [envelope for envelope in await backlog.read(0, 10) if envelope is not None]
        assert [number_of(envelope.headers) for envelope in envelopes] == [1, 2, 4, 5]
        taken = Sequences({}).batch()
        repeated = [taken.is_repeated(encoded(envelope.headers, gateway), 0) for envelope in envelopes]
        assert repeated == [False] * 4
        text = other.metrics.render().decode()
        (kept,) = tmp_path.glob("*.cut")
        assert f"weir_gateway_spool_damaged_bytes_total {kept.stat().st_size:.1f}" in text
        assert "weir_gateway_spool_lost_envelopes_total 1.0" in text
        other.spool.delivered(backlog, 0, 4)


async def test_what_was_left_is_sent_though_nothing_new_can_be_written(tmp_path: Path) -> None:
    first, second = uuid4(), uuid4()
    async with opened(tmp_path, first) as one:
        assert await one.append(7, b"left") is None
    (tmp_path / str(second)).mkdir()  # its own directory can't be made
    other = Opened(tmp_path, second, 1 << 30)
    other.spool.start(other.adopted.put_nowait)
    backlog = await asyncio.wait_for(other.adopted.get(), 30)
    assert not other.spool.takes
    other.spool.delivered(backlog, 7, 1)
    await until(lambda: not (tmp_path / str(first)).exists())
    await other.spool.close()


WRITER = """
import asyncio, sys
from pathlib import Path
from uuid import UUID
from ingest.metrics import Metrics
from ingest.spool.spool import Spool
from schemas.envelope import envelope_headers

async def main(root, gateway):
    spool = Spool(Path(root), UUID(gateway), Metrics(None), max_bytes=1 << 30)
    spool.start(lambda backlog: None)
    while not spool.takes:
        await asyncio.sleep(0)
    for number in range(1, 10**9):
        def stored(failure, number=number):
            sys.stdout.write(f"{number}\\n")
            sys.stdout.flush()
        spool.append(0, b"x" * (number % 5000), envelope_headers(gateway, number), stored)
        await asyncio.sleep(0)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("after", [1, 500, 3_000])
def test_what_was_said_to_be_stored_survives_kill_9(tmp_path: Path, after: int) -> None:
    """Nothing is done in between: the process is killed while it writes, wherever it is."""
    gateway = str(uuid4())
    command = [sys.executable, "-c", WRITER, str(tmp_path), gateway]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=REPOSITORY, text=True) as process:
        assert process.stdout is not None
        for _ in range(after):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        said = process.stdout.read().rsplit("\n", 1)[0].splitlines()
    stored = after + len(said)
    (left,) = Estate(Directories(tmp_path)).take()
    backlog = Backlog.of("left", left.loaded)
    envelopes = asyncio.run(backlog.read(0, 10**9))
    numbers = [number_of(envelope.headers) for envelope in envelopes if envelope is not None]
    assert numbers == list(range(1, len(envelopes) + 1))
    assert len(numbers) >= stored
