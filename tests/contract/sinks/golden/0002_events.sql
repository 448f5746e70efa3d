create table if not exists `weir_local`.events on cluster `weir`
(
    project_id LowCardinality(String),
    event_id UUID,
    name LowCardinality(String),
    device_id String,
    session_id String,
    profile_id String,
    created_at DateTime64(3, 'UTC') codec(Delta, ZSTD(1)),
    received_at DateTime64(3, 'UTC') codec(Delta, ZSTD(1)),
    path String codec(ZSTD(1)),
    origin LowCardinality(String),
    title String codec(ZSTD(1)),
    language LowCardinality(String),
    screen LowCardinality(String),
    sdk_name LowCardinality(String),
    sdk_version LowCardinality(String),
    ip String,
    bot LowCardinality(String),
    duration_ms Int64,
    revenue Int64,
    currency LowCardinality(String),
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
    groups Array(String),
    properties JSON(max_dynamic_paths = 256),
    synthesized UInt8,
    raw_epoch UInt32,
    raw_partition UInt16,
    raw_offset UInt64,
    raw_line UInt32,
    log_topic LowCardinality(String),
    log_epoch UInt32,
    log_partition UInt16,
    log_offset UInt64,
    index by_session session_id type bloom_filter(0.01) granularity 4,
    index by_profile profile_id type bloom_filter(0.01) granularity 4,
    index by_raw raw_offset type minmax granularity 1,
    projection progress
    (
        select log_topic, log_epoch, log_partition, toYYYYMM(created_at), max(log_offset)
        group by log_topic, log_epoch, log_partition, toYYYYMM(created_at)
    )
)
engine = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
partition by toYYYYMM(created_at)
order by (project_id, toDate(created_at), name, cityHash64(device_id), created_at)
settings lightweight_mutation_projection_mode = 'rebuild';

create or replace table `weir`.events on cluster `weir` as `weir_local`.events
engine = Distributed('weir', 'weir_local', 'events', log_partition);

create table if not exists `weir_local`.events_arrivals on cluster `weir`
(
    project_id String,
    event_id UUID,
    name String,
    device_id String,
    session_id String,
    profile_id String,
    created_at DateTime64(3, 'UTC'),
    received_at DateTime64(3, 'UTC'),
    path String,
    origin String,
    title String,
    language String,
    screen String,
    sdk_name String,
    sdk_version String,
    ip String,
    bot String,
    duration_ms Int64,
    revenue Int64,
    currency String,
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
    groups Array(String),
    properties JSON(max_dynamic_paths = 256),
    synthesized UInt8,
    raw_epoch UInt32,
    raw_partition UInt16,
    raw_offset UInt64,
    raw_line UInt32,
    log_epoch UInt32,
    log_stamp DateTime64(3, 'UTC'),
    log_topic LowCardinality(String),
    log_partition UInt64,
    log_offset UInt64,
    error String,
    raw_message String
)
engine = Null;

create materialized view if not exists `weir_local`.events_ingest on cluster `weir` to `weir_local`.events as
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
where length(arrival.error) = 0 and (progress.known = 0 or arrival.log_offset > progress.done);

create materialized view if not exists `weir_local`.events_errors on cluster `weir` to `weir_local`.dead_letters as
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
from `weir_local`.events_arrivals as arrival
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
