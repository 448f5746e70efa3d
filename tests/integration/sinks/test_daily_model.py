"""Folded days and half hours together say what events and sessions come to, whatever happens in whatever order."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from sinks.daily import fold, forget_devices
from sinks.daily_check import folded_in_use
from sinks.daily_days import Day, calendar
from sinks.rebuild import remake, repair
from sinks.rollups import PAGE_VISITS, ROLLUPS, VISITORS, VISITS, Rollup
from tests.integration.sinks.databases import NO_BROKER, Databases
from tests.integration.sinks.day_traffic import Traffic, counted, told
from tests.integration.sinks.store import Store

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

FIRST = datetime(2026, 3, 27, 23, tzinfo=UTC)
"""Midnight in Berlin, a day before the one that has 23 hours."""
DAYS = calendar(ZoneInfo("Europe/Berlin"), FIRST, FIRST + timedelta(days=3, hours=2))

moments = st.integers(0, len(DAYS) * 24 * 60 - 90).map(lambda minute: FIRST + timedelta(minutes=minute))
near_midnight = st.tuples(st.sampled_from(DAYS), st.integers(-45, 45)).map(
    lambda at: at[0].started + timedelta(minutes=at[1])
)
some_days = st.sets(st.sampled_from(DAYS), min_size=1)


class Past(RuleBasedStateMachine):
    """What can happen to days that are over."""

    databases: Databases
    store: Store

    def __init__(self) -> None:
        super().__init__()
        self.context = self.databases.empty()
        self.client = self.context.__enter__()
        self.settings = self.store.settings(NO_BROKER, str(self.client.database))
        self.traffic = Traffic(self.client, "shop")
        self.other = Traffic(self.client, "blog")

    @rule(device=st.sampled_from(["", "ann", "bob"]), moment=moments | near_midnight, path=st.sampled_from(["/", "/x"]))
    def view(self, device: str, moment: datetime, path: str) -> None:
        self.traffic.send(device, moment, path=path)

    @rule(device=st.sampled_from(["ann", "bob", "eve"]), moment=near_midnight)
    def buy(self, device: str, moment: datetime) -> None:
        self.traffic.send(device, moment, name="purchase")
        self.other.send(device, moment)

    @rule(days=some_days)
    def fold(self, days: set[Day]) -> None:
        fold(self.client, self.settings, "shop", days)
        assert set(folded_in_use(self.client, "shop")) >= days

    @rule(device=st.sampled_from(["ann", "bob"]))
    def erase(self, device: str) -> None:
        hours = self.traffic.erase(device)
        for rollup in ROLLUPS:
            remake(self.client, self.settings, rollup, hours)
        forget_devices(self.client, "shop", [device])

    @rule(rollup=st.sampled_from([VISITORS, PAGE_VISITS, VISITS]), days=some_days)
    def lose_and_mend(self, rollup: Rollup, days: set[Day]) -> None:
        self.client.command(f"truncate table {rollup.table}")
        fold(self.client, self.settings, "shop", days)
        repair(self.client, self.settings, rollup)

    @rule(table=st.sampled_from(["events", "sessions", "visits", "folded_values", "folded_pages"]))
    def merge(self, table: str) -> None:
        self.client.command(f"optimize table {table} final")

    @invariant()
    def agree(self) -> None:
        for days in (DAYS, DAYS[:2]):
            assert told(self.client, "shop", days) == counted(self.client, "shop", days)

    def teardown(self) -> None:
        self.context.__exit__(None, None, None)


def test_whatever_happens_in_whatever_order(databases: Databases, store: Store) -> None:
    Past.databases, Past.store = databases, store
    run_state_machine_as_test(
        Past,
        settings=settings(
            max_examples=3,
            stateful_step_count=12,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
