"""Who is live, by what workers told: of one project alone, for five minutes, and as the store counts."""

from query_api.live_visitors import MAX_SHOWN, LiveVisitors
from schemas.live import AHEAD_MS, LIVE_MS, LiveMessage, LiveVisitor

NOW = 1_772_625_600_000


def message(project_id: str = "shop", *visitors: tuple[str, int], **more: object) -> LiveMessage:
    told = tuple(LiveVisitor(visitor=name, seen=NOW + seen, path=f"/{seen}") for name, seen in visitors)
    return LiveMessage.model_validate({"project_id": project_id, "visitors": told, **more})


def test_a_project_sees_its_own_visitors_alone() -> None:
    live = LiveVisitors()
    live.take(message("shop", ("a", 0), ("b", -1)), NOW)
    live.take(message("rival", ("c", 0)), NOW)
    assert [visitor.visitor for visitor in live.view("shop", NOW).visitors] == ["a", "b"]
    assert [visitor.visitor for visitor in live.view("rival", NOW).visitors] == ["c"]
    assert live.view("sho", NOW).count == live.view("", NOW).count == 0


def test_five_minutes_and_a_minute_ahead() -> None:
    live = LiveVisitors()
    live.take(message("shop", ("a", -LIVE_MS), ("b", 1 - LIVE_MS), ("c", AHEAD_MS), ("d", AHEAD_MS + 1)), NOW)
    assert [visitor.visitor for visitor in live.view("shop", NOW).visitors] == ["c", "b"]
    assert [visitor.visitor for visitor in live.view("shop", NOW + 1).visitors] == ["d", "c"]
    assert live.view("shop", NOW + 10 * LIVE_MS).count == 0


def test_the_newest_event_of_a_device_stands_whichever_worker_tells_it_first() -> None:
    live = LiveVisitors()
    live.take(message("shop", ("a", 5)), NOW)
    live.take(message("shop", ("a", 3)), NOW)
    live.take(message("shop", others=[("a", NOW + 9), ("b", NOW)]), NOW)
    view = live.view("shop", NOW)
    assert [(each.visitor, each.seen, each.path) for each in view.visitors] == [("a", NOW + 9, "/5"), ("b", NOW, "")]


def test_all_are_counted_and_the_newest_shown() -> None:
    live = LiveVisitors()
    live.take(message("shop", others=[(f"v{number}", NOW - number) for number in range(1_000)]), NOW)
    view = live.view("shop", NOW)
    assert (view.count, len(view.visitors), view.visitors[0].visitor) == (1_000, MAX_SHOWN, "v0")
    # What nobody asks for is forgotten all the same.
    live.take(message("blog", ("a", 2 * LIVE_MS)), NOW + 2 * LIVE_MS)
    assert live.view("shop", NOW).count == 0
