"""The first and the last touch of each visitor are those of its sessions as they are now."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from sinks.rebuild import repair
from sinks.rollup_compare import compare
from sinks.rollups import TOUCHES
from sinks.settings import SinkSettings
from tests.integration.sinks import rows
from tests.integration.sinks.arrivals import arrive, number
from tests.integration.sinks.store import Store

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

START = datetime(2026, 2, 27, tzinfo=UTC)
TOLD = ("referrer_name", "referrer_type", "utm_source", "utm_campaign", "entry_origin", "entry_path")
Session = dict[str, Any]


def text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}"


def versions(chance: random.Random, at: int) -> list[Session]:
    """A session's rows in some versions. A late event moves its beginning back, into another day or month too, and
    what it tells of where it came from goes with it.
    """
    began = START + timedelta(milliseconds=chance.randrange(5 * 86_400_000))
    place = {"project_id": f"project-{at % 2}", "session_id": f"session-{at}", "session_month": 202602}
    found: list[Session] = []
    for version in range(1, 1 + chance.randrange(1, 5)):
        began -= timedelta(hours=chance.choice((0, 0, 1, 30)))
        if found:
            found.append({**found[-1], "sign": -1})
        told = {name: chance.choice(("", f"{name}-{chance.randrange(4)}")) for name in TOLD}
        found.append(
            rows.session(
                **place,
                device_id=f"device-{at % 15}" if at % 16 else "",
                started_at=text(began),
                ended_at=text(began + timedelta(minutes=version)),
                version=version,
                raw_offset=at,
                **told,
            )
        )
    return found


def wanted(sessions: list[list[Session]], project: str) -> dict[str, tuple[Session, Session]]:
    """The first and the last session of each device, as each session is in the end."""
    found: dict[str, list[Session]] = {}
    for newest in (session[-1] for session in sessions):
        if newest["project_id"] == project and newest["device_id"]:
            found.setdefault(newest["device_id"], []).append(newest)
    order = {device: sorted(each, key=lambda row: str(row["started_at"])) for device, each in found.items()}
    return {device: (each[0], each[-1]) for device, each in order.items()}


def told_touches(client: Client, project: str) -> dict[int, tuple[Any, ...]]:
    names = ", ".join(f"{side}_{name}" for side in ("first", "last") for name in TOLD)
    sql = (
        "select visitor, toString(first_seen_at), toString(last_seen_at), "
        f"{names} from visitor_touches(project = '{project}')"
    )
    return {int(visitor): tuple(told) for visitor, *told in client.query(sql).result_rows}


def test_they_are_right_under_repeats_pairs_and_merges_and_mended(store: Store, schema: Client) -> None:
    chance = random.Random(11)
    sessions = [versions(chance, at) for at in range(120)]
    # Each pair as a worker writes it, in a message; messages of several partitions, and some of them again.
    longest = max(len(session) for session in sessions)
    for offset, first in enumerate(range(0, longest + 1, 2)):
        message = [row for session in sessions for row in session[max(0, first - 1) : first + 1]]
        for _ in range(2):
            arrive(schema, "sessions", offset, message)
    hashes = {
        device: number(schema, f"select cityHash64('{device}')") for device in (f"device-{at}" for at in range(15))
    }
    told = {}
    for project in ("project-0", "project-1"):
        told[project] = {
            hashes[device]: (
                first["started_at"],
                last["started_at"],
                *(row[name] for row in (first, last) for name in TOLD),
            )
            for device, (first, last) in wanted(sessions, project).items()
        }

    def check() -> None:
        assert {project: told_touches(schema, project) for project in told} == told
        assert not compare(schema, TOUCHES, settle_seconds=0)

    check()
    for table in ("sessions", "touches"):
        schema.command(f"optimize table {table} final")
        check()
    settings: SinkSettings = store.settings("127.0.0.1:1", database=str(schema.database))
    schema.command("delete from touches where visitor % 3 = 0")
    schema.command("insert into touches select * from touches where visitor % 3 = 1")
    assert repair(schema, settings, TOUCHES)
    check()
