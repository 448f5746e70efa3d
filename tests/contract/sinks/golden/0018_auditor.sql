alter table `weir_local`.events on cluster `weir` add projection if not exists hours
(
    select toStartOfHour(created_at), raw_epoch, raw_partition, count(), max(raw_offset)
    group by toStartOfHour(created_at), raw_epoch, raw_partition
);

alter table `weir_local`.sessions on cluster `weir` add projection if not exists hours
(
    select toStartOfHour(started_at), raw_epoch, raw_partition, sum(sign), max(raw_offset)
    group by toStartOfHour(started_at), raw_epoch, raw_partition
);

alter table `weir_local`.events on cluster `weir` materialize projection hours;

alter table `weir_local`.sessions on cluster `weir` materialize projection hours;

create table if not exists `weir`.rollup_checks on cluster `weir`
(
    rollup LowCardinality(String),
    piece DateTime('UTC') codec(Delta, ZSTD(1)),
    signature UInt64,
    checked_at DateTime64(3, 'UTC') default now64(3)
)
engine = ReplicatedReplacingMergeTree('/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}', checked_at)
order by (rollup, piece);

create table if not exists `weir`.audits on cluster `weir`
(
    started_at DateTime64(3, 'UTC'),
    seconds Float64,
    complete UInt8,
    clean UInt8,
    findings UInt32,
    report String codec(ZSTD(3))
)
engine = ReplicatedMergeTree('/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}')
order by started_at
ttl toDateTime(started_at) + interval 90 day;

create table if not exists `weir`.retained on cluster `weir`
(
    project_id String,
    kept_from DateTime64(3, 'UTC'),
    run UInt64
)
engine = ReplicatedReplacingMergeTree('/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}', kept_from)
order by project_id;

create table if not exists `weir`.retention_runs on cluster `weir`
(
    run UInt64,
    source LowCardinality(String),
    stage UInt8,
    plan String,
    written_at DateTime64(3, 'UTC') default now64(3)
)
engine = ReplicatedReplacingMergeTree('/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}', stage)
order by (run, source);

create table if not exists `weir`.retention_passed on cluster `weir`
(
    log_topic LowCardinality(String),
    log_epoch UInt32,
    log_partition UInt16,
    log_offset UInt64
)
engine = ReplicatedReplacingMergeTree('/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}', log_offset)
order by (log_topic, log_epoch, log_partition);

alter table `weir_local`.events_ingest on cluster `weir` modify query
select
    arrival.project_id as project_id,
    arrival.event_id as event_id,
    arrival.name as name,
    arrival.device_id as device_id,
    arrival.session_id as session_id,
    arrival.profile_id as profile_id,
    arrival.created_at as created_at,
    arrival.received_at as received_at,
    arrival.path as path,
    arrival.origin as origin,
    arrival.title as title,
    arrival.language as language,
    arrival.screen as screen,
    arrival.sdk_name as sdk_name,
    arrival.sdk_version as sdk_version,
    arrival.ip as ip,
    arrival.bot as bot,
    arrival.duration_ms as duration_ms,
    arrival.revenue as revenue,
    arrival.currency as currency,
    arrival.referrer as referrer,
    arrival.referrer_name as referrer_name,
    arrival.referrer_type as referrer_type,
    arrival.utm_source as utm_source,
    arrival.utm_medium as utm_medium,
    arrival.utm_campaign as utm_campaign,
    arrival.utm_term as utm_term,
    arrival.utm_content as utm_content,
    arrival.country as country,
    arrival.region as region,
    arrival.city as city,
    arrival.longitude as longitude,
    arrival.latitude as latitude,
    arrival.os as os,
    arrival.os_version as os_version,
    arrival.browser as browser,
    arrival.browser_version as browser_version,
    arrival.device as device,
    arrival.brand as brand,
    arrival.model as model,
    arrival.groups as groups,
    arrival.properties as properties,
    arrival.synthesized as synthesized,
    arrival.raw_epoch as raw_epoch,
    arrival.raw_partition as raw_partition,
    arrival.raw_offset as raw_offset,
    arrival.raw_line as raw_line,
    arrival.log_topic as log_topic,
    arrival.log_epoch as log_epoch,
    toUInt16(arrival.log_partition) as log_partition,
    arrival.log_offset as log_offset
from `weir_local`.events_arrivals as arrival
left join
(
    select
        log_topic,
        log_epoch,
        log_partition,
        toYYYYMM(created_at) as month,
        max(log_offset) as done,
        1 as known
    from `weir_local`.events
    group by log_topic, log_epoch, log_partition, month
) as progress
    on progress.log_topic = arrival.log_topic
    and progress.log_epoch = arrival.log_epoch
    and progress.log_partition = toUInt16(arrival.log_partition)
    and progress.month = toYYYYMM(arrival.created_at)
left join
(
    select project_id, id, argMax((raw_epoch, raw_ends), erasure) as cut
    from `weir`.erased final
    where kind = 'device' and notEmpty(raw_ends)
    group by project_id, id
) as erased_device on erased_device.project_id = arrival.project_id and erased_device.id = arrival.device_id
left join
(
    select project_id, id, argMax((raw_epoch, raw_ends), erasure) as cut
    from `weir`.erased final
    where kind = 'profile' and notEmpty(raw_ends)
    group by project_id, id
) as erased_profile on erased_profile.project_id = arrival.project_id and erased_profile.id = arrival.profile_id
left join
(
    select project_id, id, argMax((raw_epoch, raw_ends), erasure) as cut
    from `weir`.erased final
    where kind = 'session' and notEmpty(raw_ends)
    group by project_id, id
) as erased_session on erased_session.project_id = arrival.project_id and erased_session.id = arrival.session_id
left join
(
    select log_topic, log_epoch, log_partition, max(log_offset) as done, 1 as known
    from `weir`.retention_passed
    group by log_topic, log_epoch, log_partition
) as passed
    on passed.log_topic = arrival.log_topic
    and passed.log_epoch = arrival.log_epoch
    and passed.log_partition = toUInt16(arrival.log_partition)
