create table if not exists `weir`.profiles on cluster `weir`
(
    project_id LowCardinality(String),
    profile_id String,
    first_name String,
    last_name String,
    email String,
    avatar String,
    properties JSON(max_dynamic_paths = 256),
    created_at DateTime64(3, 'UTC'),
    updated_at DateTime64(3, 'UTC'),
    is_deleted UInt8,
    version UInt64,
    ops_epoch UInt32,
    ops_partition UInt16,
    ops_offset UInt64,
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
order by (project_id, profile_id)
settings lightweight_mutation_projection_mode = 'rebuild', deduplicate_merge_projection_mode = 'rebuild';

create table if not exists `weir_local`.profiles_arrivals on cluster `weir`
(
    project_id String,
    profile_id String,
    first_name String,
    last_name String,
    email String,
    avatar String,
    properties JSON(max_dynamic_paths = 256),
    created_at DateTime64(3, 'UTC'),
    updated_at DateTime64(3, 'UTC'),
    is_deleted UInt8,
    version UInt64,
    ops_epoch UInt32,
    ops_partition UInt16,
    ops_offset UInt64,
    log_epoch UInt32,
    log_stamp DateTime64(3, 'UTC'),
    log_topic LowCardinality(String),
    log_partition UInt64,
    log_offset UInt64,
    error String,
    raw_message String
)
engine = Null;

create materialized view if not exists `weir_local`.profiles_ingest on cluster `weir` to `weir`.profiles as
select
    arrival.project_id as project_id,
    arrival.profile_id as profile_id,
    arrival.first_name as first_name,
    arrival.last_name as last_name,
    arrival.email as email,
    arrival.avatar as avatar,
    arrival.properties as properties,
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

create materialized view if not exists `weir_local`.profiles_errors on cluster `weir` to `weir_local`.dead_letters as
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
from `weir_local`.profiles_arrivals as arrival
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
