alter table `weir`.profiles on cluster `weir`
    add column if not exists groups Array(String) after properties;

alter table `weir_local`.profiles_arrivals on cluster `weir`
    add column if not exists groups Array(String) after properties;

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
where length(arrival.error) = 0 and (progress.known = 0 or arrival.log_offset > progress.done);

create table if not exists `weir_local`.profiles_queue on cluster `weir_consumers`
(
    project_id String,
    profile_id String,
    first_name String,
    last_name String,
    email String,
    avatar String,
    properties JSON(max_dynamic_paths = 256),
    groups Array(String),
    created_at DateTime64(3, 'UTC'),
    updated_at DateTime64(3, 'UTC'),
    is_deleted UInt8,
    version UInt64,
    ops_epoch UInt32,
    ops_partition UInt16,
    ops_offset UInt64,
    log_epoch UInt32
)
engine = Kafka
settings
    kafka_broker_list = 'kafka:9092',
    kafka_topic_list = 'weir.profiles',
    kafka_group_name = 'weir-store-profiles',
    kafka_format = 'JSONEachRow',
    date_time_input_format = 'best_effort',
    input_format_try_infer_dates = 0,
    input_format_try_infer_datetimes = 0,
    kafka_handle_error_mode = 'stream',
    kafka_num_consumers = 1,
    kafka_thread_per_consumer = 0,
    kafka_max_block_size = 20000,
    kafka_flush_interval_ms = 400 comment 'weir:7b1b60783be34f061b469423eb3ebda31843cdfa3512e190b8326087b1577c9a';

create materialized view if not exists `weir_local`.profiles_feed on cluster `weir_consumers` to `weir_local`.profiles_arrivals as
select
    *,
    ifNull(_timestamp_ms, toDateTime64(0, 3, 'UTC')) as log_stamp,
    _topic as log_topic,
    _partition as log_partition,
    _offset as log_offset,
    _error as error,
    _raw_message as raw_message
from `weir_local`.profiles_queue;
