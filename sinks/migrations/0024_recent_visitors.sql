-- Who was there in the last minutes, so that live visitors are counted without reading the day's events: a row for each
-- project, device and five minutes with its first and its last event in them. Of a window that is longer than five
-- minutes both ends never lie in the same row, so its first and its last event settle whether it has one in the window:
-- exact to the millisecond, whatever clocks events came with. What is of more than an hour ago, or ahead, is left out, and
-- what was written down is dropped after two hours.
--
-- A row that comes twice changes nothing, so rows that come while the table is filled from what is there do no harm.

create table if not exists {{database}}.recent_visitors {{on_cluster}}
(
    project_id LowCardinality(String),
    five_minutes DateTime('UTC') codec(Delta, ZSTD(1)),
    visitor UInt64 codec(LZ4),
    first_seen SimpleAggregateFunction(min, DateTime64(3, 'UTC')) codec(T64, ZSTD(1)),
    last_seen SimpleAggregateFunction(max, DateTime64(3, 'UTC')) codec(T64, ZSTD(1))
)
engine = {{engine:AggregatingMergeTree}}
partition by toStartOfHour(five_minutes)
order by (project_id, five_minutes, visitor)
ttl five_minutes + interval 2 hour
settings ttl_only_drop_parts = 1, merge_with_ttl_timeout = 600, default_compression_codec = 'ZSTD(1)';

create materialized view if not exists {{database}}.recent_visitors_view {{on_cluster}} to {{database}}.recent_visitors as
select
    project_id,
    toStartOfFiveMinutes(toDateTime(created_at)) as five_minutes,
    cityHash64(device_id) as visitor,
    min(created_at) as first_seen,
    max(created_at) as last_seen
from {{database}}.events
where bot = '' and synthesized = 0 and device_id != ''
    and created_at > now() - interval 1 hour and created_at < now() + interval 1 hour
group by project_id, five_minutes, visitor;

insert into {{database}}.recent_visitors (project_id, five_minutes, visitor, first_seen, last_seen)
select
    project_id,
    toStartOfFiveMinutes(toDateTime(created_at)) as five_minutes,
    cityHash64(device_id) as visitor,
    min(created_at) as first_seen,
    max(created_at) as last_seen
from {{database}}.events
where bot = '' and synthesized = 0 and device_id != ''
    and created_at > now() - interval 1 hour and created_at < now() + interval 1 hour
group by project_id, five_minutes, visitor;

-- Columns apart from the first row on: a list reads the sums of all its values and the bitmaps of few.
alter table {{database}}.daily_values {{on_cluster}} modify setting min_bytes_for_wide_part = 0;
alter table {{database}}.daily_pages {{on_cluster}} modify setting min_bytes_for_wide_part = 0;
