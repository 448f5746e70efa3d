"""What is generated: the parameters of ``traffic.sql``, and the statements that put a day of it into the tables."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

DAYS = 90
DAY_MS = 86_400_000
ZONE = ZoneInfo("Europe/Berlin")
"""Of the projects."""
EVENTS_PER_VISITOR = 100
EVENTS_PER_SESSION = 8
"""Rows of a session on average: six events, and the two that Weir makes itself."""
_PAGES = 7.9
"""Scale of the lengths of sessions that are not a single event, so that it comes to that average."""

_FROM_BEGINNING = (
    *("referrer", "referrer_name", "referrer_type"),
    *("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content"),
    *("country", "region", "city", "longitude", "latitude"),
    *("os", "os_version", "browser", "browser_version", "device", "brand", "model"),
)
_SESSION = {
    "project_id": "any(project_id)",
    "session_id": "any(session_id)",
    "session_month": "toYYYYMM(min(created_at))",
    "device_id": "any(device_id)",
    "profile_id": "any(profile_id)",
    "started_at": "min(created_at)",
    "ended_at": "max(created_at)",
    "duration_ms": "toInt64(dateDiff('millisecond', min(created_at), max(created_at)))",
    "event_count": "count()",
    "screen_view_count": "countIf(name = 'screen_view')",
    "is_bounce": "countIf(name = 'screen_view') <= 1",
    "is_closed": "1",
    "revenue": "sum(revenue)",
    "currency": "max(currency)",
    "entry_path": "argMin(path, step)",
    "entry_origin": "any(origin)",
    "exit_path": "argMax(path, step)",
    "exit_origin": "any(origin)",
    **{name: f"any({name})" for name in _FROM_BEGINNING},
    "sign": "1",
    "version": "1",
    "raw_epoch": "1",
    "raw_partition": "any(raw_partition)",
    "raw_offset": "max(raw_offset)",
    "log_topic": "'weir.sessions'",
    "log_epoch": "1",
    "log_partition": "any(log_partition)",
    "log_offset": "max(log_offset)",
}

_LOG = ("log_topic", "log_partition", "log_offset")
"""Coordinates that Kafka gives, and no row of a worker has."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """So many events in `DAYS` days, the first of which begins at ``origin_ms``."""

    events: int
    origin_ms: int

    @property
    def sessions_per_day(self) -> int:
        """Sessions that begin on each day."""
        return self.events // EVENTS_PER_SESSION // DAYS

    @property
    def end_ms(self) -> int:
        """Where the last day ends."""
        return self.origin_ms + DAYS * DAY_MS

    def parameters(self, day: int) -> dict[str, object]:
        """Those of ``traffic.sql`` for one day."""
        return {
            "day": day,
            "first": day * self.sessions_per_day,
            "sessions": self.sessions_per_day,
            "visitors": self.events // EVENTS_PER_VISITOR,
            "days": DAYS,
            "origin": self.origin_ms,
            "spacing": DAYS * DAY_MS / self.events,
            "pages": _PAGES,
        }


@cache
def traffic_sql() -> str:
    """The rows of a day."""
    return files("bench.store").joinpath("traffic.sql").read_text(encoding="utf-8")


def insert_events(table: str, columns: list[str]) -> str:
    """A statement that inserts a day's events."""
    names = ", ".join(columns)
    return f"insert into {table} ({names}) select {names} from ({traffic_sql()})"


def insert_sessions(table: str) -> str:
    """A statement that inserts the sessions of a day's events, each as it is in the end."""
    return f"insert into {table} ({', '.join(_SESSION)}) {session_rows_sql(*_LOG)}"


def session_rows_sql(*coordinates: str) -> str:
    """The sessions of a day's events as a worker writes them, and with these ``coordinates``."""
    # Aliases of their own: one that is a column's name would take its place in the expressions.
    values = ", ".join(f"{expression} as s_{name}" for name, expression in _SESSION.items())
    names = ", ".join(f"s_{name} as {name}" for name in _SESSION if name in coordinates or name not in _LOG)
    return f"select {names} from (select {values} from ({traffic_sql()}) where synthesized = 0 group by session)"


def session_ids() -> str:
    """The ids of a day's sessions."""
    return (
        "select substring(base64URLEncode(sipHash128(number, 'session')), 1, 22) "
        "from numbers({first:UInt64}, {sessions:UInt64})"
    )