where length(arrival.error) = 0 and (progress.known = 0 or arrival.log_offset > progress.done)
    and (passed.known = 0 or arrival.log_offset > passed.done)
    and (arrival.raw_epoch, arrival.raw_offset)
        >= (erased_device.cut.1, erased_device.cut.2[arrival.raw_partition + 1])
    and (arrival.raw_epoch, arrival.raw_offset)
        >= (erased_profile.cut.1, erased_profile.cut.2[arrival.raw_partition + 1])
    and (arrival.raw_epoch, arrival.raw_offset)
        >= (erased_session.cut.1, erased_session.cut.2[arrival.raw_partition + 1]);

alter table `weir_local`.sessions_ingest on cluster `weir` modify query
select
    arrival.project_id as project_id,
    arrival.session_id as session_id,
    arrival.session_month as session_month,
    arrival.device_id as device_id,
    arrival.profile_id as profile_id,
    arrival.started_at as started_at,
    arrival.ended_at as ended_at,
    arrival.duration_ms as duration_ms,
    arrival.event_count as event_count,
    arrival.screen_view_count as screen_view_count,
    arrival.is_bounce as is_bounce,
    arrival.is_closed as is_closed,
    arrival.revenue as revenue,
    arrival.currency as currency,
    arrival.entry_path as entry_path,
    arrival.entry_origin as entry_origin,
    arrival.exit_path as exit_path,
    arrival.exit_origin as exit_origin,
    arrival.referrer as referrer,
    arrival.referrer_name as referrer_name,
    arrival.referrer_type as referrer_type,
    arrival.utm_source as utm_source,
    arrival.utm_medium as utm_medium,
    arrival.utm_campaign as utm_campaign,
    arrival.utm_term as utm_term,
    arrival.utm_content as utm_content,
    arrival.country as country,
    arrival.region as region,
    arrival.city as city,
    arrival.longitude as longitude,
    arrival.latitude as latitude,
    arrival.os as os,
    arrival.os_version as os_version,
    arrival.browser as browser,
    arrival.browser_version as browser_version,
    arrival.device as device,
    arrival.brand as brand,
    arrival.model as model,
    arrival.sign as sign,
    arrival.version as version,
    arrival.raw_epoch as raw_epoch,
    arrival.raw_partition as raw_partition,
    arrival.raw_offset as raw_offset,
    arrival.log_topic as log_topic,
    arrival.log_epoch as log_epoch,
    toUInt16(arrival.log_partition) as log_partition,
    arrival.log_offset as log_offset
from `weir_local`.sessions_arrivals as arrival
left join
(
    select
        log_topic,
        log_epoch,
        log_partition,
        session_month as month,
        max(log_offset) as done,
        1 as known
    from `weir_local`.sessions
    group by log_topic, log_epoch, log_partition, month
) as progress
    on progress.log_topic = arrival.log_topic
    and progress.log_epoch = arrival.log_epoch
    and progress.log_partition = toUInt16(arrival.log_partition)
    and progress.month = arrival.session_month
left join
(
    select project_id, id, argMax((raw_epoch, raw_ends), erasure) as cut
    from `weir`.erased final
    where kind = 'device' and notEmpty(raw_ends)
    group by project_id, id
) as erased_device on erased_device.project_id = arrival.project_id and erased_device.id = arrival.device_id
left join
(
    select project_id, id, argMax((raw_epoch, raw_ends), erasure) as cut
    from `weir`.erased final
    where kind = 'profile' and notEmpty(raw_ends)
    group by project_id, id
) as erased_profile on erased_profile.project_id = arrival.project_id and erased_profile.id = arrival.profile_id
left join
(
    select project_id, id, argMax((raw_epoch, raw_ends), erasure) as cut
    from `weir`.erased final
    where kind = 'session' and notEmpty(raw_ends)
    group by project_id, id
) as erased_session on erased_session.project_id = arrival.project_id and erased_session.id = arrival.session_id
left join
(
    select log_topic, log_epoch, log_partition, max(log_offset) as done, 1 as known
    from `weir`.retention_passed
    group by log_topic, log_epoch, log_partition
) as passed
    on passed.log_topic = arrival.log_topic
    and passed.log_epoch = arrival.log_epoch
    and passed.log_partition = toUInt16(arrival.log_partition)
where length(arrival.error) = 0 and (progress.known = 0 or arrival.log_offset > progress.done)
    and (passed.known = 0 or arrival.log_offset > passed.done)
    and (arrival.raw_epoch, arrival.raw_offset)
        >= (erased_device.cut.1, erased_device.cut.2[arrival.raw_partition + 1])
    and (arrival.raw_epoch, arrival.raw_offset)
        >= (erased_profile.cut.1, erased_profile.cut.2[arrival.raw_partition + 1])
    and (arrival.raw_epoch, arrival.raw_offset)
        >= (erased_session.cut.1, erased_session.cut.2[arrival.raw_partition + 1]);
