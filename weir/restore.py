"""Restoring a backup: the tables as they were, then what Kafka has, or had, since. Each step may be done twice; one
that was broken off begins anew, and nothing comes in from Kafka before it is through.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from control.dump import load
from control.erasures import DONE, list_erasures
from control.models import DatabaseIdentity, Project, TopicEpoch
from control.salts import rotate_salts
from control.topic import read_published
from schemas import topics
from schemas.control import ErasureRecord
from sinks.backup import (
    BackupError,
    check_migrations,
    count_stored,
    end_restore,
    known_erasures,
    restore_tables,
)
from sinks.backup_manifest import CONTROL, LOG, Manifest, chain, read_manifest
from sinks.client import connect
from sinks.daily_manifest import forget_all
from sinks.errors import SinkError
from sinks.kafka_log import KafkaLog
from sinks.migrate import migrate
from sinks.positions import set_position, settle
from sinks.rebuild import repair
from sinks.restore_rows import Arrival, insert_arrivals
from sinks.rollups import ROLLUPS
from sinks.shadow.lock import locked
from sinks.tables import TABLES
from weir.backup_log import Tell, read_messages
from weir.clickhouse import clickhouse
from weir.erasure import erase_again, erase_person
from weir.errors import WeirError
from weir.local.demo_project import PROJECT as DEMO
from weir.local.demo_project import add_demo_clients
from weir.prepare import control_database, make_topics, sink_settings
from weir.restore_state import restore_state
from weir.settings import Settings

_PATIENCE_SECONDS = 60.0


@dataclass(slots=True)
class Restored:
    """What was done."""

    control: bool = False
    """Whether the control database was replaced."""
    is_same_log: bool = True
    """Whether Kafka is the one that the backup was made beside."""
    is_whole: bool = True
    """Whether the backup could stand alone: see ``Manifest.is_whole``."""
    rows_of_copy: int = 0
    """Messages that came from the backup's copy of Kafka."""
    missing: dict[str, int] = field(default_factory=dict)
    """Per topic the offsets that Kafka has deleted since: what lay there is neither in the backup nor to be had."""
    erased_again: int = 0


def restore_control(settings: Settings, name: str) -> int:
    """Replace the control database by that of the backup, all at once; how many rows. Kafka need not be there.

    :raises WeirError: it cannot be read or written.
    """
    try:
        manifest = read_manifest(settings.backups, name)
    except SinkError as error:
        raise WeirError(str(error)) from error
    with control_database(settings) as engine:
        return _load_control(engine, settings.backups / manifest.name)


def restore(settings: Settings, name: str, *, replace: bool, tell: Tell) -> Restored:
    """Restore a backup into ClickHouse, and into the control database unless it is the backup's own. Kafka, ClickHouse
    and, for what was erased since, workers must run.

    ``replace``: also where something is stored that is not the backup's.

    :raises WeirError: it is refused, or was broken off; run again, it begins anew.
    """
    sinks, done = sink_settings(settings), Restored()
    try:
        manifest = read_manifest(settings.backups, name)
        list(chain(settings.backups, name))
        check_migrations(manifest.migrations)
        if manifest.database != settings.clickhouse_database:
            raise BackupError(
                f"The backup is of the database {manifest.database}: set WEIR_CLICKHOUSE_DATABASE to that."
            )
        with closing(connect(sinks)) as client:
            _check_target(settings, client, manifest, replace=replace)
            done.control = _restore_control(settings, manifest, tell)
            tell("restoring the tables")
            restore_tables(client, sinks, name)
            client.database = settings.clickhouse_database
            # Each table is of a moment of its own: what says that days are folded may be ahead of their rows.
            forget_all(client)
            _follow_the_log(settings, client, manifest, done, tell)
            client.database = None
            end_restore(client, sinks)
            tell("going on from Kafka")
            migrate(client, sinks, wait_for_topics=_PATIENCE_SECONDS)
    except ClickHouseError as error:
        raise WeirError(f"ClickHouse refused a statement ({error}): run weir restore again, it begins anew.") from error
    except (SinkError, OSError) as error:
        raise WeirError(str(error)) from error
    done.erased_again = _erase_again(settings, tell)
    with clickhouse(settings) as client, locked(client, sinks):
        for rollup in ROLLUPS:
            tell(f"comparing {rollup.table} with its table")
            repair(client, sinks, rollup)
    return done


