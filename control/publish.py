"""Publishing control data: the compacted topic ``weir.control`` is made to say what the database says."""

import asyncio
import logging
from collections.abc import Iterable
from datetime import UTC, datetime

from confluent_kafka import KafkaException, Producer
from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from control.errors import OtherDatabaseError, PublishError
from control.models import Client, DatabaseIdentity, Erasure, Project, Rule, Salt, TopicEpoch
from control.records import client_record, erasure_record, project_record, rule_record
from control.salts import rotate_salts
from control.topic import owner, read_published
from schemas.control import (
    ClientRecord,
    DatabaseRecord,
    ErasureRecord,
    LogRecord,
    ProjectRecord,
    RuleRecord,
    SaltRecord,
    control_key,
)
from schemas.topics import CONTROL

log = logging.getLogger(__name__)

_OWNED = ("project/", "client/", "salt/", "log/", "rule/")
"""Prefixes of the keys the database decides; a record of another kind is not ours to delete. Nor is an
erasure: a database that is new or was restored must not take it back."""

_READ_SECONDS = 5.0

Record = ProjectRecord | ClientRecord | SaltRecord | LogRecord | RuleRecord | ErasureRecord | DatabaseRecord


def records(session: Session) -> list[Record]:
    """All control records, as the database has them now."""
    # Whose they are comes first: should not all be written, it is known who has to go on.
    found: list[Record] = [DatabaseRecord(id=row.id) for row in session.scalars(select(DatabaseIdentity))]
    found += [
        LogRecord(topic=row.topic, topic_id=row.topic_id, epoch=row.epoch, partitions=row.partitions)
        for row in session.scalars(select(TopicEpoch))
    ]
    found += [SaltRecord(day=row.day, salt=row.salt) for row in session.scalars(select(Salt))]
    found += [project_record(row) for row in session.scalars(select(Project))]
    found += [client_record(row) for row in session.scalars(select(Client))]
    found += [erasure_record(row) for row in session.scalars(select(Erasure))]
    found += [rule_record(row) for row in session.scalars(select(Rule))]
    return found


class Publisher:
    """Makes the topic say what the database says: changed records are written, deleted ones get a tombstone.

    The first call, and each that has something to write, reads the topic to its end, so nothing is repeated
    needlessly, what was deleted while nobody published is found, and so is that another database took the topic
    over. Several may run at once: each puts right what it sees differing from the database. Not safe to share
    between threads.

    :param adopt: take the topic over from another control database, whose data is then replaced.
    """

    def __init__(self, engine: Engine, bootstrap: str, *, adopt: bool = False) -> None:
        self._engine = engine
        self._bootstrap = bootstrap
        self._adopt = adopt
        self._published: dict[str, bytes] | None = None

    def publish(self) -> int:
        """Write what differs and wait until Kafka has it; blocks. Safe to repeat after any error.

        :returns: how many records and tombstones were written.
        :raises PublishError: Kafka did not take them all.
        :raises OtherDatabaseError: the topic belongs to another control database.
        :raises sqlalchemy.exc.SQLAlchemyError: the database cannot be read.
        """
        with Session(self._engine) as session:
            wanted = _encoded(records(session))
        if self._published is not None and not _changes(wanted, self._published):
            return 0
        # Until all is written nobody knows what the topic says; after an error the next call reads it again.
        self._published = None
        changes = _changes(wanted, self._read())
        if changes:
            self._write(changes)
        self._published = wanted
        return len(changes)

    def check_owner(self) -> None:
        """Ask whether the topic may be written; blocks.

        :raises PublishError: it could not be read.
        :raises OtherDatabaseError: it belongs to another control database.
        """
        self._read()

    def _read(self) -> dict[str, bytes]:
        # Not longer: a process that is told to end waits for this call.
        published = read_published(self._bootstrap, _READ_SECONDS)
        found = owner(published)
        with Session(self._engine) as session:
            own = session.scalars(select(DatabaseIdentity.id)).one()
        if found is not None and found != own and not self._adopt:
            raise OtherDatabaseError(
                f"{CONTROL} at {self._bootstrap} belongs to another control database ({found}, this one is {own}): set "
                "WEIR_HOME or WEIR_DATABASE_URL to that one, or let this one take it over with `weir topics --adopt`; "
                "projects and keys that it lacks then end."
            )
        return published

    def _write(self, changes: dict[str, bytes | None]) -> None:
        failures: list[str] = []
        producer = Producer(
            {
                "bootstrap.servers": self._bootstrap,
                "acks": "all",
                "enable.idempotence": True,
                "message.timeout.ms": 15_000,
                "log_level": 2,
            }
        )
        try:
            for key, value in changes.items():
                producer.produce(
                    CONTROL,
                    value,
                    key=key.encode(),
                    partition=0,
                    on_delivery=lambda error, _: failures.append(error.str()) if error else None,
                )
                producer.poll(0)
            left = producer.flush(20)
        except (KafkaException, BufferError) as error:
            raise PublishError(f"{CONTROL} cannot be written: {error}.") from error
        if failures or left:
            why = failures[0] if failures else "no answer in time"
            raise PublishError(f"{len(failures) + left} records did not reach {CONTROL}: {why}.")


async def keep_published(
    engine: Engine, bootstrap: str, *, seconds: float = 2.0, stop: asyncio.Event | None = None
) -> None:
    """Rotate the salts and publish changes every few seconds until cancelled or stopped.

    Runs beside the query API. Kafka or the database being away is logged once per outage and waited out.
    """
    publisher = Publisher(engine, bootstrap)
    stop = stop or asyncio.Event()
    troubled = False
    while not stop.is_set():
        try:
            await asyncio.to_thread(_rotate_and_publish, engine, publisher)
            if troubled:
                log.info("control data is published again")
            troubled = False
        except (PublishError, OtherDatabaseError, SQLAlchemyError) as error:
            if not troubled:
                log.warning("control data is not published at the moment: %s", error)
            troubled = True
        try:
            await asyncio.wait_for(stop.wait(), seconds)
        except TimeoutError:
            continue


def _rotate_and_publish(engine: Engine, publisher: Publisher) -> None:
    with Session(engine) as session:
        rotate_salts(session, datetime.now(UTC))
    publisher.publish()


def _changes(wanted: dict[str, bytes], published: dict[str, bytes]) -> dict[str, bytes | None]:
    changes: dict[str, bytes | None] = {key: value for key, value in wanted.items() if published.get(key) != value}
    return changes | {key: None for key in published if key.startswith(_OWNED) and key not in wanted}


def _encoded(found: Iterable[Record]) -> dict[str, bytes]:
    return {control_key(record): record.model_dump_json().encode() for record in found}
