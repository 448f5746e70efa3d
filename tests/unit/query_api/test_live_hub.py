"""However many look on, a project is counted once; and an outage is not passed off as a number."""

import asyncio

from query_api.errors import UnavailableError
from query_api.live_hub import LiveHub


async def test_watchers_share_one_count_and_learn_of_outages() -> None:
    answers: list[int | None] = [5, 5, 7, None, 8]
    asked: list[str] = []

    async def count(project_id: str) -> int:
        asked.append(project_id)
        answer = answers.pop(0) if answers else 9
        if answer is None:
            raise UnavailableError("away")
        return answer

    hub = LiveHub(count, 0.01)
    async with asyncio.timeout(20):
        async with hub.watch("shop") as one, hub.watch("shop") as two:
            assert [await one.get(), await two.get()] == [5, 5]
            seen = [(await one.get(), await two.get()) for _ in range(3)]
            assert seen == [(7, 7), (None, None), (8, 8)]
        counted = len(asked)
        async with hub.watch("blog") as other:
            assert await other.get() == 9
            assert await other.get() == 9
        # Nobody watches the shop any more, so nobody counts it.
        assert set(asked[counted:]) == {"blog"}
    await hub.close()


async def test_a_slow_watcher_sees_the_newest_number_only() -> None:
    numbers = iter(range(1_000_000))

    async def count(_project_id: str) -> int:
        return next(numbers)

    hub = LiveHub(count, 0)
    async with asyncio.timeout(20), hub.watch("shop") as latest:
        while next(numbers) < 50:
            await asyncio.sleep(0)
        assert latest.qsize() == 1
        first = await latest.get()
        assert first is not None
        assert first > 0
    await hub.close()
