"""Erasing a person, step by step. Each step is written down when it is done, and each may be done twice; so an erasure
that was broken off goes on where it was, whoever runs it. docs/privacy.md says what happens and why in this order.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from clickhouse_connect.driver.client import Client
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from control.erasures import DONE, add_ids, begin_erasure, find_unfinished, finish, get_erasure, note
from control.errors import PublishError
from control.models import Erasure, TopicEpoch
from control.publish import Publisher
from query_api.sql.builder import Query
from query_api.sql.people import PersonIds, links_of_person, person_ids, person_of, settled_person
from schemas.topics import RAW
from sinks.daily import forget_devices
from sinks.erased_people import EVER, Found, find
from sinks.erased_rows import (
    CONDITIONS,
    Cut,
    account,
    count_rows,
    delete_rows,
    list_ids,
    list_records,
    put_in_force,
    take_unread_messages,
    touched_hours,
)
from sinks.erasure_wait import ErasureError, await_tables
from sinks.errors import SinkError
from sinks.kafka_log import KafkaLog
from sinks.person_export import also_devices, export_person
from sinks.rebuild import remake
from sinks.rollups import ROLLUPS
from sinks.settings import SinkSettings
from sinks.shadow.lock import locked
from sinks.shadow.tables import forget_run
from weir.clickhouse import clickhouse
from weir.errors import WeirError
from weir.operations import erase_line, send_everywhere, send_operation, unlink_line
from weir.prepare import control_database, sink_settings
from weir.screen import counted
from weir.settings import Settings

LISTED, TOLD, COUNTED, DELETED = "listed", "told", "counted", "deleted"
"""The stages: on the list; every partition of the log is told; what goes is counted; it is gone from the tables."""
_ROUNDS = 10
_CUT = ("erasure", "account", "epoch", "ends")
"""What of an erasure's progress says where in the log it was."""
_ALSO_DEVICES = "also_devices"
"""Which of the profile's ids were devices' too, for the receipt."""
Progress = Callable[[str], None]


def resolve(client: Client, database: str, project_id: str, any_id: str, *, is_device: bool) -> PersonIds:
    """All ids of the person that an id means today.

    :raises ClickHouseError: ClickHouse refuses.
    """
    found = _rows(client, person_of(database, project_id, any_id))
    if is_device:
        found = [row for row in found if row["id_kind"] == "device"]
    person = settled_person(any_id, found)
    ids = person_ids(person, _rows(client, links_of_person(database, project_id, person)))
    return PersonIds(person, ids.profiles, (*ids.devices, any_id)) if is_device and any_id not in ids.devices else ids


def _rows(client: Client, query: Query) -> list[dict[str, Any]]:
    return list(client.query(query.sql, query.parameters).named_results())


def erase_person(
    settings: Settings,
    project_id: str,
    any_id: str,
    *,
    is_device: bool = False,
    even_unknown: bool = False,
    patience_seconds: float = 120.0,
    tell: Progress = lambda _: None,
) -> dict[str, Any]:
    """Erase a person, or go on with it; the receipt. ``even_unknown``: also an id of which nothing is stored.

    :raises WeirError: nothing is known of the person, who is not on the list either; or it could not be
        brought to its end; run again, it goes on.
    """
    try:
        with control_database(settings) as engine, clickhouse(settings) as client:
            return _Run(settings, engine, client, patience_seconds, tell).erase(
                project_id, any_id, is_device, even_unknown
            )
    except (SinkError, PublishError) as error:
        raise WeirError(str(error)) from error


def erase_again(
    settings: Settings,
    project_id: str,
    profile_id: str,
    *,
    patience_seconds: float = 120.0,
    tell: Progress = lambda _: None,
) -> None:
    """Take away once more what was erased before, where it was: for tables that a backup of before brought back. What
    came after the erasure stays. Safe to repeat.

    :raises WeirError: it could not be brought to its end; run again, it goes on.
    """
    try:
        with control_database(settings) as engine, clickhouse(settings) as client:
            _Run(settings, engine, client, patience_seconds, tell).again(project_id, profile_id)
    except (SinkError, PublishError) as error:
        raise WeirError(str(error)) from error


