"""The raw log through today's code, into tables beside the tables: what `weir reprocess` does."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from clickhouse_connect.driver.client import Client
from confluent_kafka import KafkaException

from control.erasures import list_unfinished
from schemas.control import LogRecord
from schemas.topics import RAW
from sinks.shadow.apply import apply, fingerprints
from sinks.shadow.compare import TableDifference, compare_shadows
from sinks.shadow.erased import leave_out, read_ends
from sinks.shadow.history import await_rows, first_ledger_offset, passed_places, whole_rows
from sinks.shadow.lock import locked
from sinks.shadow.plan import PartitionRange, Plan, Stage, read_plan, write_plan
from sinks.shadow.settle import settle
from sinks.shadow.tables import DEAD_LETTERS, EVENTS, LEDGER, SESSIONS, forget_run, insert_rows, make_tables
from streams.archive.part import BadPart
from streams.archive.place import ArchiveError, open_place
from streams.archive.reading import NotKept, RawHistory
from streams.archive.settings import ArchiveSettings
from streams.control import ControlMissing, ControlTail
from streams.enrich.geo import GeoDatabase
from streams.erasures import read_erasures
from streams.positions import read_logs, read_positions
from streams.reprocess import Erased, Made, OffsetRange, Today, reprocess
from weir.clickhouse import clickhouse
from weir.control_data import reading
from weir.errors import WeirError
from weir.prepare import sink_settings
from weir.settings import Settings

BEFORE_MS = 48 * 3_600_000 + 30 * 60_000
"""So long before the range messages are processed too: a device that was silent for longer is forgotten."""
AFTER_MS = 24 * 3_600_000 + 30 * 60_000
"""So long after it too: sessions that began in it go on. What comes later is counted from their events."""
_BATCH_ROWS = 20_000
_TELL_SECONDS = 2.0

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Period:
    """A time of the raw log, milliseconds since 1970 by the broker's stamps; ``until`` is not in it."""

    since: int
    until: int


def run(settings: Settings, period: Period, tell: Tell) -> list[TableDifference]:
    """Make the new rows of a time, and compare them with the old ones; the tables stay as they are.

    :raises WeirError: it is not possible; the sentence says why.
    """
    with _store(settings) as client, locked(client, sink_settings(settings)):
        standing = read_plan(client)
        if standing is not None and standing.stage == Stage.APPLYING:
            raise WeirError("A run broke off while it was being applied: complete it with weir reprocess apply.")
        _refuse_while_erasing(settings)
        logs = read_logs(settings.bootstrap)
        with closing(_history(settings, logs)) as history:
            plan = _planned(settings, client, history, logs, period, tell)
            make_tables(client)
            write_plan(client, plan)
            _fill(settings, client, history, plan, tell)
        leave_out(client)
        tell("putting sessions and ledger together")
        settle(client, plan)
        tell("comparing")
        differences = compare_shadows(client, plan)
        differing = {each.table for each in differences if each.any}
        if differing & {EVENTS.table, SESSIONS.table}:
            # It tells how many rows of them there are, which is not compared.
            differing.add(LEDGER.table)
        ready = {
            "stage": Stage.READY,
            "fingerprints": fingerprints(client, plan),
            "differing": tuple(sorted(differing)),
        }
        write_plan(client, plan.model_copy(update=ready))
        return differences


def _refuse_while_erasing(settings: Settings) -> None:
    """An erasure that broke off has told the ledger, perhaps, of rows that are still there."""
    with reading(settings) as session:
        left = [row.profile_id for row in list_unfinished(session)]
    if left:
        raise WeirError(f"The erasure of {left[0]} is not done yet: complete it with weir profile erase.")


def show(settings: Settings) -> tuple[Plan, list[TableDifference]]:
    """The run that waits to be applied, and what it changes.

    :raises WeirError: there is none.
    """
    with _store(settings) as client:
        plan = _waiting(client)
        return plan, compare_shadows(client, plan)


def apply_run(settings: Settings, tell: Tell) -> Plan:
    """Put the new rows in the place of the old ones; completes what broke off.

    :raises WeirError: there is no run, or it cannot be applied.
    """
    with _store(settings) as client, locked(client, sink_settings(settings)):
        plan = _waiting(client)
        apply(client, sink_settings(settings), plan, tell)
        return plan


def discard(settings: Settings) -> bool:
    """Forget a run, if there is one. One that is being applied is completed instead, never forgotten.

    :raises WeirError: it is being applied.
    """
    with _store(settings) as client, locked(client, sink_settings(settings)):
        found = read_plan(client) is not None
        forget_run(client)
    return found


def _waiting(client: Client) -> Plan:
    plan = read_plan(client)
    if plan is None or plan.stage == Stage.FILLING:
        raise WeirError("There is no finished run: begin one with weir reprocess --from … --to ….")
    return plan


def _history(settings: Settings, logs: dict[str, LogRecord]) -> RawHistory:
    location = ArchiveSettings().location
    return RawHistory(settings.bootstrap, logs[RAW].epoch, open_place(location) if location else None)


