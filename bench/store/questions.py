"""The questions, each as Weir asks it and as one would ask a plain table of events."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import partial

from bench.store.traffic import ZONE, Traffic
from query_api.periods import Interval, Period
from query_api.reader import Reader
from query_api.sql.builder import Query, Select, build
from query_api.sql.conditions import Conditions
from query_api.sql.dimensions import Dimension
from query_api.sql.funnel import funnel
from query_api.sql.lifecycle import lifecycle
from query_api.sql.lists import event_names, pages, sessions_by
from query_api.sql.overview import live, overview
from query_api.sql.properties import property_keys, property_values
from query_api.sql.retention import retention
from query_api.sql.stickiness import stickiness
from query_api.sql.tables import EVENTS
from query_api.sql.time import bounds, bucket, within
from schemas.conditions import Condition, Operator
from schemas.rules import RuleStep

DATABASE, PROJECT = "weir", "shop"
STEPS = ("search", "add_to_cart", "checkout", "purchase")
_OURS = "project_id = 'shop' and bot = '' and synthesized = 0"


# As the view would have written them if this traffic came now. They are gone after two hours.
_RECENT_VISITORS = """
insert into recent_visitors (project_id, five_minutes, visitor, first_seen, last_seen)
select project_id, toStartOfFiveMinutes(toDateTime(created_at)) as five_minutes, cityHash64(device_id) as visitor,
    min(created_at), max(created_at)
