create table if not exists `weir_local`.folded_values on cluster `weir`
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
engine = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
partition by toYYYYMM(started)
order by (project_id, dimension, value, started)
settings index_granularity = 64, min_bytes_for_wide_part = 0, default_compression_codec = 'ZSTD(1)';

create or replace table `weir`.folded_values on cluster `weir` as `weir_local`.folded_values
engine = Distributed('weir', 'weir_local', 'folded_values');

create table if not exists `weir_local`.folded_pages on cluster `weir`
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
engine = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
partition by toYYYYMM(started)
order by (project_id, page, started)
settings index_granularity = 64, min_bytes_for_wide_part = 0, default_compression_codec = 'ZSTD(1)';

create or replace table `weir`.folded_pages on cluster `weir` as `weir_local`.folded_pages
engine = Distributed('weir', 'weir_local', 'folded_pages');

insert into `weir`.daily_rollups
    (project_id, started, ended, revision, is_forgotten, events, events_digest, sessions, sessions_digest)
select project_id, started, ended, revision + 1, 1, 0, 0, 0, 0
from `weir`.daily_rollups final where is_forgotten = 0;

drop table if exists `weir_local`.daily_values on cluster `weir`;

drop table if exists `weir`.daily_values on cluster `weir`;

drop table if exists `weir_local`.daily_pages on cluster `weir`;

drop table if exists `weir`.daily_pages on cluster `weir`;