class _Run:
    def __init__(
        self, settings: Settings, engine: Engine, client: Client, patience_seconds: float, tell: Progress
    ) -> None:
        self._settings = settings
        self._sinks: SinkSettings = sink_settings(settings)
        self._engine = engine
        self._client = client
        self._patience = patience_seconds
        self._tell = tell

    def erase(self, project_id: str, any_id: str, is_device: bool, even_unknown: bool) -> dict[str, Any]:
        # Before anything is put on a list or told: a list that is not published is obeyed by nobody.
        Publisher(self._engine, self._settings.bootstrap).check_owner()
        with Session(self._engine) as session:
            row = find_unfinished(session, project_id, any_id)
            if row is None:
                row = self._begin(session, project_id, any_id, is_device, even_unknown)
            for _ in range(_ROUNDS):
                if row.stage == LISTED:
                    self._tell_the_log(session, row)
                if row.stage != TOLD or self._is_settled(session, row):
                    break
            else:
                raise ErasureError("The person gets new ids faster than they are found: run it again.")
            if row.stage != DONE:
                with locked(self._client, self._sinks):
                    self._take_away(session, row)
            return receipt(row)

    def _take_away(self, session: Session, row: Erasure) -> None:
        # A run of weir reprocess that waits to be applied holds rows of the person.
        forget_run(self._client)
        if row.stage == TOLD:
            self._count(session, row)
        if row.stage == COUNTED:
            self._delete(session, row)
        if row.stage == DELETED:
            self._finish(session, row)

    def _begin(self, session: Session, project_id: str, any_id: str, is_device: bool, even_unknown: bool) -> Erasure:
        ids = resolve(self._client, self._settings.clickhouse_database, project_id, any_id, is_device=is_device)
        before = get_erasure(session, project_id, ids.person)
        if not (even_unknown or _is_known(self._client, project_id, ids)):
            erased = "It was erased, and nothing of it came since. " if before is not None else ""
            raise WeirError(
                f"{nothing_known(project_id, any_id)} {erased}"
                "With --even-unknown what was received of it until now is kept out all the same."
            )
        both = also_devices(self._client, project_id, ids.profiles, ids.devices)
        devices = sum(each not in ids.profiles or each in both for each in ids.devices)
        ids_told = counted(len(ids.profiles), "id", "ids")
        self._tell(f"{ids.person}: {ids_told} and {counted(devices, 'device', 'devices')}")
        both |= {*(_also_devices(before) or ())} if before is not None else set()
        row = begin_erasure(session, project_id, ids.person, (ids.profiles, ids.devices), LISTED, _now())
        note(row, LISTED, **{_ALSO_DEVICES: sorted(both)})
        self._publish(session)
        return row

    def _publish(self, session: Session) -> None:
        session.commit()
        Publisher(self._engine, self._settings.bootstrap).publish()

    def _tell_the_log(self, session: Session, row: Erasure) -> None:
        """Tell every partition. Broken off, it is told once more, and what lies between is of before."""
        self._publish(session)
        registered = session.get(TopicEpoch, RAW)
        if registered is None or registered.partitions is None:
            raise WeirError(f"{RAW} is not registered: run weir topics.")
        erasure = max(_now(), row.progress.get("erasure", 0) + 1)
        looking = Cut(erasure, row.project_id, EVER, (), erasure)
        known = _list(self._client, looking, row, row.progress.get("visits", {}))
        for stranger in sorted(known.strangers.difference(row.device_ids)):
            # Workers take back links of listed devices only, and this one's id is another profile's.
            unlink = unlink_line(row.project_id, stranger, "", _now())
            send_operation(self._settings.bootstrap, row.project_id, stranger, unlink)
        line = erase_line(
            row.project_id,
            erasure,
            registered.partitions,
            (*row.profile_ids, *known.records),
            row.device_ids,
            _merged(row.progress.get("visits", {}), known.visits),
        )
        told = send_everywhere(self._settings.bootstrap, line, registered.partitions)
        row.erased_at = max(row.erased_at, 1 + max(stamp for _, stamp in told))
        note(
            row,
            TOLD,
            erasure=erasure,
            account=row.progress.get("account", erasure),
            epoch=registered.epoch,
            ends=[offset + 1 for offset, _ in told],
            visits=_merged(row.progress.get("visits", {}), known.visits),
            records=sorted(known.records),
        )
        self._publish(session)

    def _is_settled(self, session: Session, row: Erasure) -> bool:
        """Whether nothing more belongs to the person than the log was told; else it has to be told again."""
        cut = _cut(row)
        await_tables(self._client, KafkaLog(self._settings.bootstrap), cut, self._patience, self._tell)
        found = _list(self._client, cut, row, row.progress["visits"])
        visits = _merged(row.progress["visits"], found.visits)
        more_ids = not (found.profile_ids <= {*row.profile_ids} and found.device_ids <= {*row.device_ids})
        more = visits != row.progress["visits"] or not found.records <= {*row.progress["records"]}
        if not (more_ids or more or found.strangers.difference(row.device_ids)):
            return True
        self._tell("more belongs to the person than was known: the log is told again")
        add_ids(row, found.profile_ids, found.device_ids)
        note(row, LISTED, visits=visits)
        self._publish(session)
        return False

    def _count(self, session: Session, row: Erasure) -> None:
        cut = _cut(row)
        take_unread_messages(self._client, cut)
        # Rows of records replace each other, and nobody knows how many are left: told is of how many ids they are.
        counted = {"profiles": list_records(self._client, cut)}
        for table in CONDITIONS:
            if table not in counted:
                counted[table] = count_rows(self._client, cut, table)
            account(self._client, cut, table)
            self._tell(f"{table}: {counted[table]:,} rows")
        note(row, COUNTED, counted=counted, hours=touched_hours(self._client, cut))
        session.commit()

    def _delete(self, session: Session, row: Erasure) -> None:
        cut = _cut(row)
        put_in_force(self._client, cut)
        # A table's progress falls back when its newest rows go. These were read, and their offsets committed, before;
        # what Kafka gives again lies beyond, and if a group is set back all the same, the list holds.
        for table in CONDITIONS:
            if count_rows(self._client, cut, table):
                self._tell(f"deleting from {table}")
                delete_rows(self._client, self._sinks, cut, table)
        note(row, DELETED)
        session.commit()

    def _finish(self, session: Session, row: Erasure) -> None:
        cut = _cut(row)
        for rollup in ROLLUPS:
            self._tell(f"making {rollup.table} anew where it changed")
            remake(self._client, self._sinks, rollup, (datetime.fromtimestamp(at, UTC) for at in row.progress["hours"]))
        forget_devices(self._client, row.project_id, row.device_ids)
        left = {table: number for table in CONDITIONS if (number := count_rows(self._client, cut, table))}
        if left:
            note(row, COUNTED)
            session.commit()
            raise ErasureError(f"Rows came back ({left}): run it again.")
        kept = {name: row.progress[name] for name in (*_CUT, _ALSO_DEVICES) if name in row.progress}
        finish(row, row.progress["counted"], kept)
        session.commit()

    def again(self, project_id: str, profile_id: str) -> None:
        with Session(self._engine) as session:
            row = session.get_one(Erasure, (project_id, profile_id))
            note(row, TOLD, **row.progress.get("cut", {}))
            cut = _cut(row)
            registered = session.get(TopicEpoch, RAW)
            if registered is not None and registered.epoch == cut.epoch:
                await_tables(self._client, KafkaLog(self._settings.bootstrap), cut, self._patience, self._tell)
            _list(self._client, cut, row, {})
            session.commit()
            with locked(self._client, self._sinks):
                self._take_away(session, row)


