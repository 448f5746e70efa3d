create table if not exists `weir_local`.dead_letters on cluster `weir`
(
    value String codec(ZSTD(3)),
    stage LowCardinality(String),
    reason LowCardinality(String),
    detail String codec(ZSTD(1)),
    project_id String,
    topic LowCardinality(String),
    epoch UInt32,
    partition UInt16,
    offset UInt64,
    line Int32,
    stamp DateTime64(3, 'UTC'),
    log_stamp DateTime64(3, 'UTC'),
    log_topic LowCardinality(String),
    log_epoch UInt32,
    log_partition UInt16,
    log_offset UInt64,
    projection progress
    (
        select log_topic, log_epoch, log_partition, toYYYYMM(log_stamp), max(log_offset)
        group by log_topic, log_epoch, log_partition, toYYYYMM(log_stamp)
    )
)
engine = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
partition by toYYYYMM(log_stamp)
order by (topic, epoch, partition, offset, line)
settings lightweight_mutation_projection_mode = 'rebuild';

create or replace table `weir`.dead_letters on cluster `weir` as `weir_local`.dead_letters
engine = Distributed('weir', 'weir_local', 'dead_letters', log_partition);

create table if not exists `weir_local`.dead_letters_arrivals on cluster `weir`
(
    value String,
    names Array(String),
    texts Array(String),
    log_stamp DateTime64(3, 'UTC'),
    log_topic LowCardinality(String),
    log_partition UInt64,
    log_offset UInt64
)
engine = Null;

create materialized view if not exists `weir_local`.dead_letters_ingest on cluster `weir` to `weir_local`.dead_letters as
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
where progress.known = 0 or arrival.log_offset > progress.done;

create table if not exists `weir_local`.dead_letters_queue on cluster `weir_consumers`
(
    value String
)
engine = Kafka
settings
    kafka_broker_list = 'kafka:9092',
    kafka_topic_list = 'weir.dead-letters.{shard}',
    kafka_group_name = 'weir-store-dead_letters.{shard}',
    kafka_format = 'RawBLOB',
    kafka_handle_error_mode = 'stream',
    kafka_num_consumers = 1,
    kafka_thread_per_consumer = 0,
    kafka_max_block_size = 10000,
    kafka_flush_interval_ms = 400 comment 'weir:74175c0735d060b73f557fbb7d04d56ee39fc910d02810d5a6a2de7d5e59e182';

create materialized view if not exists `weir_local`.dead_letters_feed on cluster `weir_consumers`
    to `weir_local`.dead_letters_arrivals as
select
    value,
    _headers.name as names,
    _headers.value as texts,
    ifNull(_timestamp_ms, toDateTime64(0, 3, 'UTC')) as log_stamp,
    _topic as log_topic,
    _partition as log_partition,
    _offset as log_offset
from `weir_local`.dead_letters_queue;
