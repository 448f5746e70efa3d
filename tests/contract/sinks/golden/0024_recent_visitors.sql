create table if not exists `weir_local`.recent_visitors on cluster `weir`
(
    project_id LowCardinality(String),
    five_minutes DateTime('UTC') codec(Delta, ZSTD(1)),
    visitor UInt64 codec(LZ4),
    first_seen SimpleAggregateFunction(min, DateTime64(3, 'UTC')) codec(T64, ZSTD(1)),
    last_seen SimpleAggregateFunction(max, DateTime64(3, 'UTC')) codec(T64, ZSTD(1))
)
engine = ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
partition by toStartOfHour(five_minutes)
order by (project_id, five_minutes, visitor)
ttl five_minutes + interval 2 hour
settings ttl_only_drop_parts = 1, merge_with_ttl_timeout = 600, default_compression_codec = 'ZSTD(1)';

create or replace table `weir`.recent_visitors on cluster `weir` as `weir_local`.recent_visitors
engine = Distributed('weir', 'weir_local', 'recent_visitors');

create materialized view if not exists `weir_local`.recent_visitors_view on cluster `weir` to `weir_local`.recent_visitors as
select
    project_id,
    toStartOfFiveMinutes(toDateTime(created_at)) as five_minutes,
    cityHash64(device_id) as visitor,
    min(created_at) as first_seen,
    max(created_at) as last_seen
from `weir_local`.events
where bot = '' and synthesized = 0 and device_id != ''
    and created_at > now() - interval 1 hour and created_at < now() + interval 1 hour
group by project_id, five_minutes, visitor;

insert into `weir_local`.recent_visitors (project_id, five_minutes, visitor, first_seen, last_seen)
select
    project_id,
    toStartOfFiveMinutes(toDateTime(created_at)) as five_minutes,
    cityHash64(device_id) as visitor,
    min(created_at) as first_seen,
    max(created_at) as last_seen
from `weir_local`.events
where bot = '' and synthesized = 0 and device_id != ''
    and created_at > now() - interval 1 hour and created_at < now() + interval 1 hour
group by project_id, five_minutes, visitor;

alter table `weir_local`.daily_values on cluster `weir` modify setting min_bytes_for_wide_part = 0;

alter table `weir_local`.daily_pages on cluster `weir` modify setting min_bytes_for_wide_part = 0;
