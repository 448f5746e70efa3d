create table if not exists `weir_local`.sessions on cluster `weir`
(
    project_id LowCardinality(String),
    session_id String,
    session_month UInt32,
    device_id String,
    profile_id String,
    started_at DateTime64(3, 'UTC'),
    ended_at DateTime64(3, 'UTC'),
    duration_ms Int64,
    event_count UInt32,
    screen_view_count UInt32,
    is_bounce UInt8,
    is_closed UInt8,
    revenue Int64,
    currency LowCardinality(String),
    entry_path String codec(ZSTD(1)),
    entry_origin LowCardinality(String),
    exit_path String codec(ZSTD(1)),
    exit_origin LowCardinality(String),
    referrer String,
    referrer_name LowCardinality(String),
    referrer_type LowCardinality(String),
    utm_source LowCardinality(String),
    utm_medium LowCardinality(String),
    utm_campaign LowCardinality(String),
    utm_term String,
    utm_content String,
    country LowCardinality(String),
    region LowCardinality(String),
    city LowCardinality(String),
    longitude Nullable(Float32),
    latitude Nullable(Float32),
    os LowCardinality(String),
    os_version LowCardinality(String),
    browser LowCardinality(String),
    browser_version LowCardinality(String),
    device LowCardinality(String),
    brand LowCardinality(String),
    model LowCardinality(String),
    sign Int8,
    version UInt32,
    raw_epoch UInt32,
    raw_partition UInt16,
    raw_offset UInt64,
    log_topic LowCardinality(String),
    log_epoch UInt32,
    log_partition UInt16,
    log_offset UInt64,
    index by_session session_id type bloom_filter(0.01) granularity 4,
    index by_profile profile_id type bloom_filter(0.01) granularity 4,
    projection progress
    (
        select log_topic, log_epoch, log_partition, session_month, max(log_offset)
        group by log_topic, log_epoch, log_partition, session_month
    )
)
engine = ReplicatedVersionedCollapsingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', sign, version)
partition by session_month
order by (project_id, toDate(started_at), session_id)
settings lightweight_mutation_projection_mode = 'rebuild', deduplicate_merge_projection_mode = 'rebuild';

create or replace table `weir`.sessions on cluster `weir` as `weir_local`.sessions
engine = Distributed('weir', 'weir_local', 'sessions', log_partition);

create table if not exists `weir_local`.sessions_arrivals on cluster `weir`
(
    project_id String,
    session_id String,
    session_month UInt32,
    device_id String,
    profile_id String,
    started_at DateTime64(3, 'UTC'),
    ended_at DateTime64(3, 'UTC'),
    duration_ms Int64,
    event_count UInt32,
    screen_view_count UInt32,
    is_bounce UInt8,
    is_closed UInt8,
    revenue Int64,
    currency String,
    entry_path String,
    entry_origin String,
    exit_path String,
    exit_origin String,
    referrer String,
    referrer_name String,
    referrer_type String,
    utm_source String,
    utm_medium String,
    utm_campaign String,
    utm_term String,
    utm_content String,
    country String,
    region String,
    city String,
    longitude Nullable(Float32),
    latitude Nullable(Float32),
    os String,
    os_version String,
    browser String,
    browser_version String,
    device String,
    brand String,
    model String,
    sign Int8,
    version UInt32,
    raw_epoch UInt32,
    raw_partition UInt16,
    raw_offset UInt64,
    log_epoch UInt32,
    log_stamp DateTime64(3, 'UTC'),
    log_topic LowCardinality(String),
    log_partition UInt64,
    log_offset UInt64,
    error String,
    raw_message String
)
engine = Null;

create materialized view if not exists `weir_local`.sessions_ingest on cluster `weir` to `weir_local`.sessions as
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
where length(arrival.error) = 0 and (progress.known = 0 or arrival.log_offset > progress.done);

create materialized view if not exists `weir_local`.sessions_errors on cluster `weir` to `weir_local`.dead_letters as
select
    arrival.raw_message as value,
    'store' as stage,
    'not_a_row' as reason,
    arrival.error as detail,
    '' as project_id,
    arrival.log_topic as topic,
    toUInt32OrZero(extract(arrival.raw_message, '"log_epoch" *: *([0-9]+)')) as epoch,
    toUInt16(arrival.log_partition) as partition,
    arrival.log_offset as offset,
    -1 as line,
    arrival.log_stamp as stamp,
    arrival.log_stamp as log_stamp,
    arrival.log_topic as log_topic,
    toUInt32OrZero(extract(arrival.raw_message, '"log_epoch" *: *([0-9]+)')) as log_epoch,
    toUInt16(arrival.log_partition) as log_partition,
    arrival.log_offset as log_offset
from `weir_local`.sessions_arrivals as arrival
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
    and progress.log_epoch = toUInt32OrZero(extract(arrival.raw_message, '"log_epoch" *: *([0-9]+)'))
    and progress.log_partition = toUInt16(arrival.log_partition)
    and progress.month = toYYYYMM(arrival.log_stamp)
where length(arrival.error) > 0 and (progress.known = 0 or arrival.log_offset > progress.done);
