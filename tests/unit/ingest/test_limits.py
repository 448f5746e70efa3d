"""Reading a request's body, and no more than is allowed of it."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from ingest.answers import Receive, Refusal
from ingest.arriving import Arriving
from ingest.limits import read_body

Message = MutableMapping[str, Any]


def receiving(*messages: Message) -> Receive:
    """Gives these messages, and then nothing any more."""
    left = list(messages)

    async def receive() -> Message:
        if not left:
            await asyncio.Event().wait()
        return left.pop(0)

    return receive


def part(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


def read(*messages: Message, declared: bytes | None = None) -> bytes:
    return asyncio.run(read_body(receiving(*messages), declared, 10, Arriving()))


def test_a_body_is_put_together() -> None:
    assert read(part(b"whole"), declared=b"5") == b"whole"
    assert read(part(b"in ", more=True), part(b"", more=True), part(b"parts")) == b"in parts"


def test_a_body_of_a_declared_length_is_whole_when_so_much_is_here() -> None:
    # The server says that nothing follows only when it is asked once more, and here it would never answer.
    assert read(part(b"whole", more=True), declared=b"5") == b"whole"
    assert read(part(b"in ", more=True), part(b"parts", more=True), declared=b"8") == b"in parts"
    assert read(part(b"", more=True), declared=b"0") == b""


@pytest.mark.parametrize("messages", [[], [part(b"{", more=True)]])
def test_who_sends_too_slowly_is_told_so(messages: list[Message]) -> None:
    with pytest.raises(Refusal) as refused:
        asyncio.run(read_body(receiving(*messages), None, 10, Arriving(seconds=0.01)))
    assert (refused.value.status, refused.value.reason) == (408, "body_too_slow")


@pytest.mark.parametrize(
    ("messages", "declared", "reason"),
    [
        ([], b"11", "too_large"),
        ([], b"x", "too_large"),
        ([], b"9" * 5_000, "too_large"),
        ([part(b"x" * 11)], None, "too_large"),
        ([part(b"x" * 6, more=True), part(b"x" * 5, more=True)], None, "too_large"),
        ([part(b"x", more=True), {"type": "http.disconnect"}], None, "incomplete"),
    ],
)
def test_what_is_refused_and_why(messages: list[Message], declared: bytes | None, reason: str) -> None:
    with pytest.raises(Refusal) as refused:
        read(*messages, declared=declared)
    assert refused.value.reason == reason


def test_each_body_has_a_time_of_its_own() -> None:
    assert asyncio.run(_one_after_the_other()) == [b"whole", "body_too_slow", "body_too_slow", b"whole"]


async def _one_after_the_other() -> list[object]:
    arriving = Arriving(seconds=0.05)

    async def read_one(*messages: Message) -> object:
        try:
            return await read_body(receiving(*messages), None, 10, arriving)
        except Refusal as refusal:
            return refusal.reason

    found = [await read_one(part(b"whole"))]
    waiting = [asyncio.create_task(read_one())]
    await asyncio.sleep(0.01)
    waiting.append(asyncio.create_task(read_one(part(b"half", more=True))))
    found += await asyncio.wait_for(asyncio.gather(*waiting), 10)
    return [*found, await read_one(part(b"whole"))]


async def test_a_request_that_is_to_end_is_not_answered() -> None:
    task = asyncio.create_task(read_body(receiving(part(b"half", more=True)), None, 10, Arriving()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_bodies_held_back_make_room_for_others() -> None:
    """Six bytes fit: the first large body is given up, the small one before it and the new one are not."""
    assert asyncio.run(_held_back()) == ["small", ("overloaded", 503), "new"]


async def _held_back() -> list[Any]:
    arriving = Arriving(6)
    ends = [asyncio.Event() for _ in range(3)]

    async def read_one(first: bytes, last: bytes, end: asyncio.Event) -> object:
        messages = [part(first, more=True), part(last)]

        async def receive() -> Message:
            if len(messages) == 1:
                await end.wait()
            return messages.pop(0)

        try:
            return (await read_body(receive, None, 10, arriving)).decode()
        except Refusal as refusal:
            return refusal.reason, refusal.status

    tasks = []
    for (first, last), end in zip([(b"s", b"mall"), (b"larg", b"e"), (b"ne", b"w")], ends, strict=True):
        tasks.append(asyncio.create_task(read_one(first, last, end)))
        await asyncio.sleep(0)
    given_up = await asyncio.wait_for(tasks[1], 5)
    ends[2].set()
    new = await asyncio.wait_for(tasks[2], 5)
    ends[0].set()
    return [await asyncio.wait_for(tasks[0], 5), given_up, new]
