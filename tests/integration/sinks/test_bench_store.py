"""The generated store: sessions are what their events say, and a build that was killed comes out as if it was not."""

from pathlib import Path

from clickhouse_connect.driver.client import Client

from bench.store.ask import ask
from bench.store.build import PLAIN, build, opened_store, prepared
from bench.store.traffic import insert_events
from sinks.rollup_compare import compare
from sinks.rollups import ROLLUPS

EVENTS = 90_000
DAYS = 2

_OF_EVENTS = """
    select session_id, count(), countIf(name = 'screen_view'), min(created_at), max(created_at), sum(revenue)
    from events where synthesized = 0 group by session_id order by session_id
"""
_OF_SESSIONS = """
    select session_id, event_count, screen_view_count, started_at, ended_at, revenue
    from sessions final order by session_id
"""
_SUMS = (
    "select count(), sum(cityHash64(event_id, name, device_id, created_at, path, toJSONString(properties))) from {0}"
)


def sums(client: Client) -> list[object]:
    return [client.query(_SUMS.format(table)).result_rows for table in ("events", PLAIN)]


def test_a_killed_build_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    with opened_store(tmp_path) as store:
        client, traffic = prepared(store, EVENTS)
        settings = store.settings("")
        build(client, settings, traffic, DAYS, plain=True)
        whole = sums(client)
        per_day = EVENTS / 90
        assert (
            0.8 * per_day * DAYS < client.query("select count() from events").result_rows[0][0] < 1.2 * per_day * DAYS
        )
        assert client.query(_OF_EVENTS).result_rows == client.query(_OF_SESSIONS).result_rows

        # As a kill leaves it: a day is begun, some of its rows are twice there, and nobody has said that it is done.
        parameters = traffic.parameters(88)
        client.command(f"{insert_events('events', ['project_id', 'session_id', 'created_at'])} limit 100", parameters)
        client.insert("bench_days", [["weir", 88, "begun"], ["plain", 88, "begun"]], ["part", "day", "state"])
        assert sums(client) != whole
        build(client, settings, traffic, DAYS, plain=True)
        assert sums(client) == whole
        assert [compare(client, rollup, settle_seconds=0.0).pieces for rollup in ROLLUPS] == [{} for _ in ROLLUPS]
        ask(client, traffic, 1, lambda: 0.0)