def _planned(
    settings: Settings, client: Client, history: RawHistory, logs: dict[str, LogRecord], period: Period, tell: Tell
) -> Plan:
    """Which offsets are processed and told of."""
    if sink_settings(settings).clickhouse_cluster is not None:
        raise WeirError(
            "History of a cluster cannot be reprocessed yet: each shard would have to be put in place alone."
        )
    edges = {
        position.partition: position.stored.offset
        for position in read_positions(settings.bootstrap, logs)
        if position.topic == RAW and position.stored is not None and position.stored.topic_id == logs[RAW].topic_id
    }
    epoch = logs[RAW].epoch
    await_rows(client, sink_settings(settings), epoch, edges, tell)
    ranges = []
    for partition, edge in sorted(edges.items()):
        found = whole_rows(client, epoch, _range(history, partition, edge, period))
        known, (first, _) = (
            first_ledger_offset(client, epoch, partition, _moment(period.since)),
            history.reach(partition),
        )
        if known is not None and known < min(found.start, first):
            raise WeirError(
                f"Raw partition {partition} can be read from offset {first} on, but this time begins at {known}: begin "
                "later, or name the archive (WEIR_ARCHIVE_LOCATION)."
            )
        ranges.append(found)
    if not any(found.start < found.end for found in ranges):
        between = f"{_moment(period.since):%F %T} and {_moment(period.until):%F %T} UTC"
        raise WeirError(f"Nothing came between {between}. If --to is not given, it is 40 minutes ago.")
    return Plan(
        since=f"{_moment(period.since):%Y-%m-%d %H:%M:%S}",
        until=f"{_moment(period.until):%Y-%m-%d %H:%M:%S}",
        epoch=epoch,
        ranges=tuple(ranges),
        passed=passed_places(sink_settings(settings)),
    )


def _range(history: RawHistory, partition: int, edge: int, period: Period) -> PartitionRange:
    def at(stamp: int) -> int:
        return min(history.offset_at(partition, stamp), edge)

    start = at(period.since)
    end = max(start, at(period.until))
    return PartitionRange(
        partition=partition,
        warm=min(at(period.since - BEFORE_MS), start),
        start=start,
        end=end,
        cool=max(at(period.until + AFTER_MS), end),
        edge=edge,
    )


def _fill(settings: Settings, client: Client, history: RawHistory, plan: Plan, tell: Tell) -> None:
    """Process the ranges, and write what they give."""
    today = _today(settings, history, read_ends(client, plan.epoch, len(history.partitions())))
    ranges = [found for found in plan.ranges if found.start < found.end]
    total, done, started = sum(found.cool - found.warm for found in ranges), 0, time.monotonic()
    told = started
    for found in ranges:
        chunks = history.chunks(found.partition, found.warm, found.cool)
        made = reprocess(OffsetRange(**found.model_dump()), chunks, today)
        for upto in _write(client, made):
            if time.monotonic() - told > _TELL_SECONDS:
                told = time.monotonic()
                share = (done + upto - found.warm) / max(total, 1)
                left = (told - started) * (1 - share) / max(share, 0.001)
                tell(f"partition {found.partition}: {share:.0%} of {total:,} offsets, {left:,.0f} s to go")
        done += found.cool - found.warm


def _write(client: Client, batches: Iterable[Made]) -> Iterator[int]:
    """Insert what is made, many rows at a time; yields how far it has come."""
    waiting: dict[str, list[dict[str, object]]] = {each.made: [] for each in (EVENTS, SESSIONS, LEDGER, DEAD_LETTERS)}

    def flush() -> None:
        for table, rows in waiting.items():
            insert_rows(client, table, rows)
            rows.clear()

    for batch in batches:
        waiting[EVENTS.made] += batch.events
        waiting[SESSIONS.made] += batch.sessions
        waiting[LEDGER.made] += batch.ledger
        waiting[DEAD_LETTERS.made] += batch.dead_letters
        if sum(map(len, waiting.values())) >= _BATCH_ROWS:
            flush()
        yield batch.next
    flush()


def _today(settings: Settings, history: RawHistory, ends: dict[tuple[str, str], tuple[int, ...]]) -> Today:
    control = ControlTail(settings.bootstrap, lambda sentence: None)
    control.start()
    try:
        return Today(
            projects=control.projects,
            epochs={topic: record.epoch for topic, record in control.logs.items()},
            partitions=len(history.partitions()),
            locate=GeoDatabase(settings.geo).locate,
            erasures=[
                Erased(record, ends.get((record.project_id, record.profile_id), ()))
                for record in read_erasures(settings.bootstrap)
            ],
        )
    finally:
        control.stop()


def _moment(stamp: int) -> datetime:
    return datetime.fromtimestamp(stamp / 1000, UTC)


@contextmanager
def _store(settings: Settings) -> Iterator[Client]:
    """ClickHouse's client; errors of the log, the archive and control data as sentences too."""
    try:
        with clickhouse(settings) as client:
            yield client
    except (ControlMissing, ArchiveError, NotKept, BadPart) as error:
        raise WeirError(str(error)) from error
    except KafkaException as error:
        raise WeirError(f"Kafka at {settings.bootstrap} cannot be read ({error}): is the broker up?") from error
