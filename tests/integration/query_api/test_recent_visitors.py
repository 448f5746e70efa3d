"""Live visitors are the same whether they are counted from their rollup or from events."""

import random
import time
import uuid
from collections.abc import Iterator

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from query_api.sql.builder import Query
from query_api.sql.overview import live
from schemas.live import AHEAD_MS, LIVE_MS
from tests.integration.query_api.conftest import insert_rows
from tests.integration.query_api.dataset import Hit, event_row

pytestmark = pytest.mark.integration

MINUTE = 60_000


@pytest.fixture
def client(store_url: str) -> Iterator[Client]:
    client = clickhouse_connect.get_client(dsn=store_url, autogenerate_session_id=False)
    yield client
    client.close()


def counted(client: Client, query: Query) -> int:
    return int(client.query(query.sql, parameters=query.parameters).result_rows[0][0])


def test_the_same_to_the_millisecond(client: Client, store_url: str) -> None:
    project, dice, now = f"live-{uuid.uuid4()}", random.Random(3), round(time.time() * 1000)
    edges = [now - LIVE_MS, now - LIVE_MS + 1, now + AHEAD_MS, now + AHEAD_MS + 1]
    times = [*edges, *(now + dice.randrange(-40 * MINUTE, 20 * MINUTE) for _ in range(120))]
    hits = [Hit(project, time_ms, "seen", "/", f"device-{dice.randrange(40)}", "") for time_ms in times]
    hits += [
        Hit(project, now, "seen", "/", "", ""),
        Hit(project, now, "seen", "/", "robot", "", bot="Googlebot"),
        Hit(project, now, "session_end", "/", "ghost", "", synthesized=1),
        Hit(f"{project}-other", now, "seen", "/", "other", ""),
    ]
    dice.shuffle(hits)
    # In many blocks, so that a row of five minutes is in several parts.
    for start in range(0, len(hits), 20):
        insert_rows(store_url, "events", [event_row(hit) for hit in hits[start : start + 20]])
    people = [
        hit for hit in hits if hit.project_id == project and hit.device_id and not hit.bot and not hit.synthesized
    ]
    moments = [now, now - 1, now + 1, *(now + dice.randrange(-30 * MINUTE, 15 * MINUTE) for _ in range(25))]
    for moment in moments:
        here = {hit.device_id for hit in people if moment - LIVE_MS < hit.time_ms <= moment + AHEAD_MS}
        for rolled in (True, False):
            assert counted(client, live("weir", project, moment / 1000, rolled=rolled)) == len(here), moment - now
