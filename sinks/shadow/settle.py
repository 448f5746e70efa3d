"""From what processing gave to the rows that shall stand: each with a place in its topic, sessions and ledger in
agreement with the events that stand.

Rows bear the furthest place in their table's topic that the rows they replace had, by partition and month: so the
table's progress stays what it is. Where there were none, a place that ClickHouse had passed before the run: nothing
that is still to come lies before it.
"""

from typing import Any

from clickhouse_connect.driver.client import Client

from sinks.shadow.plan import Plan, coordinates, settled, within
from sinks.shadow.tables import (
    DEAD_LETTERS,
    EVENTS,
    LEDGER,
    SESSIONS,
    STRAY_MESSAGE,
    STRAYS,
    TOUCHED,
    Shadowed,
    columns,
)

CORRECTED_VERSION = 2**31
"""Version of a session that was put together here. Workers count from 1 and still take back what they told last; so
their pair must not be taken for this row's."""
_SETTINGS = {"max_bytes_before_external_group_by": 1_000_000_000, "max_bytes_before_external_sort": 1_000_000_000}
_PLACE = ("log_topic", "log_epoch", "log_partition", "log_offset")
_OWN_COUNTS = "('events', 'session_events')"


def settle(client: Client, plan: Plan) -> None:
    """Fill the shadows. The tables with what processing made must be complete, and the shadows empty."""
    _events(client, plan)
    _touch(client, plan)
    _strays(client, plan)
    _sessions(client, plan)
    _ledger(client, plan)
    _stray_messages(client, plan)
    _erasures(client, plan)
    letters = f"select * replace (unhex(value) as value) from {DEAD_LETTERS.made}"
    _run(client, plan, DEAD_LETTERS, _placed(client, DEAD_LETTERS, letters))


def _run(client: Client, plan: Plan, shadowed: Shadowed, sql: str, **more: Any) -> None:
    passed = coordinates(plan.passed.get(shadowed.table, {}), plan)
    client.command(sql, plan.parameters(topic=shadowed.topic, **passed, **more), settings=_SETTINGS)


def _placed(client: Client, each: Shadowed, rows: str) -> str:
    """Insert ``rows`` into the shadow, each with its place."""
    names = columns(client, each.table)
    own = ", ".join(name for name in names if name not in _PLACE)
    known = "(place.found > 0)"
    at = f"indexOf({{parts:Array(UInt16)}}, made.{each.partition})"
    return f"""
        insert into {each.shadow} ({own}, log_topic, log_epoch, log_partition, log_offset)
        select {", ".join(f"made.{name}" for name in names if name not in _PLACE)},
            {{topic:String}},
            if({known}, place.furthest.1, arrayElement({{passed_epochs:Array(UInt32)}}, {at})),
            toUInt16(made.{each.partition}),
            if({known}, place.furthest.2, arrayElement({{passed_offsets:Array(UInt64)}}, {at}))
        from (select *, {each.month} as placed_month from ({rows})) as made
        left join
        (
            select {each.partition} as raw_part, {each.month} as month, max((log_epoch, log_offset)) as furthest,
                count() as found
            from {each.table}
            where {each.old} and log_topic = {{topic:String}}
            group by raw_part, month
        ) as place on place.raw_part = made.{each.partition} and place.month = made.placed_month
    """


def _events(client: Client, plan: Plan) -> None:
    """New events, but those whose id a message outside the range has stored: there they stay. That is a repeat that
    was told apart by what happened before the run's first message. And what Weir made up (`session_end`) only for a
    session that has an event: by today's rules one that began before the range may bear another id than it does.
    """
    key = ", ".join(EVENTS.key)
    appears = f"({key}) not in (select {key} from events where {EVENTS.old})"
    elsewhere = f"""
        select project_id, event_id from events
        where not {within()}
            and (project_id, event_id) in (select project_id, event_id from {EVENTS.made} where {appears})
    """
    taken = f"not ((project_id, event_id) in ({elsewhere}) and {appears})"
    made_up = f"(select project_id, session_id from {EVENTS.made} where synthesized = 1)"
    begun = f"""
        select project_id, session_id from events
        where not {within()} and synthesized = 0 and (project_id, session_id) in {made_up}
        union distinct
        select project_id, session_id from {EVENTS.made} where synthesized = 0 and {taken}
    """
    rows = f"""
        select * from {EVENTS.made}
        where {within()} and {taken} and (synthesized = 0 or (project_id, session_id) in ({begun}))
    """
    _run(client, plan, EVENTS, _placed(client, EVENTS, rows))


