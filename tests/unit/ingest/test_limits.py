"""Reading a request's body, and no more than is allowed of it."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from ingest import limits
from ingest.answers import Receive, Refusal
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
    return asyncio.run(read_body(receiving(*messages), declared, 10))


def test_a_body_is_put_together() -> None:
    assert read(part(b"whole"), declared=b"5") == b"whole"
    assert read(part(b"in ", more=True), part(b"", more=True), part(b"parts")) == b"in parts"


@pytest.mark.parametrize("messages", [[], [part(b"{", more=True)]])
def test_who_sends_too_slowly_is_told_so(monkeypatch: pytest.MonkeyPatch, messages: list[Message]) -> None:
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.01)
    with pytest.raises(Refusal) as refused:
        read(*messages)
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