from events where bot = '' and synthesized = 0 and device_id != '' and created_at > {now} - 7200 and created_at < {now}
group by project_id, five_minutes, visitor
"""


@dataclass(frozen=True, slots=True)
class Question:
    """A question. ``bound``: the milliseconds it may take; ``unrolled``: the same of our own tables of events and
    sessions, where ``queries`` read rollups of half hours; ``asked``: as the API asks it, which reads folded days;
    ``plain``: the same of the plain table; ``before``: what must be there first.
    """

    name: str
    queries: tuple[Query, ...]
    plain: tuple[str, ...]
    bound: int | None = None
    unrolled: tuple[Query, ...] = ()
    asked: Callable[[Reader], Awaitable[object]] | None = None
    before: str = ""


def questions(traffic: Traffic) -> list[Question]:
    """All questions, about the newest days of the data."""
    end = last_midnight(traffic) - timedelta(days=1)
    month = Period(end - timedelta(days=30), end, Interval.DAY)
    twelve_weeks = Period(end - timedelta(weeks=12), end, Interval.WEEK)
    return [
        *_of_rollups(traffic, month),
        *_with_today(Period(month.start + timedelta(days=1), last_midnight(traffic), Interval.DAY)),
        *_of_events(month),
        *_of_active_days(month, twelve_weeks),
    ]


def last_midnight(traffic: Traffic) -> datetime:
    """The end of the last whole day, which is kept from being folded and so stands for today."""
    return datetime.combine(datetime.fromtimestamp(traffic.end_ms / 1000, UTC).date(), time(), ZONE)


def _with_today(month: Period) -> list[Question]:
    asked = (
        ("overview", partial(Reader.overview, project_id=PROJECT, period=month)),
        ("top pages", partial(Reader.pages, project_id=PROJECT, period=month, limit=10)),
        ("top sources", _asked_by(Dimension.REFERRER_NAME, month)),
        ("top countries", _asked_by(Dimension.COUNTRY, month)),
        ("top events", partial(Reader.event_names, project_id=PROJECT, period=month, limit=10)),
    )
    return [Question(f"{name}, 30 days and the last of them today", (), (), 50, asked=each) for name, each in asked]


def _of_rollups(traffic: Traffic, month: Period) -> list[Question]:
    recent = _between(month)
    sources = f"""select referrer_name, uniqExact(session_id) as sessions, uniqExact(device_id) from plain_events
        where {_OURS} and {recent} group by referrer_name order by sessions desc limit 10"""
    now = traffic.end_ms / 1000 - 6 * 3600
    live_sql = f"""select uniqExact(device_id) from plain_events where {_OURS} and created_at > {now} - 300
        and created_at <= {now} + 60"""
    found = []
    for name, make, asked, plain in (
        (
            "overview, 30 days and the 30 before",
            partial(overview, DATABASE, PROJECT, month),
            partial(Reader.overview, project_id=PROJECT, period=month),
            _plain_overview(month),
        ),
        (
            "top pages, 30 days",
            partial(pages, DATABASE, PROJECT, month, 10),
            partial(Reader.pages, project_id=PROJECT, period=month, limit=10),
            (
                f"""select origin, path, argMax(title, created_at), count() as views, uniqExact(device_id),
                    uniqExact(session_id) from plain_events where {_OURS} and {recent} and name = 'screen_view'
                    group by origin, path order by views desc limit 10""",
            ),
        ),
        (
            "top sources, 30 days",
            partial(sessions_by, Dimension.REFERRER_NAME, DATABASE, PROJECT, month, 10),
            _asked_by(Dimension.REFERRER_NAME, month),
            (sources,),
        ),
        (
            "top countries, 30 days",
            partial(sessions_by, Dimension.COUNTRY, DATABASE, PROJECT, month, 10),
            _asked_by(Dimension.COUNTRY, month),
            (sources.replace("referrer_name", "country"),),
        ),
        (
            "top events, 30 days",
            partial(event_names, DATABASE, PROJECT, month, 10),
            partial(Reader.event_names, project_id=PROJECT, period=month, limit=10),
            (
                f"""select name, count() as n, uniqExact(device_id) from plain_events where {_OURS} and {recent}
                    group by name order by n desc limit 10""",
            ),
        ),
    ):
        found.append(Question(name, _all(make()), plain, 50, _all(make(rolled=False)), asked))
    keys = f"""select arrayJoin(JSONAllPaths(properties)) as key, count() as n from plain_events
        where {_OURS} and {recent} group by key having key ilike '%p%' order by n desc limit 20"""
    values = f"""select properties.plan.:String as value, count() as n from plain_events
        where {_OURS} and {recent} and value ilike '%p%' group by value order by n desc limit 20"""
    return [
        *found,
        Question(
            "live visitors",
            _all(live(DATABASE, PROJECT, now, rolled=True)),
            (live_sql,),
            20,
            _all(live(DATABASE, PROJECT, now, rolled=False)),
            before=_RECENT_VISITORS.format(now=now),
        ),
        Question("keys of properties, as typed", (property_keys(DATABASE, PROJECT, "p", 20),), (keys,), 50),
        Question(
            "values of a property, as typed", (property_values(DATABASE, PROJECT, "plan", "p", 20),), (values,), 50
        ),
    ]


def _asked_by(dimension: Dimension, period: Period) -> Callable[[Reader], Awaitable[object]]:
    return lambda reader: reader.sessions_by(dimension, PROJECT, period, 10)


def _of_events(month: Period) -> list[Question]:
    recent = _between(month)
    asked = Conditions()
    pro = asked.every([Condition(name="properties.plan", operator=Operator.IS, values=("pro",))])
    series = Select(
        {
            "bucket": bucket("created_at"),
            "value": "country",
            "events": "count()",
            "visitors": "uniqExact(cityHash64(device_id))",
        },
        EVENTS,
        where=(within("created_at"), asked.name_in(["purchase"]), *pro),
        group_by="bucket, value",
        order_by="bucket, events desc",
    )
    buckets = [int(moment.timestamp()) for moment in month.buckets()]
    filtered = build(DATABASE, PROJECT, series, **bounds(month), **asked.parameters, buckets=buckets)
    names = ", ".join(f"'{name}'" for name in STEPS)
    is_step = ", ".join(f"name = '{name}'" for name in STEPS)
    plain_funnel = f"""select reached, count() from (select device_id,
        windowFunnel(604800000)(toUInt64(toUnixTimestamp64Milli(created_at)), {is_step}) as reached from plain_events
        where {_OURS} and {recent} and name in ({names}) group by device_id) group by reached order by reached"""
    plain_series = f"""select toDate(created_at, 'Europe/Berlin') as d, country, count() as n, uniqExact(device_id)
        from plain_events where {_OURS} and {recent} and name = 'purchase' and properties.plan.:String = 'pro'
        group by d, country order by d, n desc"""
    steps = [RuleStep(events=(name,)) for name in STEPS]
    wide = [RuleStep(events=("screen_view",)), *steps[1:]]
    week = timedelta(days=7)
    return [
        Question("series: purchases of a plan by country, 30 days", (filtered,), (plain_series,), 1000),
        Question(
            "funnel of 4 steps, 30 days, window 7 days",
            (funnel(DATABASE, PROJECT, month, steps, week),),
            (plain_funnel,),
            2000,
        ),
        Question(
            "the same from any page view on",
            (funnel(DATABASE, PROJECT, month, wide, week),),
            (plain_funnel.replace("'search'", "'screen_view'"),),
            2000,
        ),
    ]


def _of_active_days(month: Period, weeks: Period) -> list[Question]:
    start = int(weeks.start.timestamp())
    plain_retention = f"""select cohort, week, count() from (select intDiv(first - {start}, 604800) as cohort,
        arrayJoin(groupUniqArray(intDiv(toUnixTimestamp(created_at) - {start}, 604800))) as week from (select device_id,
        created_at, min(toUnixTimestamp(created_at)) over (partition by device_id) as first from plain_events
        where {_OURS} and created_at < {weeks.end.timestamp():.0f}) where first >= {start} and created_at >= {start}
        group by device_id, first) group by cohort, week order by cohort, week"""
    return [
        Question("retention, 12 weeks", (retention(DATABASE, PROJECT, weeks),), (plain_retention,), 300),
        Question("retention of people, 12 weeks", (retention(DATABASE, PROJECT, weeks, people=True),), ()),
        Question("stickiness, 30 days", stickiness(DATABASE, PROJECT, month), ()),
        Question("lifecycle, 30 days", (lifecycle(DATABASE, PROJECT, month),), ()),
    ]


def _plain_overview(month: Period) -> tuple[str, ...]:
    """Visitors and page views by day, and the sessions as far as events tell of them."""
    both = _between(Period(month.previous().start, month.end, month.interval))
    start = f"toUnixTimestamp(created_at) >= {month.start.timestamp():.0f}"
    day = "toDate(created_at, 'Europe/Berlin')"
    return (
        f"""select {start} as current, {day} as day, uniqExact(device_id), countIf(name = 'screen_view')
            from plain_events where {_OURS} and {both} group by grouping sets ((current, day), (current))""",
        f"""select current, day, count(), countIf(views <= 1), sum(length), sum(views) from (select session_id,
            min(created_at) as began, dateDiff('millisecond', began, max(created_at)) as length,
            countIf(name = 'screen_view') as views, toUnixTimestamp(began) >= {month.start.timestamp():.0f} as current,
            toDate(began, 'Europe/Berlin') as day from plain_events where {_OURS} and {both} group by session_id)
            group by grouping sets ((current, day), (current))""",
    )


def _between(period: Period) -> str:
    return f"created_at >= {period.start.timestamp():.0f} and created_at < {period.end.timestamp():.0f}"


def _all(found: Query | Sequence[Query]) -> tuple[Query, ...]:
    return (found,) if isinstance(found, Query) else tuple(found)
