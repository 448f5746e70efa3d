"""Reprocessing on a real broker, worker and store: history becomes what today's code makes of it, and nothing else."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from clickhouse_connect.driver.client import Client
from confluent_kafka import TopicPartition

from control.projects import create_organization, create_project
from schemas import topics
from schemas.control import ErasureRecord, ProjectRecord, control_key
from schemas.envelope import Headers, tick_message
from schemas.filters import FilterRecord
from schemas.partition import partition_of
from sinks import retention
from sinks.audit import audit
from sinks.settings import SinkSettings
from sinks.shadow.lock import locked
from streams.archive.place import Folder
from streams.archive.run import Archiver
from tests.integration.sinks.store import running_store
from tests.integration.streams.lab import PARTITIONS, PROJECT, Lab, track
from weir.control_data import changing
from weir.erasure import erase_person
from weir.errors import WeirError
from weir.prepare import make_tables
from weir.reprocess import Period, apply_run, run, show
from weir.settings import Settings

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

MINUTE = 60_000
HOUR = 60 * MINUTE
NOW = int(time.time() * 1000) // HOUR * HOUR - 25 * MINUTE
"""In every run at the same place within the hour: which sessions get other ids by other rules hangs on it."""
BEGIN = NOW - 26 * HOUR
"""The history's first moment; it goes on for 19 hours."""
PERIOD = Period(BEGIN + 5 * HOUR + 7 * MINUTE, BEGIN + 14 * HOUR + 7 * MINUTE)
"""Cuts sessions at both of its borders."""
WHOLE = Period(BEGIN - HOUR, NOW + HOUR)


class World:
    """A lab, a store that consumes, and the settings with which the command finds both."""

    def __init__(self, lab: Lab, settings: Settings, sinks: SinkSettings, client: Client) -> None:
        self.lab = lab
        self.settings = settings
        self.sinks = sinks
        self.client = client

    def number(self, sql: str) -> Any:
        return self.client.query(sql).result_rows[0][0]

    def sessions(self) -> list[tuple[Any, ...]]:
        """Every session as sums over ``sign`` tell it."""
        rows = self.client.query(
            "select session_id, sum(sign), sum(sign * event_count), sum(sign * screen_view_count),"
            " sum(sign * is_closed), sum(sign * duration_ms), sum(sign * revenue), sum(sign * is_bounce),"
            " argMax(entry_path, version), argMax(exit_path, version), argMax(country, version),"
            " argMax(profile_id, version)"
            " from sessions group by session_id order by session_id"
        ).result_rows
        return [tuple(row) for row in rows]

    def progress(self) -> dict[tuple[Any, ...], int]:
        rows = self.client.query(
            "select 'events', log_topic, log_epoch, log_partition, toYYYYMM(created_at) as month, max(log_offset)"
            " from events group by all"
            " union all select 'sessions', log_topic, log_epoch, log_partition, session_month, max(log_offset)"
            " from sessions group by all"
            " union all select 'ledger', log_topic, log_epoch, log_partition, toYYYYMM(stamp), max(log_offset)"
            " from ledger group by all"
        ).result_rows
        return {tuple(row[:-1]): row[-1] for row in rows}


def publish(world: World, *records: ProjectRecord | ErasureRecord) -> None:
    for record in records:
        world.lab.producer.produce(topics.CONTROL, record.model_dump_json(), key=control_key(record))
    world.lab.producer.flush(30)


