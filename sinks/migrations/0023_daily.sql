-- Daily rollups: days of projects' calendars that are over, folded to a row per value, with the devices as bitmaps, so that
-- distinct visitors of many days are counted exactly without a row for each of them (docs/rollups.md). They are made out
-- of the half hours' rollups by the auditor, and only read while the day's events and sessions are what they were then.

-- What each project has in each half hour (UTC): so many rows, and a sum over them that every row which comes or goes
-- changes. Part of the tables, so it is right whatever became of views. Pairs of sessions' rows cancel each other in both.
alter table {{database}}.events {{on_cluster}} add projection if not exists project_halves
(
    select project_id, toStartOfInterval(toDateTime(created_at), interval 30 minute), count(), sum(cityHash64(event_id))
    group by project_id, toStartOfInterval(toDateTime(created_at), interval 30 minute)
);
alter table {{database}}.sessions {{on_cluster}} add projection if not exists project_halves
(
    select
        project_id,
        toStartOfInterval(toDateTime(started_at), interval 30 minute),
        sum(sign),
        sum(sign * toInt64(cityHash64(session_id, version)))
    group by project_id, toStartOfInterval(toDateTime(started_at), interval 30 minute)
);

-- Parts of before are completed in the background; until they are, their rows are read instead.
alter table {{database}}.events {{on_cluster}} materialize projection project_halves;
alter table {{database}}.sessions {{on_cluster}} materialize projection project_halves;

-- A dense number for each device of a project, from 1, given out when the first day with it is folded, by one at a time.
-- `device` is what `visitors.visitor` is. A device is there once, and has a number of its own.
create table if not exists {{database}}.device_numbers {{on_cluster}}
(
    project_id LowCardinality(String),
    device UInt64 codec(LZ4),
    number UInt32 codec(LZ4)
)
engine = {{engine:MergeTree}}
order by (project_id, device);

-- A day's sums and visitors of a value. `dimension`: '' (the whole project; the value is empty), 'event' (a name; only
-- `events` and `visitors`), or a column of `visits` (only sums over sessions, and `visitors`). Visitor 0 is in no bitmap.
-- Rows count while `daily_rollups` says that their revision is the day's.
create table if not exists {{database}}.daily_values {{on_cluster}}
(
    project_id LowCardinality(String),
    dimension LowCardinality(String),
    value String codec(ZSTD(1)),
    started DateTime('UTC') codec(Delta, ZSTD(1)),
    revision UInt64 codec(ZSTD(1)),
    events UInt64 codec(T64, ZSTD(1)),
    screen_views UInt64 codec(T64, ZSTD(1)),
    sessions Int64 codec(T64, ZSTD(1)),
    bounces Int64 codec(T64, ZSTD(1)),
    lasting Int64 codec(T64, ZSTD(1)),
    session_ms Int64 codec(T64, ZSTD(1)),
    session_views Int64 codec(T64, ZSTD(1)),
    visitors AggregateFunction(groupBitmap, UInt32) codec(ZSTD(1))
)
engine = {{engine:MergeTree}}
partition by toYYYYMM(started)
order by (project_id, dimension, value, started)
settings index_granularity = 512, default_compression_codec = 'ZSTD(1)';

-- A day's page views of a page, its visitors and sessions. `sessions`: how many that lie within the day and so can have a
-- page view in no other; `sessions_across`: the hashes of all others.
create table if not exists {{database}}.daily_pages {{on_cluster}}
(
    project_id LowCardinality(String),
    page UInt64 codec(LZ4),
    started DateTime('UTC') codec(Delta, ZSTD(1)),
    revision UInt64 codec(ZSTD(1)),
    origin LowCardinality(String),
    path String codec(ZSTD(1)),
    title AggregateFunction(argMax, String, Tuple(DateTime64(3, 'UTC'), UUID)) codec(ZSTD(1)),
    screen_views UInt64 codec(T64, ZSTD(1)),
    sessions UInt64 codec(T64, ZSTD(1)),
    sessions_across Array(UInt64) codec(ZSTD(1)),
    visitors AggregateFunction(groupBitmap, UInt32) codec(ZSTD(1))
)
engine = {{engine:MergeTree}}
partition by toYYYYMM(started)
order by (project_id, page, started)
settings index_granularity = 512, default_compression_codec = 'ZSTD(1)';

-- Which days are folded, which revision of their rows counts, and what the day's half hours of both tables came to before
-- they were. Beginning and end (UTC) say what a day was in the project's time zone. `is_forgotten`: it must be folded anew.
create table if not exists {{database}}.daily_rollups {{on_cluster}}
(
    project_id LowCardinality(String),
    started DateTime('UTC'),
    ended DateTime('UTC'),
    revision UInt64,
    is_forgotten UInt8,
    events UInt64,
    events_digest UInt64,
    sessions Int64,
    sessions_digest Int64,
    folded_at DateTime64(3, 'UTC') default now64(3)
)
engine = {{engine:ReplacingMergeTree(revision)}}
order by (project_id, started, ended);