def _touch(client: Client, plan: Plan) -> None:
    """The sessions of which any event lies in the range, as the events tell them that will stand."""
    ids = f"""
        select project_id, session_id from events where {within()} and session_id != '' and device_id != ''
        union distinct
        select project_id, session_id from {EVENTS.shadow} where session_id != '' and device_id != ''
    """
    standing = f"""
        select project_id, session_id, name, revenue, created_at, raw_epoch, raw_partition, raw_offset
        from events
        where {settled()} and not {within()} and synthesized = 0 and device_id != ''
            and (project_id, session_id) in ({ids})
        union all
        select project_id, session_id, name, revenue, created_at, raw_epoch, raw_partition, raw_offset
        from {EVENTS.shadow} where synthesized = 0 and device_id != ''
    """
    sql = f"""
        insert into {TOUCHED}
        select ids.project_id, ids.session_id,
            if(was.standing > 0, was.month, made.month),
            if(now.stored > 0, now.part, was.part),
            multiIf(begun.found > 0, begun.at, now.first > 0, now.first, had.at),
            was.standing > 0, was.closed > 0,
            now.stored, now.views, least(now.money, 4611686018427387904), now.started, now.ended, now.outside = 0
        from ({ids}) as ids
        left join
        (
            select project_id, session_id, count() as stored, countIf(name = 'screen_view') as views,
                sum(revenue) as money, min(created_at) as started, max(created_at) as ended,
                any(raw_partition) as part,
                minIf(raw_offset, {within()}) as first, countIf(not {within()}) as outside
            from ({standing}) group by project_id, session_id
        ) as now on now.project_id = ids.project_id and now.session_id = ids.session_id
        left join
        (
            select project_id, session_id, sum(sign) as standing, sum(toInt32(is_closed) * sign) as closed,
                any(session_month) as month, any(raw_partition) as part
            from sessions where {settled()} and (project_id, session_id) in ({ids})
            group by project_id, session_id
        ) as was on was.project_id = ids.project_id and was.session_id = ids.session_id
        left join
        (
            select project_id, session_id, any(session_month) as month from {SESSIONS.made}
            group by project_id, session_id
        ) as made on made.project_id = ids.project_id and made.session_id = ids.session_id
        left join
        (
            select project_id, session_id, min(raw_offset) as at, count() as found
            from {EVENTS.shadow} where name = 'session_start' and synthesized = 1 group by project_id, session_id
        ) as begun on begun.project_id = ids.project_id and begun.session_id = ids.session_id
        left join
        (
            select project_id, session_id, min(raw_offset) as at
            from events where {within()} and device_id != '' group by project_id, session_id
        ) as had on had.project_id = ids.project_id and had.session_id = ids.session_id
    """
    _run(client, plan, SESSIONS, sql)


def _strays(client: Client, plan: Plan) -> None:
    key = ", ".join(EVENTS.key)
    outside = f"{settled()} and not {within()} and synthesized = 1"
    theirs = f"{outside} and (project_id, session_id) in (select project_id, session_id from {TOUCHED} where whole)"
    stand = f"(project_id, session_id) in (select project_id, session_id from {TOUCHED} where event_count > 0)"
    come = f"{theirs} and {stand} and ({key}) not in (select {key} from events where {theirs})"
    gone = f"{theirs} and ({key}) not in (select {key} from {EVENTS.made} where {outside} and {stand})"
    for table, condition, change in ((EVENTS.made, come, 1), (EVENTS.table, gone, -1)):
        _run(
            client,
            plan,
            EVENTS,
            f"insert into {STRAYS} select project_id, event_id, raw_partition, raw_offset, toYYYYMM(created_at), "
            f"{change} from {table} where {condition}",
        )
    _run(client, plan, EVENTS, _placed(client, EVENTS, f"select * from {EVENTS.made} where {come}"))


