"""What of Faust's own consumer is not for chunks."""

from asyncio import Event
from types import MethodType
from typing import Any

from faust.types import TP

from streams.transport import Consumer


async def test_a_paused_changelog_is_no_error() -> None:
    """Faust's detector of stuck partitions reports each that is not fetched, and changelogs never are."""
    reported: list[TP] = []
    consumer: Any = object.__new__(Consumer)
    consumer.assignment = lambda: {TP("weir-changelog", 0)}
    consumer.sleep = _no_sleep
    consumer._stopped, consumer._crashed = Event(), Event()
    consumer.verify_event_path = MethodType(lambda _, __, tp: reported.append(tp), consumer)
    await consumer.verify_all_partitions_active()
    assert reported == []


async def _no_sleep(_: float) -> None:
    return None
