-- One hourly rollup: project x hour x event name (and currency, as amounts of different ones do not add up).
-- Bots are left out. Compared with its table by the hour, and rebuilt where they differ.

create table if not exists {{database}}.events_hourly {{on_cluster}}
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
engine = {{engine:AggregatingMergeTree}}
partition by toYYYYMM(hour)
order by (project_id, hour, name, currency);

create materialized view if not exists {{database}}.events_hourly_view {{on_cluster}} to {{database}}.events_hourly as
select
    project_id,
    toStartOfHour(created_at) as hour,
    name,
    currency,
    count() as events,
    countIf(name = 'screen_view') as screen_views,
    sum(revenue) as revenue,
    uniqStateIf(device_id, device_id != '') as devices
from {{database}}.events
where bot = ''
group by project_id, hour, name, currency;
