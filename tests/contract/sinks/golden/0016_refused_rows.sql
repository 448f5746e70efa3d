create table if not exists `weir_local`.events_queue on cluster `weir_consumers`
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
    log_epoch UInt32
)
engine = Kafka
settings
    kafka_broker_list = 'kafka:9092',
    kafka_topic_list = 'weir.events.{shard}',
    kafka_group_name = 'weir-store-events.{shard}',
    kafka_format = 'JSONEachRow',
    date_time_input_format = 'best_effort',
    input_format_try_infer_dates = 0,
    input_format_try_infer_datetimes = 0,
    kafka_handle_error_mode = 'stream',
    kafka_num_consumers = 1,
    kafka_thread_per_consumer = 0,
    kafka_max_block_size = 20000,
    kafka_flush_interval_ms = 400 comment 'weir:cb9085edd89d74379370542d7c2208e23cea23e14abecb11de5a2e1f0ef7d917';

create materialized view if not exists `weir_local`.events_feed on cluster `weir_consumers` to `weir_local`.events_arrivals as
select
    *,
    ifNull(_timestamp_ms, toDateTime64(0, 3, 'UTC')) as log_stamp,
    _topic as log_topic,
    _partition as log_partition,
    _offset as log_offset,
    multiIf(
        length(_error) > 0, _error,
        created_at not between now('UTC') - interval 5 year and now('UTC') + interval 1 year,
            concat('created_at is ', toString(created_at), ', which is too far away to be stored'),
        ''
    ) as error,
    if(
        length(_error) = 0
            and created_at not between now('UTC') - interval 5 year and now('UTC') + interval 1 year,
        formatRowNoNewline('JSONEachRow', *),
        _raw_message
    ) as raw_message
from `weir_local`.events_queue;

create table if not exists `weir_local`.sessions_queue on cluster `weir_consumers`
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
    log_epoch UInt32
)
engine = Kafka
settings
    kafka_broker_list = 'kafka:9092',
    kafka_topic_list = 'weir.sessions.{shard}',
    kafka_group_name = 'weir-store-sessions.{shard}',
    kafka_format = 'JSONEachRow',
    date_time_input_format = 'best_effort',
    kafka_handle_error_mode = 'stream',
    kafka_num_consumers = 1,
    kafka_thread_per_consumer = 0,
    kafka_max_block_size = 20000,
    kafka_flush_interval_ms = 400 comment 'weir:01bc2b66a75a69382a93da9f07a93d1371ab524c7a709d62f0ab2ef1f7a7f747';

create materialized view if not exists `weir_local`.sessions_feed on cluster `weir_consumers` to `weir_local`.sessions_arrivals as
select
    *,
    ifNull(_timestamp_ms, toDateTime64(0, 3, 'UTC')) as log_stamp,
    _topic as log_topic,
    _partition as log_partition,
    _offset as log_offset,
    multiIf(
        length(_error) > 0, _error,
        session_month not between toYYYYMM(now('UTC') - interval 5 year) and toYYYYMM(now('UTC') + interval 1 year),
            concat('session_month is ', toString(session_month), ', which is too far away to be stored'),
        sign not in (1, -1), concat('sign is ', toString(sign), ', which is neither 1 nor -1'),
        ''
    ) as error,
    if(
        length(_error) = 0 and (
            session_month not between toYYYYMM(now('UTC') - interval 5 year) and toYYYYMM(now('UTC') + interval 1 year)
            or sign not in (1, -1)
        ),
        formatRowNoNewline('JSONEachRow', *),
        _raw_message
    ) as raw_message
from `weir_local`.sessions_queue;

create table if not exists `weir_local`.ledger_queue on cluster `weir_consumers`
(
    kind String,
    raw_epoch UInt32,
    raw_partition UInt16,
    from_offset UInt64,
    to_offset UInt64,
    stamp DateTime64(3, 'UTC'),
    lines UInt32,
    stored UInt32,
    repeated UInt32,
    bots UInt32,
    filtered UInt32,
    dead UInt32,
    operations UInt32,
    row_tables Array(String),
    row_months Array(UInt32),
    row_counts Array(Int64),
    log_epoch UInt32
)
engine = Kafka
settings
    kafka_broker_list = 'kafka:9092',
    kafka_topic_list = 'weir.ledger.{shard}',
    kafka_group_name = 'weir-store-ledger.{shard}',
    kafka_format = 'JSONEachRow',
    date_time_input_format = 'best_effort',
    kafka_handle_error_mode = 'stream',
    kafka_num_consumers = 1,
    kafka_thread_per_consumer = 0,
    kafka_max_block_size = 20000,
    kafka_flush_interval_ms = 400 comment 'weir:e4a7df1e342a2f54bda1314214437b0365a6061331fd4fb93a1621d03df59188';

create materialized view if not exists `weir_local`.ledger_feed on cluster `weir_consumers` to `weir_local`.ledger_arrivals as
select
    *,
    ifNull(_timestamp_ms, toDateTime64(0, 3, 'UTC')) as log_stamp,
    _topic as log_topic,
    _partition as log_partition,
    _offset as log_offset,
    multiIf(
        length(_error) > 0, _error,
        stamp not between now('UTC') - interval 5 year and now('UTC') + interval 1 year,
            concat('stamp is ', toString(stamp), ', which is too far away to be stored'),
        ''
    ) as error,
    if(
        length(_error) = 0 and stamp not between now('UTC') - interval 5 year and now('UTC') + interval 1 year,
        formatRowNoNewline('JSONEachRow', *),
        _raw_message
    ) as raw_message
from `weir_local`.ledger_queue;

create table if not exists `weir_local`.replay_chunks_queue on cluster `weir_consumers`
(
    project_id String,
    session_id String,
    device_id String,
    chunk_index UInt16,
    events_count UInt32,
    is_full_snapshot UInt8,
    started_at DateTime64(3, 'UTC'),
    ended_at DateTime64(3, 'UTC'),
    payload String,
    stamp DateTime64(3, 'UTC'),
    raw_epoch UInt32,
    raw_partition UInt16,
    raw_offset UInt64,
    raw_line UInt32,
    log_epoch UInt32
)
engine = Kafka
settings
    kafka_broker_list = 'kafka:9092',
    kafka_topic_list = 'weir.replay.{shard}',
    kafka_group_name = 'weir-store-replay_chunks.{shard}',
    kafka_format = 'JSONEachRow',
    date_time_input_format = 'best_effort',
    kafka_handle_error_mode = 'stream',
    kafka_num_consumers = 1,
    kafka_thread_per_consumer = 0,
    kafka_max_block_size = 100,
    kafka_flush_interval_ms = 400 comment 'weir:d5b3192220be222ddf178130e24fa89a88ed1e30bb7a18fcc020c1fd112b77e6';

create materialized view if not exists `weir_local`.replay_chunks_feed on cluster `weir_consumers`
    to `weir_local`.replay_chunks_arrivals as
select
    *,
    ifNull(_timestamp_ms, toDateTime64(0, 3, 'UTC')) as log_stamp,
    _topic as log_topic,
    _partition as log_partition,
    _offset as log_offset,
    multiIf(
        length(_error) > 0, _error,
        stamp not between now('UTC') - interval 60 day and now('UTC') + interval 30 day,
            concat('stamp is ', toString(stamp), ', which is too far away to be stored'),
        ''
    ) as error,
    if(
        length(_error) = 0 and stamp not between now('UTC') - interval 60 day and now('UTC') + interval 30 day,
        formatRowNoNewline('JSONEachRow', *),
        _raw_message
    ) as raw_message
from `weir_local`.replay_chunks_queue;
