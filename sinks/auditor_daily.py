"""What the auditor does for daily rollups in each round: fold days, look at folded ones, and clear away."""

from collections.abc import Callable
from datetime import datetime

from clickhouse_connect.driver.client import Client

from sinks.auditor_metrics import AuditorMetrics
from sinks.daily import DAYS_AT_ONCE, ROWS_AT_ONCE, DailyError, are_numbers_sound, fold, give_out_anew
from sinks.daily_check import compare_folded, folded_in_use
from sinks.daily_days import Day, DaySignature, runs_of
from sinks.daily_due import Standing, find_standing
from sinks.daily_manifest import forget, merge_months, sweep
from sinks.errors import DeletionError
from sinks.kafka_log import KafkaLog
from sinks.settings import AuditorSettings, SinkSettings
from sinks.shadow.lock import locked
from sinks.shadow.plan import ReprocessError

Note = Callable[[str], None]


def fold_days(
    client: Client,
    settings: SinkSettings,
    options: AuditorSettings,
    metrics: AuditorMetrics,
    now: datetime,
    note: Note,
    *,
    complete: bool,
) -> None:
    """Fold what is due, as much as a round may; when everything is to be ``complete``, look at some of what is folded,
    so that each day is looked at once in the days of a sweep. In a cluster nothing is folded.

    :raises SinkError: Kafka does not answer.
    """
    if settings.clickhouse_cluster is not None:
        return
    zones = KafkaLog(settings.kafka_bootstrap).time_zones()
    standing = find_standing(client, zones, now)
    metrics.days(standing.folded, standing.waiting)
    chosen = _chosen(standing, options.rows_per_round)
    strange = {project_id: days for project_id, days in standing.strange.items() if days}
    try:
        if complete:
            _look_at(client, settings, sorted(zones), options, metrics, now, note)
        if chosen or strange or complete:
            with locked(client, settings):
                for project_id, days in strange.items():
                    forget(client, ((day.started, day.ended) for day in days), project_id)
                sweep(client)
        done = 0
        for project_id, signatures in chosen.items():
            sizes = {day: signature.events for day, signature in signatures.items()}
            for run in runs_of(signatures, sizes, ROWS_AT_ONCE, DAYS_AT_ONCE):
                # Not for the whole round: an erasure does not wait for it.
                with locked(client, settings):
                    done += fold(client, settings, project_id, run, signatures=signatures)
                metrics.folded(len(run))
                metrics.days(standing.folded + done, standing.waiting - done)
        if done or complete:
            merge_months(client)
    except (ReprocessError, DailyError, DeletionError) as error:
        note(f"Days wait for being folded ({error})")


def _chosen(standing: Standing, most_rows: int) -> dict[str, dict[Day, DaySignature]]:
    """Per project the days to fold in this round, with what the tables have in them."""
    chosen: dict[str, dict[Day, DaySignature]] = {}
    rows = 0
    for project_id, day, signature in standing.due:
        rows += signature.events
        if chosen and rows > most_rows:
            break
        chosen.setdefault(project_id, {})[day] = signature
    return chosen


def _look_at(
    client: Client,
    settings: SinkSettings,
    projects: list[str],
    options: AuditorSettings,
    metrics: AuditorMetrics,
    now: datetime,
    note: Note,
) -> None:
    every = max(1, round(options.sweep_days))
    rows = 0
    for project_id in projects:
        if not are_numbers_sound(client, project_id):
            with locked(client, settings):
                give_out_anew(client, project_id)
            note(f"Devices of {project_id} had more than one number, or one that is another's: all is folded anew.")
            continue
        days = []
        for day, each in sorted(folded_in_use(client, project_id).items(), reverse=True):
            rows += each.signature.events
            if day.started.toordinal() % every == now.toordinal() % every and rows <= options.rows_per_round:
                days.append(day)
        differing = compare_folded(client, project_id, days)
        if differing:
            wrong = {each.day for each in differing}
            with locked(client, settings):
                forget(client, ((day.started, day.ended) for day in wrong), project_id)
            metrics.repaired("daily", len(wrong))
            note(f"{len(wrong)} folded days were not what the half hours come to, and are folded anew: {differing[0]}")
