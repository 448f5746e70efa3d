"""Whoever folds days, or the store, is killed in the middle of it: questions are answered as before it began."""

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from sinks.client import connect
from sinks.daily import are_numbers_sound, fold
from sinks.daily_check import compare_folded, folded_in_use
from sinks.daily_days import calendar
from sinks.migrate import migrate
from tests.broker import REPOSITORY
from tests.integration.sinks.databases import NO_BROKER
from tests.integration.sinks.day_traffic import Traffic, counted, told
from tests.integration.sinks.store import Store, running_store

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

FIRST = datetime(2026, 3, 1, tzinfo=UTC)
DAYS = calendar(ZoneInfo("UTC"), FIRST, FIRST + timedelta(days=6, hours=1))
DEVICES = 20_000
KILLS = 4
FOLDING = """
import sys
from datetime import UTC, datetime
from zoneinfo import ZoneInfo
from sinks.client import connect
from sinks.daily import fold
from sinks.daily_days import calendar
from sinks.settings import SinkSettings
from sinks.shadow.lock import locked

url, first, now = sys.argv[1], *map(datetime.fromisoformat, sys.argv[2:])
settings = SinkSettings(clickhouse_url=url, kafka_bootstrap="127.0.0.1:1")
client = connect(settings)
client.database = settings.clickhouse_database
while True:
    print("folding", flush=True)
    with locked(client, settings):
        fold(client, settings, "shop", calendar(ZoneInfo("UTC"), first, now))
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store of its own, with six days of many visitors."""
    with running_store(tmp_path_factory.mktemp("folded")) as store:
        settings = store.settings(NO_BROKER)
        client = connect(settings)
        migrate(client, settings, pipes=False)
        client.close()
        _visit(store, 0)
        yield store


def _visit(store: Store, number: int) -> None:
    """Visitors of each day: half of them new ones, the others of before."""
    client = store.client("weir")
    first = int(FIRST.timestamp())
    client.command(
        "insert into events (project_id, event_id, name, device_id, created_at, path) "
        "select 'shop', generateUUIDv4(), 'screen_view', "
        f"toString(number + {number} * {DEVICES // 2}), fromUnixTimestamp64Milli(toInt64("
        f"{first} + (number * 7919 + {number}) % ({len(DAYS)} * 86400)) * 1000, 'UTC'), "
        f"concat('/', toString(number % 100)) from numbers({DEVICES})"
    )
    Traffic(client, "shop").send(f"late-{number}", FIRST + timedelta(hours=number))
    client.close()


def _agrees(store: Store) -> None:
    client = store.client("weir")
    assert told(client, "shop", DAYS) == counted(client, "shop", DAYS)
    assert are_numbers_sound(client, "shop")
    client.close()


def _is_folded_at_last(store: Store) -> None:
    client = store.client("weir")
    fold(client, store.settings(NO_BROKER), "shop", DAYS)
    assert sorted(folded_in_use(client, "shop")) == DAYS
    assert not compare_folded(client, "shop", DAYS, settle_seconds=0)
    client.close()
    _agrees(store)


def _folding(store: Store) -> subprocess.Popen[bytes]:
    """A process that folds all days again and again, and has begun to."""
    times = (FIRST, FIRST + timedelta(days=6, hours=1))
    process = subprocess.Popen(
        [sys.executable, "-c", FOLDING, store.url, *(moment.isoformat() for moment in times)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"folding\n"
    return process


def test_the_one_who_folds_is_killed(own: Store) -> None:
    dice = random.Random(5)
    for number in range(1, KILLS + 1):
        _visit(own, number)
        process = _folding(own)
        time.sleep(dice.random())
        process.kill()
        process.wait(60)
        _agrees(own)
    _is_folded_at_last(own)


def test_the_store_is_killed(own: Store) -> None:
    dice = random.Random(6)
    for number in range(KILLS + 1, KILLS + 3):
        _visit(own, number)
        process = _folding(own)
        time.sleep(dice.random())
        own.kill()
        process.kill()
        process.wait(60)
        own.start()
        _agrees(own)
    _is_folded_at_last(own)
