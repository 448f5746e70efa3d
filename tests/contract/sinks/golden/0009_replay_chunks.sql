create table if not exists `weir_local`.replay_chunks on cluster `weir`
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
engine = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
partition by toYYYYMMDD(stamp)
order by (project_id, session_id, started_at, chunk_index)
ttl toDate(stamp) + interval 31 day
settings lightweight_mutation_projection_mode = 'rebuild', ttl_only_drop_parts = 1;

create or replace table `weir`.replay_chunks on cluster `weir` as `weir_local`.replay_chunks
engine = Distributed('weir', 'weir_local', 'replay_chunks', log_partition);

create table if not exists `weir_local`.replay_chunks_arrivals on cluster `weir`
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

create materialized view if not exists `weir_local`.replay_chunks_ingest on cluster `weir` to `weir_local`.replay_chunks as
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
where length(arrival.error) = 0 and (progress.known = 0 or arrival.log_offset > progress.done);

create materialized view if not exists `weir_local`.replay_chunks_errors on cluster `weir` to `weir_local`.dead_letters as
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
from `weir_local`.replay_chunks_arrivals as arrival
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
