-- Of a folded day a question wants few rows, and each has a bitmap: what is beside them in a granule is read and thrown
-- away. With granules of 64 rows instead of 512 lists take half of the time (docs/store.md). What a table has in a granule
-- is settled when it is made, so there are new ones, and days are folded anew.

create table if not exists {{database}}.folded_values {{on_cluster}}
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
settings index_granularity = 64, min_bytes_for_wide_part = 0, default_compression_codec = 'ZSTD(1)';

create table if not exists {{database}}.folded_pages {{on_cluster}}
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
settings index_granularity = 64, min_bytes_for_wide_part = 0, default_compression_codec = 'ZSTD(1)';

insert into {{database}}.daily_rollups
    (project_id, started, ended, revision, is_forgotten, events, events_digest, sessions, sessions_digest)
select project_id, started, ended, revision + 1, 1, 0, 0, 0, 0
from {{database}}.daily_rollups final where is_forgotten = 0;
drop table if exists {{database}}.daily_values {{on_cluster}};
drop table if exists {{database}}.daily_pages {{on_cluster}};
