create table if not exists `weir`.identities on cluster `weir`
(
    project_id LowCardinality(String),
    kind LowCardinality(String),
    source_id String,
    profile_id String,
    created_at DateTime64(3, 'UTC'),
    version UInt64,
    is_deleted UInt8,
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
        select log_topic, log_epoch, log_partition, max(log_offset)
        group by log_topic, log_epoch, log_partition
    )
)
engine = ReplicatedReplacingMergeTree('/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}', version)
order by (project_id, kind, source_id)
settings lightweight_mutation_projection_mode = 'rebuild', deduplicate_merge_projection_mode = 'rebuild';

create table if not exists `weir_local`.identities_arrivals on cluster `weir`
(
    project_id String,
    kind String,
    source_id String,
    profile_id String,
    created_at DateTime64(3, 'UTC'),
    version UInt64,
    is_deleted UInt8,
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

create materialized view if not exists `weir_local`.identities_ingest on cluster `weir` to `weir`.identities as
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
where length(arrival.error) = 0 and (progress.known = 0 or arrival.log_offset > progress.done);

create materialized view if not exists `weir_local`.identities_errors on cluster `weir` to `weir_local`.dead_letters as
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
from `weir_local`.identities_arrivals as arrival
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

create table if not exists `weir_local`.identities_queue on cluster `weir_consumers`
(
    project_id String,
    kind String,
    source_id String,
    profile_id String,
    created_at DateTime64(3, 'UTC'),
    version UInt64,
    is_deleted UInt8,
    raw_epoch UInt32,
    raw_partition UInt16,
    raw_offset UInt64,
    raw_line UInt32,
    log_epoch UInt32
)
engine = Kafka
settings
    kafka_broker_list = 'kafka:9092',
    kafka_topic_list = 'weir.identities.{shard}',
    kafka_group_name = 'weir-store-identities.{shard}',
    kafka_format = 'JSONEachRow',
    date_time_input_format = 'best_effort',
    kafka_handle_error_mode = 'stream',
    kafka_num_consumers = 1,
    kafka_thread_per_consumer = 0,
    kafka_max_block_size = 20000,
    kafka_flush_interval_ms = 400 comment 'weir:c86003fedbde8ff69f13762342258717d3d4198b054667cadc76cae1e88189d0';

create materialized view if not exists `weir_local`.identities_feed on cluster `weir_consumers` to `weir_local`.identities_arrivals as
select
    *,
    ifNull(_timestamp_ms, toDateTime64(0, 3, 'UTC')) as log_stamp,
    _topic as log_topic,
    _partition as log_partition,
    _offset as log_offset,
    _error as error,
    _raw_message as raw_message
from `weir_local`.identities_queue;
