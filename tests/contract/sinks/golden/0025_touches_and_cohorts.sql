create table if not exists `weir_local`.touches on cluster `weir`
(
    project_id LowCardinality(String),
    visitor UInt64 codec(ZSTD(1)),
    started_at DateTime64(3, 'UTC') codec(Delta, ZSTD(1)),
    session UInt32 codec(LZ4),
    day Date codec(Delta, ZSTD(1)),
    referrer_name LowCardinality(String),
    referrer_type LowCardinality(String),
    utm_source LowCardinality(String),
    utm_medium LowCardinality(String),
    utm_campaign LowCardinality(String),
    utm_term String,
    utm_content String,
    entry_origin LowCardinality(String),
    entry_path String,
    sign Int8,
    version UInt32 codec(T64, ZSTD(1))
)
engine = ReplicatedVersionedCollapsingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', sign, version)
partition by toYYYYMM(day)
order by (project_id, visitor, started_at, session)
settings default_compression_codec = 'ZSTD(1)';

create or replace table `weir`.touches on cluster `weir` as `weir_local`.touches
engine = Distributed('weir', 'weir_local', 'touches');

truncate table if exists `weir_local`.touches;

drop view if exists `weir_local`.touches_view on cluster `weir`;

create materialized view if not exists `weir_local`.touches_view on cluster `weir` to `weir_local`.touches as
select
    project_id,
    cityHash64(device_id) as visitor,
    started_at,
    toUInt32(bitAnd(cityHash64(session_id), 4294967295)) as session,
    toDate(started_at) as day,
    referrer_name,
    referrer_type,
    utm_source,
    utm_medium,
    utm_campaign,
    utm_term,
    utm_content,
    entry_origin,
    entry_path,
    sign,
    version
from `weir_local`.sessions
where device_id != '';

insert into `weir_local`.touches
    (project_id, visitor, started_at, session, day, referrer_name, referrer_type, utm_source, utm_medium, utm_campaign,
    utm_term, utm_content, entry_origin, entry_path, sign, version)
select
    project_id,
    cityHash64(device_id) as visitor,
    started_at,
    toUInt32(bitAnd(cityHash64(session_id), 4294967295)) as session,
    toDate(started_at) as day,
    referrer_name,
    referrer_type,
    utm_source,
    utm_medium,
    utm_campaign,
    utm_term,
    utm_content,
    entry_origin,
    entry_path,
    sign,
    version
from `weir_local`.sessions
where device_id != '';

create or replace view `weir`.visitor_touches on cluster `weir` as
select
    visitor,
    first_seen_at,
    first.1 as first_referrer_name,
    first.2 as first_referrer_type,
    first.3 as first_utm_source,
    first.4 as first_utm_medium,
    first.5 as first_utm_campaign,
    first.6 as first_utm_term,
    first.7 as first_utm_content,
    first.8 as first_entry_origin,
    first.9 as first_entry_path,
    last_seen_at,
    last.1 as last_referrer_name,
    last.2 as last_referrer_type,
    last.3 as last_utm_source,
    last.4 as last_utm_medium,
    last.5 as last_utm_campaign,
    last.6 as last_utm_term,
    last.7 as last_utm_content,
    last.8 as last_entry_origin,
    last.9 as last_entry_path
from
(
    select
        visitor,
        min(started_at) as first_seen_at,
        max(started_at) as last_seen_at,
        argMin(told, (started_at, session)) as first,
        argMax(told, (started_at, session)) as last
    from
    (
        select
            visitor,
            started_at,
            session,
            (
                referrer_name,
                referrer_type,
                utm_source,
                utm_medium,
                utm_campaign,
                utm_term,
                utm_content,
                entry_origin,
                entry_path
            ) as told
        from `weir`.touches final
        where project_id = {project:String} and sign = 1
    )
    group by visitor
);

create table if not exists `weir`.cohorts on cluster `weir`
(
    project_id LowCardinality(String),
    cohort_id String,
    version UInt64,
    name String,
    definition String codec(ZSTD(3)),
    members UInt64,
    computed_at DateTime64(3, 'UTC'),
    is_deleted UInt8
)
engine = ReplicatedReplacingMergeTree('/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}')
order by (project_id, cohort_id, version);

create table if not exists `weir`.cohort_members on cluster `weir`
(
    project_id LowCardinality(String),
    cohort_id String,
    version UInt64,
    kind LowCardinality(String),
    member UInt64
)
engine = ReplicatedReplacingMergeTree('/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}')
order by (project_id, cohort_id, version, kind, member)
settings default_compression_codec = 'ZSTD(1)';

create or replace view `weir`.cohort_people on cluster `weir` as
select distinct kind, member
from `weir`.cohort_members
where project_id = {project:String} and cohort_id = {cohort:String} and version =
(
    select if(argMax(is_deleted, version) = 1, 0, max(version))
    from `weir`.cohorts
    where project_id = {project:String} and cohort_id = {cohort:String}
);
