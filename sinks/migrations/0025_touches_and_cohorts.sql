-- Where each visit came from, in the order of visitors: the first and the last touch of a visitor, and which touch came
-- before a conversion, without reading sessions. A narrow row per session, and pairs of rows as there: a late event
-- moves a session's beginning back, and with it what it tells, and out of a minimum or a maximum nobody could take what
-- the session was before. Made anew by the day. Sessions without a device have no visitor, and are left out.
create table if not exists {{database}}.touches {{on_cluster}}
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
engine = {{engine:VersionedCollapsingMergeTree(sign, version)}}
partition by toYYYYMM(day)
order by (project_id, visitor, started_at, session)
settings default_compression_codec = 'ZSTD(1)';

-- paused: sessions
truncate table if exists {{database}}.touches;
drop view if exists {{database}}.touches_view {{on_cluster}};
create materialized view if not exists {{database}}.touches_view {{on_cluster}} to {{database}}.touches as
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
from {{database}}.sessions
where device_id != '';
insert into {{database}}.touches
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
from {{database}}.sessions
where device_id != '';

-- resumed
-- The first and the last touch of each visitor of a project: of two visits that began in the same millisecond any, but
-- always the same one.
create or replace view {{database}}.visitor_touches {{on_cluster}} as
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
        from {{database}}.touches final
        where project_id = {project:String} and sign = 1
    )
    group by visitor
);

-- Cohorts: groups of people that somebody defined, by what they did or are. Each time its members are counted anew a
-- cohort gets a new version, with the definition they were counted by. A version's members are written first and its row
-- last, so one that is there is whole; the newest counts, and readers of an older one find it as it was.
create table if not exists {{database}}.cohorts {{on_cluster}}
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
engine = {{engine:ReplacingMergeTree}}
order by (project_id, cohort_id, version);

-- Who is in a version: profiles, and devices that are of no profile, by the hash of their id, as in rollups.
create table if not exists {{database}}.cohort_members {{on_cluster}}
(
    project_id LowCardinality(String),
    cohort_id String,
    version UInt64,
    kind LowCardinality(String),
    member UInt64
)
engine = {{engine:ReplacingMergeTree}}
order by (project_id, cohort_id, version, kind, member)
settings default_compression_codec = 'ZSTD(1)';

-- The members of the newest version; nobody where it was deleted.
create or replace view {{database}}.cohort_people {{on_cluster}} as
select distinct kind, member
from {{database}}.cohort_members
where project_id = {project:String} and cohort_id = {cohort:String} and version =
(
    select if(argMax(is_deleted, version) = 1, 0, max(version))
    from {{database}}.cohorts
    where project_id = {project:String} and cohort_id = {cohort:String}
);