def _sessions(client: Client, plan: Plan) -> None:
    """One row for each touched session that stands. What it is comes from processing, or else from the row it had;
    what can be counted, from its events.
    """
    names = columns(client, "sessions")
    measured = {
        "event_count": "touched.event_count",
        "screen_view_count": "touched.screen_view_count",
        "revenue": "touched.revenue",
        "started_at": "touched.started_at",
        "ended_at": "touched.ended_at",
        "duration_ms": "toInt64(dateDiff('millisecond', touched.started_at, touched.ended_at))",
        "is_bounce": "toUInt8(touched.screen_view_count <= 1)",
        "is_closed": "if(touched.was_there, touched.was_closed, content.is_closed)",
        "session_month": "touched.session_month",
        "sign": "toInt8(1)",
        "version": f"toUInt32({CORRECTED_VERSION})",
    }
    told = ", ".join(names)
    rows = f"""
        select {", ".join(f"{measured.get(name, f'content.{name}')} as {name}" for name in names)}
        from
        (
            select * from
            (
                select {told}, 1 as is_new from {SESSIONS.made}
                union all
                select {told}, 0 as is_new from sessions where {SESSIONS.old} and sign = 1
            )
            order by is_new desc, version desc, raw_offset desc
            limit 1 by project_id, session_id
        ) as content
        inner join (select * from {TOUCHED} where event_count > 0) as touched
            on touched.project_id = content.project_id and touched.session_id = content.session_id
    """
    _run(client, plan, SESSIONS, _placed(client, SESSIONS, rows))


_MISSING = "event_count > 0 and not was_there"
_LOST_MONTHS = """
    select month
    from
    (
        select told.2 as month, toInt64(told.3) as number
        from (select arrayJoin(arrayZip(row_tables, row_months, row_counts)) as told from ledger)
        where told.1 = 'sessions'
        union all
        select session_month, -toInt64(sum(sign)) from sessions group by session_month
    )
    group by month having sum(number) > 0
"""
_SESSIONS_BEGUN = f"""
    select begun.part, begun.at, 'sessions', begun.month,
        begun.come - if(begun.month in ({_LOST_MONTHS}),
            begun.before + least(begun.missing, greatest(told.number - begun.there, 0)), 0)
    from
    (
        select raw_partition as part, begun_at as at, session_month as month,
            sum(toInt64(event_count > 0) - toInt64(was_there)) as come,
            toInt64(countIf(was_there)) as there,
            toInt64(countIf({_MISSING} and whole)) as missing,
            toInt64(countIf({_MISSING} and not whole)) as before
        from {TOUCHED} group by part, at, month
    ) as begun
    left join
    (
        select raw_partition as part, from_offset as at, told.2 as month, sum(toInt64(told.3)) as number
        from
        (
            select raw_partition, from_offset, arrayJoin(arrayZip(row_tables, row_months, row_counts)) as told
            from ledger where {within(offset="from_offset")}
        )
        where told.1 = 'sessions'
        group by part, at, month
    ) as told on told.part = begun.part and told.at = begun.at and told.month = begun.month
"""
"""How many sessions more begin with each message. One that the table has lost, in a month of which it has fewer than
the ledger tells, was told: by the message, or, if it has events of before the range, by one of before.
"""