def messages() -> Iterator[tuple[int, dict[str, Any]]]:
    """(stamp, raw event): people who come again, some in the middle of a border, some known by name, some late."""
    for device in range(24):
        visits = [(BEGIN + device * 11 * MINUTE, 3), (BEGIN + device * 40 * MINUTE + HOUR, 4)]
        visits += [(PERIOD.since - 20 * MINUTE, 5)] if device % 4 == 0 else []
        visits += [(PERIOD.until - 20 * MINUTE, 5)] if device % 4 == 1 else []
        # Ends outside the period, though nothing but its first page is left to be filtered.
        visits += [(PERIOD.until - 10 * MINUTE, 1)] if device % 8 == 3 else []
        for start, pages in sorted(visits):
            for page in range(pages):
                moment = start + page * 9 * MINUTE + device
                known = (
                    {"profile_id": f"person-{device}"} if device % 3 == 0 and page == 0 and start < PERIOD.since else {}
                )
                if device == 10 and start > PERIOD.since and page in (1, 2):
                    known = {"profile_id": f"person-{0 if page == 1 else 10}"}
                late = 40 * MINUTE if device % 8 == 5 and page == 2 else 0
                yield (
                    moment,
                    track(
                        f"device-{device}",
                        time_ms=moment - late,
                        received_at=moment,
                        ip="2.125.160.216",
                        payload={"name": "screen_view", "properties": {"__path": f"https://shop.example/{page}"}},
                        **known,
                    ),
                )


def send_history(lab: Lab) -> None:
    value, headers = tick_message("test")
    found: list[tuple[int, bytes, int, Headers | None]] = [
        (stamp, orjson.dumps(event), partition_of(PROJECT, event["device_id"], PARTITIONS), None)
        for stamp, event in messages()
    ]
    found += [
        (stamp, value, part, headers)
        for stamp in range(BEGIN, BEGIN + 20 * HOUR, 100_000)
        for part in range(PARTITIONS)
    ]
    hers = b'{"project_id":"%b","profile_id":"person-0"' % PROJECT.encode()
    found += [(PERIOD.since + HOUR, line, 0, None) for line in (b"no event", hers)]
    for stamp, line, partition, kind in sorted(found, key=lambda each: each[0]):
        lab.producer.produce(topics.RAW, line, partition=partition, timestamp=stamp, headers=kind)
        lab.producer.poll(0)
    lab.producer.flush(60)


