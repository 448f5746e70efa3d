"""Making a backup of an installation: ClickHouse's tables, the control database, and what Kafka has beside them."""

import shutil
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from clickhouse_connect.driver.client import Client
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from control.dump import dump
from control.models import DatabaseIdentity, TopicEpoch
from schemas import topics
from sinks.backup import STORE, BackupError, applied_migrations, back_up_tables, refuse_cluster
from sinks.backup_manifest import (
    CONTROL,
    LOG,
    Manifest,
    TopicPlace,
    entries,
    list_backups,
    manifest_digest,
    read_manifest,
    write_manifest,
)
from sinks.errors import SinkError
from sinks.kafka_log import KafkaLog
from sinks.shadow.lock import locked
from sinks.tables import TABLES
from sinks.whole_file import whole_file
from weir.backup_log import Tell, capture
from weir.clickhouse import clickhouse
from weir.errors import WeirError
from weir.prepare import control_database, sink_settings
from weir.settings import Settings

_PATIENCE_SECONDS = 60.0


def back_up(settings: Settings, *, incremental: bool, tell: Tell) -> Manifest:
    """Make a backup while everything runs; with ``incremental`` of what is new since the newest there is. What it had
    written is removed when it fails.

    :raises WeirError: it could not be made; the message says what to do.
    """
    try:
        refuse_cluster(sink_settings(settings))
    except SinkError as error:
        raise WeirError(str(error)) from error
    folder = settings.backups
    base = _newest(folder) if incremental else None
    name = f"{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}"
    place = folder / name
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.mkdir(mode=0o700)
    except OSError as error:
        raise WeirError(
            f"The folder of backups {folder} cannot be written ({error.strerror}): make it writable, or set "
            "WEIR_BACKUP_LOCATION."
        ) from error
    try:
        return _make(settings, place, base, tell)
    except BaseException as error:
        shutil.rmtree(place, ignore_errors=True)
        if isinstance(error, SinkError):
            raise WeirError(str(error)) from error
        if isinstance(error, OSError):
            raise WeirError(f"The backup could not be written to {place} ({error}): is there room?") from error
        raise


def _newest(folder: Path) -> str:
    complete = [name for name, manifest in list_backups(folder) if isinstance(manifest, Manifest)]
    if not complete:
        raise WeirError(f"There is no backup in {folder} to go on from: make a whole one first (weir backup).")
    return complete[-1]


def _make(settings: Settings, place: Path, base: str | None, tell: Tell) -> Manifest:
    name, sinks = place.name, sink_settings(settings)
    with control_database(settings) as engine, clickhouse(settings) as client:
        with locked(client, sinks):
            tell("noting where ClickHouse is in Kafka")
            places = _places(engine, _positions(settings.bootstrap))
            control_id = _write_control(engine, place)
            tell("copying the tables")
            back_up_tables(client, sinks, name, base)
        if not (place / STORE / ".backup").exists():
            raise BackupError(
                f"ClickHouse did not write its backup to {place / STORE}: its backups.allowed_path must be the folder "
                f"{place.parent}, on this machine (docs/backup.md)."
            )
        log = place / LOG
        log.mkdir(mode=0o700)
        positions = {topic: places[topic].positions for topic in TABLES.values()}
        captured = capture(settings.bootstrap, log, positions, places[topics.RAW].epoch, _PATIENCE_SECONDS, tell)
        tell("reading it back")
        manifest = Manifest(
            name=name,
            created_at=f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}",
            version=version("weir"),
            clickhouse=_version(client),
            database=settings.clickhouse_database,
            control_id=control_id,
            base=base,
            base_sha256=manifest_digest(place.parent, base) if base is not None else None,
            migrations=applied_migrations(client),
            topics=places,
            partitions=len(captured.ends),
            ends=captured.ends,
            is_whole=captured.is_whole,
            files=entries(place.parent, name, lambda files, size: None),
        )
    write_manifest(place.parent, manifest)
    return read_manifest(place.parent, name)


def _positions(bootstrap: str) -> dict[str, dict[int, int]]:
    """Per topic of a table how far ClickHouse has read it, and told so: what lies before is in the table."""
    log = KafkaLog(bootstrap)
    found = {}
    for table, topic in TABLES.items():
        read = log.committed(topics.STORE_GROUP_PREFIX + table, topic)
        found[topic] = {part: max(read.get(part, 0), at.low) for part, at in log.reach(topic).items()}
    return found


def _places(engine: Engine, positions: Mapping[str, Mapping[int, int]]) -> dict[str, TopicPlace]:
    with Session(engine) as session:
        rows: Iterable[TopicEpoch] = session.scalars(select(TopicEpoch))
        return {
            row.topic: TopicPlace(topic_id=row.topic_id, epoch=row.epoch, positions=dict(positions.get(row.topic, {})))
            for row in rows
        }


def _write_control(engine: Engine, place: Path) -> str:
    with whole_file(place / CONTROL) as file:
        file.writelines(dump(engine))
    with Session(engine) as session:
        return session.scalars(select(DatabaseIdentity.id)).one()


def _version(client: Client) -> str:
    return str(client.query("select version()").result_rows[0][0])
