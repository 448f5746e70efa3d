create table if not exists `weir_local`.events_hourly on cluster `weir`
(
    project_id LowCardinality(String),
    hour DateTime('UTC') codec(Delta, ZSTD(1)),
    name LowCardinality(String),
    currency LowCardinality(String),
    events SimpleAggregateFunction(sum, UInt64),
    screen_views SimpleAggregateFunction(sum, UInt64),
    revenue SimpleAggregateFunction(sum, Int64),
    devices AggregateFunction(uniq, String)
)
engine = ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
partition by toYYYYMM(hour)
order by (project_id, hour, name, currency);

create or replace table `weir`.events_hourly on cluster `weir` as `weir_local`.events_hourly
engine = Distributed('weir', 'weir_local', 'events_hourly');

create materialized view if not exists `weir_local`.events_hourly_view on cluster `weir` to `weir_local`.events_hourly as
select
    project_id,
    toStartOfHour(created_at) as hour,
    name,
    currency,
    count() as events,
    countIf(name = 'screen_view') as screen_views,
    sum(revenue) as revenue,
    uniqStateIf(device_id, device_id != '') as devices
from `weir_local`.events
where bot = ''
group by project_id, hour, name, currency;