@pytest.fixture(scope="module")
def world(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    # The worker starts and works while the store starts.
    send_history(lab)
    lab.start_worker()
    with running_store(tmp_path_factory.mktemp("store")) as store:
        settings = Settings.model_validate(
            {
                "home": tmp_path_factory.mktemp("home"),
                "kafka_bootstrap": lab.broker.bootstrap,
                "clickhouse_url": store.url,
                "geo_database": lab.home / "geo",
                "database_url": f"sqlite:///{lab.home / 'control.sqlite'}",
            }
        )
        with changing(settings) as session:
            create_organization(session, "organization-1", "Test")
            create_project(session, "organization-1", PROJECT, "Test")
        make_tables(settings)
        sinks = store.settings(lab.broker.bootstrap)
        client = store.client("weir")
        report = audit(sinks, patience_seconds=120)
        assert report.findings == ()
        yield World(lab, settings, sinks, client)
        client.close()


def quiet(_: str) -> None:
    pass


def clean(world: World) -> None:
    report = audit(world.sinks, patience_seconds=60)
    assert report.findings == ()


def test_history_comes_out_as_it_was(world: World) -> None:
    differences = {each.table: each for each in run(world.settings, PERIOD, quiet)}
    assert {table: each.any for table, each in differences.items()} == dict.fromkeys(differences, False), differences
    assert differences["events"].same > 80
    assert differences["sessions"].same > 15
    assert differences["dead_letters"].same == 2


def test_what_was_wrong_is_shown_and_mended(world: World) -> None:
    events, sessions, progress = world.number("select count() from events"), world.sessions(), world.progress()
    damage(world, "country = 'XX'", "name = 'screen_view'")
    differences = {each.table: each for each in run(world.settings, PERIOD, quiet)}
    changed = differences["events"]
    assert changed.columns == {"country": changed.changed}
    assert changed.changed > 40
    assert changed.examples[0].columns["country"][0] == "XX"
    assert world.number("select countIf(country = 'XX') from events") > changed.changed
    _, again = show(world.settings)
    assert {each.table: each.changed for each in again}["events"] == changed.changed
    apply_run(world.settings, quiet)
    assert world.number("select count() from events") == events
    left = world.number("select countIf(country = 'XX') from events")
    assert 0 < left < events - changed.changed
    # Time goes on, and with it the ledger; what has been consumed stays consumed.
    assert all(world.progress()[place] >= offset for place, offset in progress.items())
    assert world.sessions() == sessions
    clean(world)
    damage(world, "country = ''", "country = 'XX'")


def damage(world: World, change: str, where: str) -> None:
    world.client.command(f"alter table events update {change} where {where} settings mutations_sync = 2")


PLAIN = ProjectRecord(id=PROJECT, organization_id="organization-1", name="Test")
FILTERED = PLAIN.model_copy(
    update={"filters": (FilterRecord(kind="path", value="/0"), FilterRecord(kind="path", value="/3"))}
)


def apply_until(world: World, line: str | None) -> int:
    """Run the command; with ``line``, kill it as soon as it says that."""
    environment = {
        **os.environ,
        "WEIR_HOME": str(world.settings.home),
        "WEIR_KAFKA_BOOTSTRAP": world.settings.bootstrap,
        "WEIR_CLICKHOUSE_URL": world.settings.store_url,
    }
    with subprocess.Popen(
        [sys.executable, "-m", "weir.commands.reprocess", "apply"], env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for said in process.stderr:
            if line is not None and said.startswith(line):
                process.kill()
        return process.wait(120)


def test_a_new_rule_holds_for_the_past_though_it_is_killed_and_can_be_taken_back(world: World) -> None:
    sessions, events = world.sessions(), world.number("select count() from events")
    publish(world, FILTERED)
    differences = {each.table: each for each in run(world.settings, PERIOD, quiet)}
    publish(world, PLAIN)
    coming = differences["events"].only_new - differences["events"].only_old
    assert coming < -20
    assert differences["sessions"].changed > 5
    for line in ("building sessions", "new rows wait"):
        apply_until(world, line)
        assert world.number("select count() from events") in (events, events + coming)
        with pytest.raises(WeirError, match="broke off"):
            run(world.settings, PERIOD, quiet)
    assert apply_until(world, None) == 0
    assert world.number("select count() from events") == events + coming
    assert world.sessions() != sessions
    clean(world)
    run(world.settings, PERIOD, quiet)
    apply_run(world.settings, quiet)
    clean(world)
    assert world.sessions() == sessions


def test_sessions_that_were_lost_are_told_of_once(world: World) -> None:
    """Those that lie in the time, and those that began before it."""
    whose, count = "session_id, sum(sign), sum(sign * event_count)", world.number("select sum(sign) from sessions")
    before = world.client.query(f"select {whose} from sessions group by session_id order by session_id").result_rows
    came = f"toUnixTimestamp64Milli(received_at) between {PERIOD.since} and {PERIOD.until - 1}"
    of_period = f"select session_id from events where synthesized = 0 and {came}"
    world.client.command(f"delete from sessions where session_id in ({of_period})")
    assert 0 < world.number("select sum(sign) from sessions") < count - 10
    run(world.settings, PERIOD, quiet)
    apply_run(world.settings, quiet)
    after = world.client.query(f"select {whose} from sessions group by session_id order by session_id").result_rows
    assert after == before
    clean(world)


def of_person(world: World, number: int) -> list[int]:
    """How many rows of events, sessions and dead letters are of a person, or of its device."""
    name, device = f"person-{number}", f"device-{number}"
    whose = f"(profile_id = '{name}' or device_id = '{device}')"
    return [
        world.number(f"select toInt64({count}) from {table} where {condition}")
        for count, table, condition in (
            ("count()", "events", whose),
            ("sum(sign)", "sessions", whose),
            ("count()", "dead_letters", f"position(value, '\"{name}\"') > 0"),
        )
    ]


def test_who_was_erased_stays_away_and_others_are_what_they_were(world: World) -> None:
    guest = "sessions where device_id = 'device-10'"
    assert all(of_person(world, 0))
    visits = world.number(f"select sum(sign) from {guest}")
    run(world.settings, PERIOD, quiet)
    erase_person(world.settings, PROJECT, "person-0")
    with pytest.raises(WeirError, match="no finished run"):
        apply_run(world.settings, quiet)
    # The whole of a session in which she was named, on the device of another, went with her.
    assert world.number(f"select sum(sign) from {guest}") == visits - 1
    sessions = world.sessions()
    before = world.client.query("select event_id, country, path from events order by all").result_rows
    damage(world, "path = '/x'", "1")
    differences = {each.table: each for each in run(world.settings, WHOLE, quiet)}
    assert {table: each.only_old + each.only_new for table, each in differences.items()} == dict.fromkeys(
        differences, 0
    ), differences
    assert {table: set(each.columns) for table, each in differences.items() if each.changed} == {"events": {"path"}}
    apply_run(world.settings, quiet)
    assert of_person(world, 0) == [0, 0, 0]
    assert world.sessions() == sessions
    assert world.client.query("select event_id, country, path from events order by all").result_rows == before
    # And the other way round: what was reprocessed is erased.
    assert all(of_person(world, 6)[:2])
    erase_person(world.settings, PROJECT, "person-6")
    assert of_person(world, 6) == [0, 0, 0]
    clean(world)


def test_one_at_a_time(world: World) -> None:
    with locked(world.client, world.sinks), pytest.raises(WeirError, match="Another run"):
        run(world.settings, PERIOD, quiet)


def test_what_retention_took_is_not_made_again(world: World) -> None:
    since = (BEGIN + 100 * MINUTE) // 1000
    plan = retention.Plan(projects={PROJECT: since}, months=(), kept={"": 0})
    for source in retention.SOURCES:
        due = retention.Due(source, plan, {}, {PROJECT: 1})
        retention.apply(world.client, world.sinks, [due], quiet)
    clean(world)
    old, events = f"select count() from events where created_at < {since}", world.number("select count() from events")
    assert world.number(old) == 0
    damage(world, "path = '/y'", "name = 'screen_view'")
    differences = {each.table: each for each in run(world.settings, WHOLE, quiet)}
    assert differences["events"].changed > 40
    apply_run(world.settings, quiet)
    assert world.number(old) == 0
    assert world.number("select count() from events") == events
    assert world.number("select count() from events where path = '/y'") == 0
    clean(world)


def test_a_log_that_is_gone_is_read_from_its_archive(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = threading.Event()
    bootstrap, epoch = world.settings.bootstrap, world.number("select max(raw_epoch) from ledger")
    writer = Archiver(bootstrap, Folder(tmp_path), epoch, flush_seconds=900, memory_bytes=10_000_000)
    writer.run(stop, idle=stop.set)
    gone = [
        TopicPartition(topics.RAW, partition, offset)
        for partition, offset in world.client.query(
            "select raw_partition, max(from_offset) from ledger where stamp < fromUnixTimestamp64Milli({at:Int64}) "
            "group by raw_partition",
            {"at": PERIOD.since + 4 * HOUR},
        ).result_rows
    ]
    for future in world.lab.broker.admin().delete_records(gone).values():
        future.result(30)
    with pytest.raises(WeirError, match="WEIR_ARCHIVE_LOCATION"):
        run(world.settings, PERIOD, quiet)
    monkeypatch.setenv("WEIR_ARCHIVE_LOCATION", str(tmp_path))
    assert not any(each.any for each in run(world.settings, PERIOD, quiet))
    erased = ErasureRecord(project_id=PROJECT, profile_id="person-3", device_ids=("device-3",), erased_at=NOW)
    publish(world, erased)
    differences = {each.table: each for each in run(world.settings, WHOLE, quiet)}
    assert differences["events"].only_old > 5
    apply_run(world.settings, quiet)
    assert world.number("select count() from events where device_id = 'device-3'") == 0
    assert world.number("select sum(sign) from sessions where device_id = 'device-3'") == 0
    clean(world)
