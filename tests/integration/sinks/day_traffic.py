"""Traffic of some days as workers write it, and what it comes to, counted from events and sessions themselves."""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from clickhouse_connect.driver.client import Client

from sinks.daily_check import folded_in_use
from sinks.daily_days import Day
from sinks.daily_sql import DIMENSIONS
from sinks.rollup_pieces import at
from tests.integration.sinks import rows
from tests.integration.sinks.store import lines

_TIMEOUT = timedelta(minutes=30)
_OPTIONS = {"date_time_input_format": "best_effort"}
Told = dict[tuple[str, ...], tuple[Any, ...]]


@dataclass(slots=True)
class _Session:
    id: str
    device: str
    started: datetime
    ended: datetime
    views: int
    country: str
    entry_path: str
    version: int = 0


@dataclass(slots=True)
class Traffic:
    """Puts events into the tables one by one, with the session of each, as `streams` does: an event joins its device's
    session if it lies within 30 minutes of it, or begins one.
    """

    client: Client
    project_id: str
    sessions: list[_Session] = field(default_factory=list)
    sent: int = 0
    begun: int = 0
    _waiting: dict[str, list[dict[str, Any]]] | None = None

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """What is sent within the block comes in together at its end."""
        self._waiting = {}
        yield
        waiting, self._waiting = self._waiting, None
        for table, found in waiting.items():
            self._insert(table, found)

    def send(self, device: str, moment: datetime, *, name: str = "screen_view", path: str = "/", bot: str = "") -> None:
        """One event; without a ``device``, or of a ``bot``, it is of no session."""
        session = self._session(device, moment, name, path) if device and not bot else None
        self.sent += 1
        event = rows.event(
            project_id=self.project_id,
            event_id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.project_id}/{self.sent}")),
            name=name,
            device_id=device,
            session_id=session.id if session else "",
            created_at=_text(moment),
            origin="https://shop.example",
            path=path,
            title=f"Title {self.sent}",
            bot=bot,
            raw_offset=self.sent,
        )
        self._insert("events", [event])

    def _session(self, device: str, moment: datetime, name: str, path: str) -> _Session:
        for session in self.sessions:
            near = session.started - _TIMEOUT <= moment <= session.ended + _TIMEOUT
            if session.device == device and near:
                cancelled = self._row(session, -1)
                session.started, session.ended = min(moment, session.started), max(moment, session.ended)
                session.views += name == "screen_view"
                session.version += 1
                self._insert("sessions", [cancelled, self._row(session, 1)])
                return session
        number = self.begun
        self.begun += 1
        country = ("DE", "SE", "")[number % 3]
        session = _Session(
            f"{self.project_id}-{number}", device, moment, moment, int(name == "screen_view"), country, path
        )
        self.sessions.append(session)
        self._insert("sessions", [self._row(session, 1)])
        return session

    def _row(self, session: _Session, sign: int) -> dict[str, Any]:
        return rows.session(
            project_id=self.project_id,
            session_id=session.id,
            session_month=int(f"{session.started:%Y%m}"),
            device_id=session.device,
            started_at=_text(session.started),
            ended_at=_text(session.ended),
            duration_ms=round((session.ended - session.started).total_seconds() * 1000),
            screen_view_count=session.views,
            is_bounce=int(session.views <= 1),
            country=session.country,
            entry_path=session.entry_path,
            sign=sign,
            version=session.version,
        )

    def erase(self, device: str) -> list[datetime]:
        """Take the device out of both tables; the hours that it was there in."""
        parameters = {"project": self.project_id, "device": device}
        condition = "project_id = {project:String} and device_id = {device:String}"
        hours: set[datetime] = set()
        for table, time in (("events", "created_at"), ("sessions", "started_at")):
            found = self.client.query(
                f"select distinct toUnixTimestamp(toStartOfHour({time})) from {table} where {condition}", parameters
            ).result_rows
            hours |= {datetime.fromtimestamp(hour, UTC) for (hour,) in found}
            self.client.command(f"delete from {table} where {condition}", parameters)
        self.sessions = [session for session in self.sessions if session.device != device]
        return sorted(hours)

    def _insert(self, table: str, found: Sequence[dict[str, Any]]) -> None:
        if self._waiting is not None:
            self._waiting.setdefault(table, []).extend(found)
            return
        self.client.raw_insert(table, insert_block=lines(found), fmt="JSONEachRow", settings=_OPTIONS)


_PAIRS = ", ".join(f"('{name}', toString({name}))" for name in DIMENSIONS)


