create table if not exists `weir`.erased on cluster `weir`
(
    project_id String,
    kind LowCardinality(String),
    id String,
    raw_epoch UInt32,
    raw_ends Array(UInt64),
    version UInt64,
    erased_at DateTime64(3, 'UTC'),
    erasure UInt64,
    listed_at DateTime('UTC') default now()
)
engine = ReplicatedReplacingMergeTree('/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}', raw_epoch)
order by (project_id, kind, id, erasure)
ttl listed_at + interval 90 day;

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
where length(arrival.error) = 0 and (progress.known = 0 or arrival.log_offset > progress.done)
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
where length(arrival.error) = 0 and (progress.known = 0 or arrival.log_offset > progress.done)
    and (arrival.raw_epoch, arrival.raw_offset)
        >= (erased_device.cut.1, erased_device.cut.2[arrival.raw_partition + 1])
    and (arrival.raw_epoch, arrival.raw_offset)
        >= (erased_profile.cut.1, erased_profile.cut.2[arrival.raw_partition + 1])
    and (arrival.raw_epoch, arrival.raw_offset)
        >= (erased_session.cut.1, erased_session.cut.2[arrival.raw_partition + 1]);

alter table `weir_local`.replay_chunks_ingest on cluster `weir` modify query
select
    arrival.project_id as project_id,
    arrival.session_id as session_id,
    arrival.device_id as device_id,
    arrival.chunk_index as chunk_index,
    arrival.events_count as events_count,
    arrival.is_full_snapshot as is_full_snapshot,
    arrival.started_at as started_at,
    arrival.ended_at as ended_at,
    arrival.payload as payload,
    arrival.stamp as stamp,
    arrival.raw_epoch as raw_epoch,
    arrival.raw_partition as raw_partition,
    arrival.raw_offset as raw_offset,
    arrival.raw_line as raw_line,
    arrival.log_topic as log_topic,
    arrival.log_epoch as log_epoch,
    toUInt16(arrival.log_partition) as log_partition,
    arrival.log_offset as log_offset
from `weir_local`.replay_chunks_arrivals as arrival
left join
(
    select
        log_topic,
        log_epoch,
        log_partition,
        toYYYYMMDD(stamp) as day,
        max(log_offset) as done,
        1 as known
    from `weir_local`.replay_chunks
    group by log_topic, log_epoch, log_partition, day
) as progress
    on progress.log_topic = arrival.log_topic
    and progress.log_epoch = arrival.log_epoch
    and progress.log_partition = toUInt16(arrival.log_partition)
    and progress.day = toYYYYMMDD(arrival.stamp)
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
    where kind = 'session' and notEmpty(raw_ends)
    group by project_id, id
) as erased_session on erased_session.project_id = arrival.project_id and erased_session.id = arrival.session_id
where length(arrival.error) = 0 and (progress.known = 0 or arrival.log_offset > progress.done)
    and (arrival.raw_epoch, arrival.raw_offset)
        >= (erased_device.cut.1, erased_device.cut.2[arrival.raw_partition + 1])
    and (arrival.raw_epoch, arrival.raw_offset)
        >= (erased_session.cut.1, erased_session.cut.2[arrival.raw_partition + 1]);

alter table `weir_local`.identities_ingest on cluster `weir` modify query
select
    arrival.project_id as project_id,
    arrival.kind as kind,
    arrival.source_id as source_id,
    arrival.profile_id as profile_id,
    arrival.created_at as created_at,
    arrival.version as version,
    arrival.is_deleted as is_deleted,
    arrival.raw_epoch as raw_epoch,
    arrival.raw_partition as raw_partition,
    arrival.raw_offset as raw_offset,
    arrival.raw_line as raw_line,
    arrival.log_topic as log_topic,
    arrival.log_epoch as log_epoch,
    toUInt16(arrival.log_partition) as log_partition,
    arrival.log_offset as log_offset
from `weir_local`.identities_arrivals as arrival
left join
(
    select
        log_topic,
        log_epoch,
        log_partition,
        max(log_offset) as done,
        1 as known
    from `weir`.identities
    group by log_topic, log_epoch, log_partition
) as progress
    on progress.log_topic = arrival.log_topic
    and progress.log_epoch = arrival.log_epoch
    and progress.log_partition = toUInt16(arrival.log_partition)
left join
(
    select project_id, kind, id, argMax((raw_epoch, raw_ends), erasure) as cut
    from `weir`.erased final
    where kind in ('device', 'profile') and notEmpty(raw_ends)
    group by project_id, kind, id
) as erased_source
    on erased_source.project_id = arrival.project_id
    and erased_source.kind = arrival.kind
    and erased_source.id = arrival.source_id
left join
(
    select project_id, id, argMax((raw_epoch, raw_ends), erasure) as cut
    from `weir`.erased final
    where kind = 'profile' and notEmpty(raw_ends)
    group by project_id, id
) as erased_profile on erased_profile.project_id = arrival.project_id and erased_profile.id = arrival.profile_id
where length(arrival.error) = 0 and (progress.known = 0 or arrival.log_offset > progress.done)
    and (arrival.is_deleted = 1 or (arrival.raw_epoch, arrival.raw_offset)
        >= (erased_source.cut.1, erased_source.cut.2[arrival.raw_partition + 1]))
    and (arrival.is_deleted = 1 or (arrival.raw_epoch, arrival.raw_offset)
        >= (erased_profile.cut.1, erased_profile.cut.2[arrival.raw_partition + 1]));

