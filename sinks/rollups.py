"""The rollups: which view fills each, and what its rows must come to."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Rollup:
    """A rollup, and the view that fills it. ``measures`` are expressions over its finished rows."""

    table: str
    view: str
    pipe: str
    """The Kafka table whose rows reach the rollup in the end; taken off while the rollup is mended."""
    keys: tuple[str, ...]
    hour: str
    """The column with the beginning of the hour, or the day, in UTC, that a row is of."""
    measures: tuple[str, ...]
    source: str = "events"
    """The table that the view hangs on."""
    time: str = "created_at"
    """The column of the source that ``hour`` follows from."""
    grain: Literal["hour", "day"] = "hour"


EVENTS_HOURLY = Rollup(
    table="events_hourly",
    view="events_hourly_view",
    pipe="events_queue",
    keys=("project_id", "name", "currency"),
    hour="hour",
    measures=("events", "screen_views", "revenue", "finalizeAggregation(devices)"),
)
ROLLUPS = (EVENTS_HOURLY,)
