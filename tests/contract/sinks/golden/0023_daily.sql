alter table `weir_local`.events on cluster `weir` add projection if not exists project_halves
(
    select project_id, toStartOfInterval(toDateTime(created_at), interval 30 minute), count(), sum(cityHash64(event_id))
    group by project_id, toStartOfInterval(toDateTime(created_at), interval 30 minute)
);

alter table `weir_local`.sessions on cluster `weir` add projection if not exists project_halves
(
    select
        project_id,
        toStartOfInterval(toDateTime(started_at), interval 30 minute),
        sum(sign),
        sum(sign * toInt64(cityHash64(session_id, version)))
    group by project_id, toStartOfInterval(toDateTime(started_at), interval 30 minute)
);

alter table `weir_local`.events on cluster `weir` materialize projection project_halves;

alter table `weir_local`.sessions on cluster `weir` materialize projection project_halves;

create table if not exists `weir_local`.device_numbers on cluster `weir`
(
    project_id LowCardinality(String),
    device UInt64 codec(LZ4),
    number UInt32 codec(LZ4)
)
engine = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
order by (project_id, device);

create or replace table `weir`.device_numbers on cluster `weir` as `weir_local`.device_numbers
engine = Distributed('weir', 'weir_local', 'device_numbers');

create table if not exists `weir_local`.daily_values on cluster `weir`
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
settings index_granularity = 512, default_compression_codec = 'ZSTD(1)';

create or replace table `weir`.daily_values on cluster `weir` as `weir_local`.daily_values
engine = Distributed('weir', 'weir_local', 'daily_values');

create table if not exists `weir_local`.daily_pages on cluster `weir`
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
settings index_granularity = 512, default_compression_codec = 'ZSTD(1)';

create or replace table `weir`.daily_pages on cluster `weir` as `weir_local`.daily_pages
engine = Distributed('weir', 'weir_local', 'daily_pages');

create table if not exists `weir`.daily_rollups on cluster `weir`
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
engine = ReplicatedReplacingMergeTree('/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}', revision)
order by (project_id, started, ended);