alter table `weir_local`.profiles_ingest on cluster `weir` modify query
select
    arrival.project_id as project_id,
    arrival.profile_id as profile_id,
    arrival.first_name as first_name,
    arrival.last_name as last_name,
    arrival.email as email,
    arrival.avatar as avatar,
    arrival.properties as properties,
    arrival.groups as groups,
    arrival.created_at as created_at,
    arrival.updated_at as updated_at,
    arrival.is_deleted as is_deleted,
    arrival.version as version,
    arrival.ops_epoch as ops_epoch,
    arrival.ops_partition as ops_partition,
    arrival.ops_offset as ops_offset,
    arrival.log_topic as log_topic,
    arrival.log_epoch as log_epoch,
    toUInt16(arrival.log_partition) as log_partition,
    arrival.log_offset as log_offset
from `weir_local`.profiles_arrivals as arrival
left join
(
    select
        log_topic,
        log_epoch,
        log_partition,
        max(log_offset) as done,
        1 as known
    from `weir`.profiles
    group by log_topic, log_epoch, log_partition
) as progress
    on progress.log_topic = arrival.log_topic
    and progress.log_epoch = arrival.log_epoch
    and progress.log_partition = toUInt16(arrival.log_partition)
left join
(
    select project_id, id, max(version) as version
    from `weir`.erased final
    where kind = 'record'
    group by project_id, id
) as erased_record on erased_record.project_id = arrival.project_id and erased_record.id = arrival.profile_id
where length(arrival.error) = 0 and (progress.known = 0 or arrival.log_offset > progress.done)
    and arrival.version >= erased_record.version;

alter table `weir_local`.dead_letters_ingest on cluster `weir` modify query
select
    arrival.value as value,
    arrival.texts[indexOf(arrival.names, 'weir-stage')] as stage,
    arrival.texts[indexOf(arrival.names, 'weir-reason')] as reason,
    arrival.texts[indexOf(arrival.names, 'weir-detail')] as detail,
    arrival.texts[indexOf(arrival.names, 'weir-project')] as project_id,
    arrival.texts[indexOf(arrival.names, 'weir-topic')] as topic,
    toUInt32OrZero(arrival.texts[indexOf(arrival.names, 'weir-epoch')]) as epoch,
    toUInt16OrZero(arrival.texts[indexOf(arrival.names, 'weir-partition')]) as partition,
    toUInt64OrZero(arrival.texts[indexOf(arrival.names, 'weir-offset')]) as offset,
    toInt32OrDefault(arrival.texts[indexOf(arrival.names, 'weir-line')], -1::Int32) as line,
    fromUnixTimestamp64Milli(
        least(greatest(toInt64OrZero(arrival.texts[indexOf(arrival.names, 'weir-stamp')]), 0), 4102444800000),
        'UTC'
    ) as stamp,
    arrival.log_stamp as log_stamp,
    arrival.log_topic as log_topic,
    toUInt32OrZero(arrival.texts[indexOf(arrival.names, 'weir-log-epoch')]) as log_epoch,
    toUInt16(arrival.log_partition) as log_partition,
    arrival.log_offset as log_offset
from `weir_local`.dead_letters_arrivals as arrival
left join
(
    select
        log_topic,
        log_epoch,
        log_partition,
        toYYYYMM(log_stamp) as month,
        max(log_offset) as done,
        1 as known
    from `weir_local`.dead_letters
    group by log_topic, log_epoch, log_partition, month
) as progress
    on progress.log_topic = arrival.log_topic
    and progress.log_epoch = toUInt32OrZero(arrival.texts[indexOf(arrival.names, 'weir-log-epoch')])
    and progress.log_partition = toUInt16(arrival.log_partition)
    and progress.month = toYYYYMM(arrival.log_stamp)
where (progress.known = 0 or arrival.log_offset > progress.done)
    and not arrayExists(
        one -> position(arrival.value, one.2) > 0
            and (arrival.texts[indexOf(arrival.names, 'weir-project')] = one.1
                or (arrival.texts[indexOf(arrival.names, 'weir-project')] = '' and position(arrival.value, one.1) > 0))
            and if(
                arrival.texts[indexOf(arrival.names, 'weir-topic')] = 'weir.raw',
                (
                    toUInt32OrZero(arrival.texts[indexOf(arrival.names, 'weir-epoch')]),
                    toUInt64OrZero(arrival.texts[indexOf(arrival.names, 'weir-offset')])
                ) < (one.3, one.4[toUInt16OrZero(arrival.texts[indexOf(arrival.names, 'weir-partition')]) + 1]),
                toInt64OrZero(arrival.texts[indexOf(arrival.names, 'weir-stamp')]) < one.5
            ),
        (
            select groupArray((project_id, id, raw_epoch, raw_ends, toUnixTimestamp64Milli(erased_at)))
            from `weir`.erased final
            where kind = 'letter' and notEmpty(raw_ends)
        )
    );
