"""When an event happened: the sender's clock, corrected and bounded, or the time we received it."""

from datetime import UTC, datetime
from functools import lru_cache

MAX_FUTURE_MS = 60_000
"""An event may lie this far after its reception: clocks differ."""
MAX_AGE_MS = 400 * 24 * 3_600_000
"""An event may lie this far before its reception, unless the project keeps less."""
MAX_UNDERWAY_MS = 8 * 24 * 3_600_000
"""An accepted event may be this long on its way to the log, in a gateway's spool."""
MAX_SKEW_MS = 10 * 60_000
"""A gateway's clock may be this far ahead of the broker's."""


def settle_event_time(received_ms: int, client_ms: int | None, sent_ms: int | None = None) -> int:
    """Event time in milliseconds.

    ``client_ms`` is the sender's time of the event, ``sent_ms`` its clock when it sent the request: their distance is
    trusted, the clock is not, so with both the result is received − (sent − client). Without ``sent_ms`` the client's
    time is taken as it is. A missing time, or one more than a minute in the future, gives the time of reception.
    """
    if client_ms is None:
        return received_ms
    if sent_ms is not None and sent_ms >= client_ms:
        return received_ms - (sent_ms - client_ms)
    return client_ms if client_ms <= received_ms + MAX_FUTURE_MS else received_ms


def time_refusal(event_ms: int, received_ms: int, max_age_ms: int = MAX_AGE_MS) -> str | None:
    """Why an event of that time can't be stored (``event_too_old``, ``event_in_future``), or None if it can."""
    if event_ms > received_ms + MAX_FUTURE_MS:
        return "event_in_future"
    if event_ms < received_ms - min(max_age_ms, MAX_AGE_MS):
        return "event_too_old"
    return None


def reception(received_ms: int | None, stamp_ms: int) -> int:
    """The moment by which a worker judges an event's time: that of its reception as the gateway wrote it, so that what
    the gateway accepted is not refused because it came into the log later, or by another clock. What lies farther
    from the broker's stamp than that can be, or was not written, is not believed.
    """
    if received_ms is None:
        return stamp_ms
    return min(max(received_ms, stamp_ms - MAX_UNDERWAY_MS), stamp_ms + MAX_SKEW_MS)


def parse_iso_ms(text: str) -> int | None:
    """Milliseconds of an ISO 8601 time (UTC where it names no zone), or None if it is not one."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return round(moment.timestamp() * 1000)
    except (OverflowError, ValueError):
        return None


_FRACTIONS = tuple(f".{millisecond:03d}" for millisecond in range(1_000))


@lru_cache(maxsize=8_192)
def _second_text(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S")


def clickhouse_time(time_ms: int) -> str:
    """``YYYY-MM-DD hh:mm:ss.mmm`` in UTC, as ClickHouse reads a DateTime64(3)."""
    second, millisecond = divmod(time_ms, 1000)
    return _second_text(second) + _FRACTIONS[millisecond]


@lru_cache(maxsize=1_024)
def _day_month(day: int) -> int:
    moment = datetime.fromtimestamp(day * 86_400, UTC)
    return moment.year * 100 + moment.month


def month_of(time_ms: int) -> int:
    """Month of a time as ``yyyymm``, UTC: what partitions the events table."""
    return _day_month(time_ms // 86_400_000)
