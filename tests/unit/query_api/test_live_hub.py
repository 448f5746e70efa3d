"""However many look on, a project is looked up once; an outage is not passed off as a number; and all get all news."""

import asyncio
from typing import Any

from query_api.errors import UnavailableError
from query_api.live_hub import LiveHub
from query_api.live_visitors import LiveView
from schemas.live import LiveVisitor


def visitor(name: str, seen: int = 0) -> LiveVisitor:
    return LiveVisitor(visitor=name, seen=seen)


def names(news: dict[str, Any]) -> tuple[list[str], list[str]]:
    return [each["visitor"] for each in news["seen"]], news["left"]


async def test_watchers_share_one_look_and_learn_of_outages() -> None:
    answers: list[int | None] = [5, 5, 7, None, 8]
    asked: list[str] = []

    async def look(project_id: str) -> LiveView:
        asked.append(project_id)
        answer = answers.pop(0) if answers else 9
        if answer is None:
            raise UnavailableError("away")
        return LiveView(answer)

    hub = LiveHub(look, 0.01)
    async with asyncio.timeout(20):
        async with hub.watch("shop") as one, hub.watch("shop") as two:
            assert [(await one.next())["visitors"], (await two.next())["visitors"]] == [5, 5]
            seen = [((await one.next())["visitors"], (await two.next())["visitors"]) for _ in range(3)]
            assert seen == [(7, 7), (None, None), (8, 8)]
        looked = len(asked)
        async with hub.watch("blog") as other:
            assert (await other.next())["visitors"] == 9
            assert (await other.next())["visitors"] == 9
        # Nobody watches the shop any more, so nobody looks it up.
        assert set(asked[looked:]) == {"blog"}
    await hub.close()


async def test_first_everybody_then_who_came_did_something_or_left() -> None:
    views = [
        LiveView(2, (visitor("b", 2), visitor("a", 1))),
        LiveView(3, (visitor("c", 3), visitor("b", 2), visitor("a", 1))),
        LiveView(2, (visitor("b", 4), visitor("c", 3))),
    ]

    async def look(_project_id: str) -> LiveView:
        return views.pop(0) if len(views) > 1 else views[0]

    hub = LiveHub(look, 0.01)
    async with asyncio.timeout(20), hub.watch("shop") as watcher:
        assert names(await watcher.next()) == (["b", "a"], [])
        assert names(await watcher.next()) == (["c"], [])
        assert names(await watcher.next()) == (["b"], ["a"])
        last = await watcher.next()
        assert (last["visitors"], names(last)) == (2, ([], []))
    await hub.close()


async def test_a_slow_watcher_misses_views_and_no_news() -> None:
    moments = iter(range(1_000_000))

    async def look(_project_id: str) -> LiveView:
        now = next(moments)
        return LiveView(now, (visitor(f"v{now}", now),))

    hub = LiveHub(look, 0)
    async with asyncio.timeout(20), hub.watch("shop") as watcher:
        (first,), _ = names(await watcher.next())
        while next(moments) < 50:
            await asyncio.sleep(0)
        (second,), left = names(await watcher.next())
        assert int(second[1:]) > 1
        assert left == [first]
    await hub.close()
