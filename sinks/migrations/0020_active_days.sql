-- On which days devices and profiles were active, and in which half hours (UTC) of them, so that days can be cut in any
-- project's time zone: retention, stickiness and lifecycle without reading events. Ids stand as their hash, 0 for none.
-- A bit that is set twice is set, so rows that come while the table is filled from what is there do no harm, and
-- nothing has to wait.

create table if not exists {{database}}.active_days {{on_cluster}}
(
    project_id LowCardinality(String),
    device UInt64,
    profile UInt64,
    day Date,
    halves SimpleAggregateFunction(groupBitOr, UInt64)
)
engine = {{engine:AggregatingMergeTree}}
partition by toYYYYMM(day)
order by (project_id, device, profile, day)
settings default_compression_codec = 'ZSTD(1)';

create materialized view if not exists {{database}}.active_days_view {{on_cluster}} to {{database}}.active_days as
select
    project_id,
    if(device_id = '', 0, cityHash64(device_id)) as device,
    if(profile_id = '', 0, cityHash64(profile_id)) as profile,
    toDate(created_at) as day,
    groupBitOr(bitShiftLeft(toUInt64(1), toHour(created_at) * 2 + intDiv(toMinute(created_at), 30))) as halves
from {{database}}.events
where bot = '' and synthesized = 0 and (device_id != '' or profile_id != '')
group by project_id, device, profile, day;

-- Without groups, so that it needs little memory: each block's rows are put together as they are written.
insert into {{database}}.active_days (project_id, device, profile, day, halves)
select
    project_id,
    if(device_id = '', 0, cityHash64(device_id)),
    if(profile_id = '', 0, cityHash64(profile_id)),
    toDate(created_at),
    bitShiftLeft(toUInt64(1), toHour(created_at) * 2 + intDiv(toMinute(created_at), 30))
from {{database}}.events
where bot = '' and synthesized = 0 and (device_id != '' or profile_id != '');
