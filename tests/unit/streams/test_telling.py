"""When the group is told how far the lanes have got, which is while this worker is a member and not a moment longer.

A commit that reaches the broker after a join bears the generation before it. aiokafka takes the broker's answer for a
reason to join again; so every member would, without end.
"""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import TopicPartition
from faust.types import TP

from streams import transport
from streams.transport import ConsumerThread

RAW_0 = TP("weir.raw", 0)


class Group:
    """What aiokafka's consumer shows of a group: what was committed, and a broker that may not answer."""

    def __init__(self) -> None:
        self.committed: list[dict[TopicPartition, int]] = []
        self.asked = asyncio.Event()
        self.answers = asyncio.Event()
        self.answers.set()

    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition(*RAW_0)}

    def pause(self, *_: TopicPartition) -> None:
        return None

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        self.asked.set()
        await self.answers.wait()
        self.committed.append(offsets)


def consumer_thread(group: Group) -> ConsumerThread:
    thread: Any = object.__new__(ConsumerThread)
    thread.app = SimpleNamespace(tables=SimpleNamespace(changelog_topics=()))
    thread._ensure_consumer = lambda: group
    thread._flowing, thread._told = {}, {}
    thread._is_member, thread._telling = False, None
    return cast(ConsumerThread, thread)


async def test_nothing_is_told_while_the_group_is_being_joined() -> None:
    group = Group()
    thread = consumer_thread(group)
    thread.hold([TopicPartition(*RAW_0)])
    await thread._tell_group({RAW_0: 5}, last=False)
    thread.stop_all()
    await thread._tell_group({RAW_0: 6}, last=False)
    thread.hold([TopicPartition(*RAW_0)])
    await thread._tell_group({RAW_0: 7}, last=False)
    assert [list(offsets.values()) for offsets in group.committed] == [[5], [7]]


async def test_what_is_being_told_is_given_up_when_a_join_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_TELL_SECONDS", 3_600.0)
    group = Group()
    group.answers.clear()
    thread = consumer_thread(group)
    thread.hold([TopicPartition(*RAW_0)])
    telling = asyncio.create_task(thread._tell_group({RAW_0: 5}, last=False))
    await group.asked.wait()
    thread.stop_all()
    done, _ = await asyncio.wait([telling], timeout=60)
    assert done == {telling}
    assert telling.exception() is None
    # The next time, it is told: the commit that was given up counts for nothing.
    group.answers.set()
    thread.hold([TopicPartition(*RAW_0)])
    await thread._tell_group({RAW_0: 5}, last=False)
    assert [list(offsets.values()) for offsets in group.committed] == [[5]]


async def test_who_leaves_for_good_tells_a_last_time() -> None:
    group = Group()
    thread = consumer_thread(group)
    thread.hold([TopicPartition(*RAW_0)])
    thread.stop_all()
    await thread._tell_group({RAW_0: 8}, last=True)
    assert [list(offsets.values()) for offsets in group.committed] == [[8]]
