"""Large requests wait for each other; small ones for nobody."""

import asyncio

import pytest

from ingest.answers import Refusal
from ingest.turns import Turns, is_large

LARGE = b"{" + b" " * 100_000


@pytest.mark.parametrize(
    ("body", "packed", "large"),
    [
        (b"{}", False, False),
        (b"{" + b" " * 10_000, False, False),
        (LARGE, False, True),
        (b"{" + b" " * 10_000, True, True),
        (b"\x1f\x8b" + b" " * 10_000, False, True),
        (b"\x1f\x8b", True, False),
    ],
)
def test_what_is_large(body: bytes, packed: bool, large: bool) -> None:
    assert is_large(body, packed) is large


def test_one_after_the_other() -> None:
    asyncio.run(_one_after_the_other())


async def _one_after_the_other() -> None:
    turns = Turns()
    first = await turns.begin(LARGE, packed=False)
    second = asyncio.create_task(turns.begin(LARGE, packed=False))
    for _ in range(3):
        (await turns.begin(b"{}", packed=False)).end()
    assert not second.done()
    first.end()
    first.end()
    turn = await asyncio.wait_for(second, 5)
    third = asyncio.create_task(turns.begin(LARGE, packed=False))
    await asyncio.sleep(0)
    third.cancel()
    turn.end()
    (await asyncio.wait_for(turns.begin(LARGE, packed=False), 5)).end()


def test_no_more_waits_than_fits() -> None:
    asyncio.run(_no_more_waits_than_fits())


async def _no_more_waits_than_fits() -> None:
    turns = Turns(150_000)
    first = await turns.begin(LARGE, packed=False)
    waiting = asyncio.create_task(turns.begin(LARGE, packed=False))
    await asyncio.sleep(0)
    with pytest.raises(Refusal) as refused:
        await turns.begin(LARGE, packed=False)
    assert (refused.value.status, refused.value.reason) == (503, "overloaded")
    first.end()
    (await asyncio.wait_for(waiting, 5)).end()