def counted(client: Client, project_id: str, days: Iterable[Day]) -> Told:
    """What lists of these days say, counted from events and sessions: per dimension and value visitors, and sums."""
    period = _within("created_at", days)
    people = f"project_id = '{project_id}' and bot = '' and synthesized = 0 and {period}"
    visits = f"project_id = '{project_id}' and {_within('started_at', days)}"
    device = "uniqExactIf(device_id, device_id != '')"
    visitors, *views = client.query(
        f"select {device}, count(), countIf(name = 'screen_view') from events where {people}"
    ).result_rows[0]
    sums = client.query(
        "select sum(sign), sum(sign * is_bounce), sum(sign * duration_ms), sum(sign * toInt64(screen_view_count)) "
        f"from sessions where {visits}"
    ).result_rows[0]
    names = client.query(
        f"select 'event', toString(name), {device}, count() from events where {people} group by name union all "
        "select pair.1, pair.2, countIf(number > 0 and device_id != ''), sum(number) from (select pair, device_id, "
        f"sum(sign) as number from sessions array join [{_PAIRS}] as pair where {visits} group by pair, device_id) "
        "group by pair having sum(number) > 0"
    ).result_rows
    pages = client.query(
        f"select 'page', path, {device}, count(), uniqExactIf(session_id, session_id != ''), "
        f"argMax(title, (created_at, event_id)) from events where {people} and name = 'screen_view' group by path"
    ).result_rows
    found: Told = {("",): (visitors, *views), ("sessions",): tuple(sums)}
    return found | {(dimension, value): tuple(rest) for dimension, value, *rest in (*names, *pages)}


def told(client: Client, project_id: str, days: Sequence[Day]) -> Told:
    """The same of daily rollups where they are in use, and of half hours where they are not."""
    in_use = {day: each for day, each in folded_in_use(client, project_id).items() if day in days}
    rest = f"project_id = '{project_id}' and " + _within("half_hour", [day for day in days if day not in in_use])
    mine = f"project_id = '{project_id}'"
    used = f"{mine} and revision in ({', '.join(str(each.revision) for each in in_use.values()) or '0'})"
    device = f"(select number, device from device_numbers where {mine})"
    sets = f"""
        select dimension, value, groupUniqArrayIf(device, device != 0)
        from
        (
            select dimension, value, device
            from
                (select dimension, value, arrayJoin(bitmapToArray(visitors)) as number from folded_values where {used})
                as had
            inner join {device} as known using number
            union all select '', '', visitor from visitors where {rest}
            union all select 'event', toString(name), visitor from event_visitors where {rest}
            union all
            select pair.1, pair.2, visitor from (select visitor, pair, sum(sign) as number
                from visits array join [{_PAIRS}] as pair where {rest} group by visitor, pair having number > 0)
        )
        group by dimension, value
    """
    sums = f"""
        select dimension, value, sum(one), sum(two), sum(sessions), sum(bounces), sum(ms), sum(views)
        from
        (
            select dimension, value, events as one, screen_views as two, sessions, bounces, session_ms as ms,
                session_views as views
            from folded_values where {used}
            union all select '', '', events, screen_views, 0, 0, 0, 0 from visitors where {rest}
            union all select 'event', toString(name), events, 0, 0, 0, 0, 0 from event_visitors where {rest}
            union all select '', '', 0, 0, sessions, bounces, session_ms, session_views from session_sums where {rest}
            union all
            select pair.1, pair.2, 0, 0, sign, 0, 0, 0 from visits array join [{_PAIRS}] as pair where {rest}
        )
        group by dimension, value
    """
    seen = {(dimension, value): len(devices) for dimension, value, devices in client.query(sets).result_rows}
    found: Told = {("",): (0, 0, 0), ("sessions",): (0, 0, 0, 0)}
    for dimension, value, events, views, sessions, bounces, ms, session_views in client.query(sums).result_rows:
        number = seen.get((dimension, value), 0)
        if dimension == "":
            found["",] = (number, events, views)
            found["sessions",] = (sessions, bounces, ms, session_views)
        elif dimension == "event":
            found[dimension, value] = (number, events)
        elif sessions:
            found[dimension, value] = (number, sessions)
    return found | _pages(client, used, rest, device)


def _pages(client: Client, used: str, rest: str, device: str) -> Told:
    shown = client.query(
        "select page, any(at_path), sum(views), argMaxMerge(title) from "
        f"(select page, path as at_path, screen_views as views, title from folded_pages where {used} union all "
        f"select page, path, screen_views, title from pages where {rest}) group by page"
    ).result_rows
    seen = client.query(
        "select page, uniqExactIf(device, device != 0), sum(inside) + uniqExactIf(session, session != 0) from "
        "(select page, toUInt64(0) as device, sessions as inside, toUInt64(0) as session from folded_pages "
        f"where {used} union all select page, 0, 0, arrayJoin(sessions_across) from folded_pages where {used} "
        "union all select page, device, 0, 0 from "
        f"(select page, arrayJoin(bitmapToArray(visitors)) as number from folded_pages where {used}) as had "
        f"inner join {device} as known using number "
        f"union all select page, visitor, 0, session from page_visits where {rest}) group by page"
    ).result_rows
    by_page = {page: (int(visitors), int(sessions)) for page, visitors, sessions in seen}
    return {("page", path): (by_page[page][0], views, by_page[page][1], title) for page, path, views, title in shown}


def _within(time: str, days: Iterable[Day]) -> str:
    each = " or ".join(f"({time} >= {at(day.started)} and {time} < {at(day.ended)})" for day in days)
    return f"({each or '0'})"


def _text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}"


def minutes(first: datetime, *after: int) -> Iterator[datetime]:
    """Moments so many minutes after the first."""
    for minute in after:
        yield first + timedelta(minutes=minute)