def _check_target(settings: Settings, client: Client, manifest: Manifest, *, replace: bool) -> None:
    """Refuse to replace what is not the backup's own, unless that was asked for."""
    if replace:
        return
    with control_database(settings) as engine, Session(engine) as session:
        if session.scalars(select(DatabaseIdentity.id)).one() != manifest.control_id:
            others = [project.id for project in session.scalars(select(Project)) if project.id != DEMO]
            if others:
                raise BackupError(
                    f"This installation has projects of its own ({others[0]} …), which the backup's would replace: "
                    "restore into an empty one, or say --replace."
                )
    if count_stored(client, sink_settings(settings)):
        raise BackupError(
            "ClickHouse holds events, profiles or dead letters: they would be replaced by the backup's, and what Kafka "
            "still has of later comes again. Say --replace if that is meant."
        )


def _restore_control(settings: Settings, manifest: Manifest, tell: Tell) -> bool:
    """The control database of the backup, unless this is the same one, which knows more."""
    with control_database(settings) as engine:
        with Session(engine) as session:
            if session.scalars(select(DatabaseIdentity.id)).one() == manifest.control_id:
                return False
        tell("restoring the control database")
        _load_control(engine, settings.backups / manifest.name)
        # The keys that weir up has shown for the demo project of this machine are to go on working.
        add_demo_clients(engine, settings.home)
    make_topics(settings, demo=False, adopt=True)
    return True


def _load_control(engine: Engine, place: Path) -> int:
    with (place / CONTROL).open("rb") as file:
        count = load(engine, file)
    with Session(engine) as session:
        rotate_salts(session, datetime.now(UTC))
    return count


def _follow_the_log(settings: Settings, client: Client, manifest: Manifest, done: Restored, tell: Tell) -> None:
    """Set each table's consumers back to before the backup. What is there no more comes from the backup's copy."""
    log = KafkaLog(settings.bootstrap)
    with control_database(settings) as engine, Session(engine) as session:
        now = {row.topic: row.topic_id for row in session.scalars(select(TopicEpoch))}
    same = {topic: now.get(topic) == place.topic_id for topic, place in manifest.topics.items()}
    done.is_same_log, done.is_whole = same[topics.RAW], manifest.is_whole
    for table, topic in TABLES.items():
        tell(f"setting the consumers of {table} back")
        offsets, missing = settle(manifest.topics[topic].positions, log.reach(topic), is_same=same[topic])
        set_position(settings.bootstrap, table, topic, offsets, _PATIENCE_SECONDS)
        if missing or not same[topic]:
            arrivals = _arrivals(settings.backups / manifest.name / LOG / f"{table}.jsonl")
            done.rows_of_copy += insert_arrivals(client, table, arrivals)
        if missing and same[topic]:
            done.missing[topic] = missing
    if not same[topics.RAW]:
        restore_state(settings.bootstrap, settings.backups / manifest.name / LOG, manifest.partitions, tell)


def _arrivals(path: Path) -> Iterator[Arrival]:
    for message in read_messages(path):
        if message.value is not None:
            yield Arrival(message.partition, message.offset, message.stamp, message.headers, message.value)


def _erase_again(settings: Settings, tell: Tell) -> int:
    """Erase once more whoever was erased since the backup was made; how many."""
    with control_database(settings) as engine, Session(engine) as session:
        found = {(row.project_id, row.profile_id): row for row in list_erasures(session) if row.stage == DONE}
        cuts = {key: row.progress.get("cut") for key, row in found.items()}
        times = {key: row.erased_at for key, row in found.items()}
    with clickhouse(settings) as client:
        known = known_erasures(client, [cut["erasure"] for cut in cuts.values() if cut])
    count = 0
    for (project_id, profile_id), cut in cuts.items():
        if cut and cut["erasure"] not in known:
            tell(f"erasing {profile_id} of {project_id} again")
            erase_again(settings, project_id, profile_id, tell=tell)
            count += 1
    for record in _published_erasures(settings):
        # Of after the control database that was restored: where in the log it was, nobody knows any more.
        if times.get((record.project_id, record.profile_id), 0) < record.erased_at:
            tell(f"erasing {record.profile_id} of {record.project_id} again")
            erase_person(settings, record.project_id, record.profile_id, even_unknown=True, tell=tell)
            count += 1
    return count


def _published_erasures(settings: Settings) -> list[ErasureRecord]:
    found = read_published(settings.bootstrap)
    return [ErasureRecord.model_validate_json(value) for key, value in found.items() if key.startswith("erasure/")]
