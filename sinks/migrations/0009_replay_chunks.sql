-- Recordings of sessions, piece by piece. A day is dropped when all of it is older than 30 days; its progress goes
-- with it, as nothing so old can come again. Rows are large: few at a time are read.

create table if not exists {{database}}.replay_chunks {{on_cluster}}
(
    project_id LowCardinality(String),
    session_id String,
    device_id String,
    chunk_index UInt16,
    events_count UInt32,
    is_full_snapshot UInt8,
    started_at DateTime64(3, 'UTC'),
    ended_at DateTime64(3, 'UTC'),
    payload String codec(ZSTD(6)),
    stamp DateTime64(3, 'UTC'),
    raw_epoch UInt32,
    raw_partition UInt16,
    raw_offset UInt64,
    raw_line UInt32,
    log_topic LowCardinality(String),
    log_epoch UInt32,
    log_partition UInt16,
    log_offset UInt64,
    projection progress
    (
        select log_topic, log_epoch, log_partition, toYYYYMMDD(stamp), max(log_offset)
        group by log_topic, log_epoch, log_partition, toYYYYMMDD(stamp)
    )
)
engine = {{engine:MergeTree}}
partition by toYYYYMMDD(stamp)
order by (project_id, session_id, started_at, chunk_index)
ttl toDate(stamp) + interval 31 day
settings lightweight_mutation_projection_mode = 'rebuild', ttl_only_drop_parts = 1;

-- Each message passes through here on its way to the table or, if it cannot be read, to the dead letters.
create table if not exists {{database}}.replay_chunks_arrivals {{on_cluster}}
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
    log_epoch UInt32,
    log_stamp DateTime64(3, 'UTC'),
    log_topic LowCardinality(String),
    log_partition UInt64,
    log_offset UInt64,
    error String,
    raw_message String
)
engine = Null;

-- Lets through only what is beyond the table's own progress: Kafka messages come again after a crash.
create materialized view if not exists {{database}}.replay_chunks_ingest {{on_cluster}} to {{database}}.replay_chunks as
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
from {{database}}.replay_chunks_arrivals as arrival
left join
(
    select
        log_topic,
        log_epoch,
        log_partition,
        toYYYYMMDD(stamp) as day,
        max(log_offset) as done,
        1 as known
    from {{database}}.replay_chunks
    group by log_topic, log_epoch, log_partition, day
) as progress
    on progress.log_topic = arrival.log_topic
    and progress.log_epoch = arrival.log_epoch
    and progress.log_partition = toUInt16(arrival.log_partition)
    and progress.day = toYYYYMMDD(arrival.stamp)
where length(arrival.error) = 0 and (progress.known = 0 or arrival.log_offset > progress.done);

-- A message the engine could not read, whole. Its epoch is read from its text, as none of its columns is filled.
create materialized view if not exists {{database}}.replay_chunks_errors {{on_cluster}} to {{database}}.dead_letters as
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
from {{database}}.replay_chunks_arrivals as arrival
left join
(
    select
        log_topic,
        log_epoch,
        log_partition,
        toYYYYMM(log_stamp) as month,
        max(log_offset) as done,
        1 as known
    from {{database}}.dead_letters
    group by log_topic, log_epoch, log_partition, month
) as progress
    on progress.log_topic = arrival.log_topic
    and progress.log_epoch = toUInt32OrZero(extract(arrival.raw_message, '"log_epoch" *: *([0-9]+)'))
    and progress.log_partition = toUInt16(arrival.log_partition)
    and progress.month = toYYYYMM(arrival.log_stamp)
where length(arrival.error) > 0 and (progress.known = 0 or arrival.log_offset > progress.done);

-- pipe
create table if not exists {{database}}.replay_chunks_queue {{on_cluster}}
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
    kafka_broker_list = {{kafka}},
    kafka_topic_list = {{topic:REPLAY}},
    kafka_group_name = {{group:replay_chunks}},
    kafka_format = 'JSONEachRow',
    date_time_input_format = 'best_effort',
    kafka_handle_error_mode = 'stream',
    kafka_num_consumers = 1,
    kafka_thread_per_consumer = 0,
    kafka_max_block_size = 100,
    kafka_flush_interval_ms = 400;

-- pipe
create materialized view if not exists {{database}}.replay_chunks_feed {{on_cluster}} to {{database}}.replay_chunks_arrivals as
select
    *,
    ifNull(_timestamp_ms, toDateTime64(0, 3, 'UTC')) as log_stamp,
    _topic as log_topic,
    _partition as log_partition,
    _offset as log_offset,
    _error as error,
    _raw_message as raw_message
from {{database}}.replay_chunks_queue;