def _ledger(client: Client, plan: Plan) -> None:
    """The ledger of the range: what became of each line by processing, and the rows that stand. Rows of tables that are
    not reprocessed are told as they were, and so are sessions begun, but for those that come or go.
    """
    counts = f"""
        select raw_partition, raw_offset, 'events' as name, toYYYYMM(created_at) as month, toInt64(count()) as number
        from {EVENTS.shadow} group by raw_partition, raw_offset, month
        union all
        select event.raw_partition, event.raw_offset, 'session_events', touched.session_month, toInt64(count())
        from (select * from {EVENTS.shadow} where synthesized = 0 and device_id != '') as event
        inner join {TOUCHED} as touched
            on touched.project_id = event.project_id and touched.session_id = event.session_id
        group by event.raw_partition, event.raw_offset, touched.session_month
        union all
        {_SESSIONS_BEGUN}
        union all
        select raw_partition, from_offset, told.1, told.2, told.3
        from (
            select raw_partition, from_offset, arrayJoin(arrayZip(row_tables, row_months, row_counts)) as told
            from ledger where {within(offset="from_offset")} and kind != 'erasure'
        )
        where told.1 not in {_OWN_COUNTS}
    """
    dropped = f"""
        select raw_partition, raw_offset, toUInt32(count()) as number from {EVENTS.made}
        where synthesized = 0 and ({", ".join(EVENTS.key)}) not in (select {", ".join(EVENTS.key)} from {EVENTS.shadow})
        group by raw_partition, raw_offset
    """
    own = [
        name
        for name in columns(client, "ledger")
        if name not in ("stored", "repeated", "row_tables", "row_months", "row_counts")
    ]
    rows = f"""
        select {", ".join(f"made.{name} as {name}" for name in own)},
            toUInt32(made.stored - dropped.number) as stored,
            toUInt32(made.repeated + dropped.number) as repeated,
            counted.told.1 as row_tables, counted.told.2 as row_months, counted.told.3 as row_counts
        from {LEDGER.made} as made
        left join
        (
            select raw_partition, raw_offset, arraySort(groupArray((name, month, number))) as told
            from
            (
                select raw_partition, raw_offset, name, month, sum(number) as number
                from ({counts}) group by raw_partition, raw_offset, name, month having number != 0
            )
            group by raw_partition, raw_offset
        ) as counted on counted.raw_partition = made.raw_partition and counted.raw_offset = made.from_offset
        left join ({dropped}) as dropped
            on dropped.raw_partition = made.raw_partition and dropped.raw_offset = made.from_offset
    """
    _run(client, plan, LEDGER, _placed(client, LEDGER, rows))


def _stray_messages(client: Client, plan: Plan) -> None:
    """What the ledger tells of messages outside the range, with the strays that come and without those that go."""
    counts = ("row_tables", "row_months", "row_counts")
    names = columns(client, "ledger")
    told = ", ".join(f"counted.told.{counts.index(name) + 1}" if name in counts else f"was.{name}" for name in names)
    sql = f"""
        insert into {LEDGER.shadow} ({", ".join(names)})
        select {told}
        from (select * from ledger where {STRAY_MESSAGE}) as was
        left join
        (
            select part, offset, arraySort(groupArray((name, month, number))) as told
            from
            (
                select part, offset, name, month, sum(number) as number
                from
                (
                    select raw_partition as part, from_offset as offset, one.1 as name, one.2 as month, one.3 as number
                    from
                    (
                        select raw_partition, from_offset,
                            arrayJoin(arrayZip(row_tables, row_months, row_counts)) as one
                        from ledger where {STRAY_MESSAGE}
                    )
                    union all
                    select raw_partition, raw_offset, 'events', month, toInt64(change) from {STRAYS}
                )
                group by part, offset, name, month having number != 0
            )
            group by part, offset
        ) as counted on counted.part = was.raw_partition and counted.offset = was.from_offset
    """
    _run(client, plan, LEDGER, sql)


def _erasures(client: Client, plan: Plan) -> None:
    """What was erased is not made again, so nothing of it is left to be subtracted from the tables of the run."""
    kept = f"arrayFilter((value, name) -> name not in {_OWN_COUNTS}, %s, row_tables)"
    replaced = {name: kept % name + f" as {name}_kept" for name in ("row_tables", "row_months", "row_counts")}
    names = columns(client, "ledger")
    _run(
        client,
        plan,
        LEDGER,
        f"insert into {LEDGER.shadow} ({', '.join(names)}) "
        f"select {', '.join(replaced.get(name, name) for name in names)} "
        f"from ledger where {within(offset='from_offset')} and kind = 'erasure'",
    )
