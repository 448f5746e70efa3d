"""Folded days and the half hours of all others come to what events and sessions come to, whatever happened when."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from clickhouse_connect.driver.client import Client

from sinks.daily import are_numbers_sound, fold, forget_devices
from sinks.daily_check import compare_folded, folded_in_use
from sinks.daily_days import Day, DaySignature, calendar
from sinks.daily_due import find_standing
from sinks.daily_manifest import forget, forget_all, sweep
from sinks.rebuild import remake, repair
from sinks.rollups import FOLDED, ROLLUPS, VISITS
from sinks.settings import SinkSettings
from tests.integration.sinks.arrivals import number
from tests.integration.sinks.databases import NO_BROKER, Databases
from tests.integration.sinks.day_traffic import Traffic, counted, minutes, told
from tests.integration.sinks.store import Store

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

BERLIN, KOLKATA = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata")
FIRST = datetime(2026, 3, 27, 23, tzinfo=UTC)
"""Midnight in Berlin, two days before the one that has 23 hours; the month ends on the fourth day."""
NOW = datetime(2026, 4, 2, 12, tzinfo=UTC)
DAYS = calendar(BERLIN, FIRST, NOW)


@pytest.fixture
def client(databases: Databases) -> Iterator[Client]:
    with databases.empty() as client:
        yield client


@pytest.fixture
def traffic(client: Client) -> Traffic:
    """Visits on some days: one over midnight, one without a device, one device on two days."""
    traffic = Traffic(client, "shop")
    with traffic.at_once():
        for moment in minutes(FIRST, 600, 610, 1425, 1435, 1445, 1460, 3000):
            traffic.send("ann", moment)
        for moment in minutes(FIRST, 615, 1439, 1441, 4500):
            traffic.send("bob", moment, path="/pricing")
        traffic.send("bob", DAYS[1].started + timedelta(hours=9), name="purchase")
        traffic.send("", DAYS[1].started + timedelta(hours=8))
        traffic.send("robot", DAYS[1].started + timedelta(hours=8), bot="Googlebot")
    return traffic


def sink_settings(store: Store, client: Client) -> SinkSettings:
    return store.settings(NO_BROKER, str(client.database))


def agrees(client: Client, days: list[Day] | None = None) -> None:
    days = DAYS if days is None else days
    assert told(client, "shop", days) == counted(client, "shop", days)


def in_use(client: Client) -> list[Day]:
    return sorted(folded_in_use(client, "shop"))


def test_days_are_those_of_the_calendar() -> None:
    assert [(day.ended - day.started).total_seconds() / 3600 for day in DAYS] == [24, 23, 24, 24, 24]
    assert calendar(ZoneInfo("Asia/Kathmandu"), FIRST, NOW) == []
    assert calendar(BERLIN, FIRST, DAYS[0].ended + timedelta(minutes=59)) == []
    assert calendar(BERLIN, FIRST, DAYS[0].ended + timedelta(minutes=60)) == DAYS[:1]


def test_folded_days_come_to_the_same(client: Client, store: Store, traffic: Traffic) -> None:
    agrees(client)
    assert not in_use(client)
    for days in (DAYS[1:2], DAYS[3:], DAYS):
        fold(client, sink_settings(store, client), "shop", days)
        agrees(client)
        agrees(client, DAYS[1:3])
    for one in DAYS:
        agrees(client, [one])
    assert not compare_folded(client, "shop", DAYS, settle_seconds=0)
    assert in_use(client) == DAYS
    assert number(client, "select count() from device_numbers") == 2
    assert number(client, "select max(number) from device_numbers") == 2


def test_what_comes_late_takes_its_day_out_of_use(client: Client, store: Store, traffic: Traffic) -> None:
    fold(client, sink_settings(store, client), "shop", DAYS)
    traffic.send("eve", DAYS[2].started + timedelta(hours=1))
    assert in_use(client) == [*DAYS[:2], *DAYS[3:]]
    agrees(client)
    fold(client, sink_settings(store, client), "shop", DAYS[2:3])
    assert in_use(client) == DAYS
    agrees(client)


def test_a_session_that_goes_on_after_its_day_was_folded(client: Client, store: Store) -> None:
    traffic = Traffic(client, "shop")
    first, second = DAYS[:2]
    traffic.send("ann", first.ended - timedelta(minutes=25))
    traffic.send("bob", first.ended - timedelta(minutes=70))
    fold(client, sink_settings(store, client), "shop", [first, second])
    assert number(client, "select sum(sessions) from folded_pages") == 2
    assert number(client, "select sum(length(sessions_across)) from folded_pages") == 0
    traffic.send("bob", first.ended - timedelta(minutes=45))
    traffic.send("bob", first.ended - timedelta(minutes=20))
    traffic.send("bob", first.ended + timedelta(minutes=5))
    assert in_use(client) == []
    agrees(client)
    fold(client, sink_settings(store, client), "shop", [second])
    agrees(client)
    fold(client, sink_settings(store, client), "shop", [first])
    agrees(client)
    assert told(client, "shop", DAYS)["page", "/"][2] == 2
    assert (
        number(
            client,
            "select sum(sessions) from folded_pages where revision in (select revision from daily_rollups final)",
        )
        == 1
    )


def test_an_erased_device_has_no_number_and_is_in_no_bitmap(client: Client, store: Store, traffic: Traffic) -> None:
    settings = sink_settings(store, client)
    fold(client, settings, "shop", DAYS)
    hours = traffic.erase("bob")
    for rollup in ROLLUPS:
        remake(client, settings, rollup, hours)
    forget_devices(client, "shop", ["bob", "carl"])
    agrees(client)
    assert number(client, "select count() from device_numbers where device = cityHash64('bob')") == 0
    fold(client, settings, "shop", DAYS)
    agrees(client)
    assert are_numbers_sound(client, "shop")


@pytest.mark.parametrize("rollup", FOLDED, ids=lambda rollup: rollup.table)
def test_a_rollup_that_is_mended_takes_days_out_of_use(
    client: Client, store: Store, traffic: Traffic, rollup: Any
) -> None:
    settings = sink_settings(store, client)
    client.command(f"delete from {rollup.table} where half_hour >= '2026-03-29 00:00:00'")
    fold(client, settings, "shop", DAYS)
    assert in_use(client) == DAYS
    assert repair(client, settings, rollup)
    assert DAYS[0] in in_use(client)
    assert DAYS[1] not in in_use(client)
    agrees(client)


def test_changes_that_the_tables_do_not_tell_of(client: Client, store: Store, traffic: Traffic) -> None:
    """As `weir reprocess` makes them: the same events and sessions, of another country."""
    settings = sink_settings(store, client)
    fold(client, settings, "shop", DAYS)
    client.command("alter table sessions update country = 'NO' where 1", settings={"mutations_sync": 2})
    assert in_use(client) == DAYS
    assert repair(client, settings, VISITS)
    assert set(in_use(client)) < set(DAYS)
    agrees(client)
    fold(client, settings, "shop", DAYS)
    agrees(client)


def test_folding_that_breaks_off_anywhere_changes_nothing(client: Client, store: Store, traffic: Traffic) -> None:
    settings = sink_settings(store, client)
    fold(client, settings, "shop", DAYS[:3])
    traffic.send("eve", DAYS[1].started + timedelta(hours=3))
    traffic.send("eve", DAYS[3].started + timedelta(hours=3), path="/new")
    before = told(client, "shop", DAYS)
    done = 0
    while True:
        breaking = _Breaking(client, done)
        try:
            fold(cast("Client", breaking), settings, "shop", DAYS)
        except _BrokenError:
            assert told(client, "shop", DAYS) == before
            done += 1
        else:
            break
    assert done > 8
    assert in_use(client) == DAYS
    assert told(client, "shop", DAYS) == before == counted(client, "shop", DAYS)
    assert are_numbers_sound(client, "shop")
    assert number(client, "select max(number) from device_numbers") == 3


class _BrokenError(Exception):
    """Nothing is told to ClickHouse any more."""


class _Breaking:
    """A client whose process dies after so many statements."""

    def __init__(self, client: Client, left: int) -> None:
        self._client = client
        self._left = left

    def __getattr__(self, name: str) -> Any:
        if name in ("command", "query", "insert"):
            if not self._left:
                raise _BrokenError
            self._left -= 1
        return getattr(self._client, name)


def test_a_planted_difference_is_found(client: Client, store: Store, traffic: Traffic) -> None:
    settings = sink_settings(store, client)
    fold(client, settings, "shop", DAYS)
    changes = (
        "alter table folded_values update events = events + 1 where dimension = 'event' and value = 'purchase'",
        "alter table folded_values delete where dimension = 'country' and value = 'SE'",
        "alter table folded_values update visitors = bitmapBuild([toUInt32(1), 2, 3]) where dimension = ''",
        "alter table folded_pages update sessions = 0, sessions_across = [7] where path = '/pricing'",
        "insert into folded_pages select * from folded_pages limit 1",
        "alter table device_numbers update number = 3 - number where 1",
    )
    for change in changes:
        assert not compare_folded(client, "shop", DAYS, settle_seconds=0)
        client.command(change, settings={"mutations_sync": 2})
        found = compare_folded(client, "shop", DAYS, settle_seconds=0)
        assert found, change
        assert all(each.rows > 0 and "shop from 2026-03" in str(each) for each in found)
        forget_all(client)
        fold(client, settings, "shop", DAYS)
        agrees(client)


def test_after_a_change_of_the_time_zone_other_days_count(client: Client, store: Store, traffic: Traffic) -> None:
    settings = sink_settings(store, client)
    fold(client, settings, "shop", DAYS)
    there = calendar(KOLKATA, FIRST, NOW)
    standing = find_standing(client, {"shop": "Asia/Kolkata"}, NOW)
    assert standing.folded == 0
    assert standing.strange["shop"] == DAYS
    agrees(client, there)
    for day in standing.strange["shop"]:
        forget(client, [(day.started, day.ended)], "shop")
    fold(client, settings, "shop", there)
    agrees(client, there)
    assert in_use(client) == there


def test_days_are_due_when_their_half_hours_were_found_equal(client: Client, store: Store, traffic: Traffic) -> None:
    from sinks.rollup_pieces import read_signatures, write_checked

    standing = find_standing(client, {"shop": "Europe/Berlin"}, NOW)
    assert (standing.folded, standing.waiting) == (0, len(DAYS))
    assert {signature for _, _, signature in standing.due} <= {DaySignature()}, "nothing has to be compared of nothing"
    for rollup in FOLDED:
        found = read_signatures(client, rollup)
        write_checked(client, rollup, {piece: each.digest for piece, each in found.items()})
    due = find_standing(client, {"shop": "Europe/Berlin"}, NOW).due
    assert [day for _, day, _ in due] == DAYS[::-1]
    traffic.send("eve", DAYS[2].started + timedelta(hours=1))
    due = find_standing(client, {"shop": "Europe/Berlin"}, NOW).due
    assert [day for _, day, _ in due] == [*DAYS[:2:-1], *DAYS[1::-1]]
    fold(client, sink_settings(store, client), "shop", [day for _, day, _ in due])
    standing = find_standing(client, {"shop": "Europe/Berlin"}, NOW)
    assert (standing.folded, standing.waiting, standing.due) == (len(DAYS) - 1, 1, [])


def test_rows_of_days_that_were_folded_anew_are_swept_later(client: Client, store: Store, traffic: Traffic) -> None:
    settings = sink_settings(store, client)
    for _ in range(2):
        fold(client, settings, "shop", DAYS)
    forget(client, [(DAYS[0].started, DAYS[0].ended)])
    assert sweep(client) == 0, "questions may be on their way"
    rows = number(client, "select count() from folded_values")
    client.command(
        "alter table daily_rollups update folded_at = folded_at - interval 1 hour where 1",
        settings={"mutations_sync": 2},
    )
    assert sweep(client) > 0
    assert number(client, "select count() from folded_values") < rows / 2 + 1
    assert in_use(client) == DAYS[1:]
    assert not compare_folded(client, "shop", DAYS, settle_seconds=0)
    agrees(client)
