create table if not exists `weir_local`.active_days on cluster `weir`
(
    project_id LowCardinality(String),
    device UInt64,
    profile UInt64,
    day Date,
    halves SimpleAggregateFunction(groupBitOr, UInt64)
)
engine = ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
partition by toYYYYMM(day)
order by (project_id, device, profile, day)
settings default_compression_codec = 'ZSTD(1)';

create or replace table `weir`.active_days on cluster `weir` as `weir_local`.active_days
engine = Distributed('weir', 'weir_local', 'active_days');

create materialized view if not exists `weir_local`.active_days_view on cluster `weir` to `weir_local`.active_days as
select
    project_id,
    if(device_id = '', 0, cityHash64(device_id)) as device,
    if(profile_id = '', 0, cityHash64(profile_id)) as profile,
    toDate(created_at) as day,
    groupBitOr(bitShiftLeft(toUInt64(1), toHour(created_at) * 2 + intDiv(toMinute(created_at), 30))) as halves
from `weir_local`.events
where bot = '' and synthesized = 0 and (device_id != '' or profile_id != '')
group by project_id, device, profile, day;

insert into `weir_local`.active_days (project_id, device, profile, day, halves)
select
    project_id,
    if(device_id = '', 0, cityHash64(device_id)),
    if(profile_id = '', 0, cityHash64(profile_id)),
    toDate(created_at),
    bitShiftLeft(toUInt64(1), toHour(created_at) * 2 + intDiv(toMinute(created_at), 30))
from `weir_local`.events
where bot = '' and synthesized = 0 and (device_id != '' or profile_id != '');