def nothing_known(project_id: str, any_id: str) -> str:
    """What is said of an id of which nothing is stored."""
    return f"Nothing is known of {any_id} in {project_id}."


def _is_known(client: Client, project_id: str, ids: PersonIds) -> bool:
    with closing(export_person(client, project_id, ids.person, ids.profiles, ids.devices)) as pieces:
        return next(pieces, None) is not None


def receipt(row: Erasure) -> dict[str, Any]:
    """What is to be said of an erasure: whose ids, when, how far it is, and how many rows of which table went."""
    return {
        "project_id": row.project_id,
        "profile_id": row.profile_id,
        "profile_ids": list(row.profile_ids),
        "device_ids": _shown_devices(row),
        "state": row.stage,
        "erased_at": _text(datetime.fromtimestamp(row.erased_at / 1000, UTC)),
        "begun_at": _text(row.begun_at),
        "finished_at": None if row.stage != DONE or row.finished_at is None else _text(row.finished_at),
        "removed": dict(row.removed),
    }


def _also_devices(row: Erasure) -> list[str] | None:
    """None of an erasure of before this was noted."""
    found: list[str] | None = {**row.progress.get("cut", {}), **row.progress}.get(_ALSO_DEVICES)
    return found


def _shown_devices(row: Erasure) -> list[str]:
    """The devices without ids that were only looked for as devices."""
    both = _also_devices(row)
    return [each for each in row.device_ids if both is None or each not in row.profile_ids or each in both]


def _list(client: Client, cut: Cut, row: Erasure, visits: Mapping[str, Sequence[str]]) -> Found:
    """List all that is known of the person, and look what else is its."""
    known = [each for sessions in visits.values() for each in sessions]
    list_ids(client, cut, {"profile": row.profile_ids, "device": row.device_ids, "session": known})
    found = find(client, cut)
    list_ids(client, cut, {"session": found.sessions})
    return found


def _cut(row: Erasure) -> Cut:
    said = row.progress
    return Cut(said["erasure"], row.project_id, said["epoch"], tuple(said["ends"]), row.erased_at, said["account"])


def _merged(one: Mapping[str, Sequence[str]], other: Mapping[str, Any]) -> dict[str, list[str]]:
    return {device: sorted({*one.get(device, ()), *other.get(device, ())}) for device in sorted({*one, *other})}


def _now() -> int:
    return round(datetime.now(UTC).timestamp() * 1000)


def _text(moment: datetime) -> str:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat(timespec="milliseconds")
