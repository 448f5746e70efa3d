create table if not exists `weir_local`.ledger on cluster `weir`
(
    kind LowCardinality(String),
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
    row_tables Array(LowCardinality(String)),
    row_months Array(UInt32),
    row_counts Array(Int64),
    log_topic LowCardinality(String),
    log_epoch UInt32,
    log_partition UInt16,
    log_offset UInt64,
    projection progress
    (
        select log_topic, log_epoch, log_partition, toYYYYMM(stamp), max(log_offset)
        group by log_topic, log_epoch, log_partition, toYYYYMM(stamp)
    )
)
engine = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
partition by toYYYYMM(stamp)
order by (raw_epoch, raw_partition, from_offset)
settings lightweight_mutation_projection_mode = 'rebuild';

create or replace table `weir`.ledger on cluster `weir` as `weir_local`.ledger
engine = Distributed('weir', 'weir_local', 'ledger', log_partition);

create table if not exists `weir_local`.ledger_arrivals on cluster `weir`
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
    log_epoch UInt32,
    log_stamp DateTime64(3, 'UTC'),
    log_topic LowCardinality(String),
    log_partition UInt64,
    log_offset UInt64,
    error String,
    raw_message String
)
engine = Null;

create materialized view if not exists `weir_local`.ledger_ingest on cluster `weir` to `weir_local`.ledger as
select
    arrival.kind as kind,
    arrival.raw_epoch as raw_epoch,
    arrival.raw_partition as raw_partition,
    arrival.from_offset as from_offset,
    arrival.to_offset as to_offset,
    arrival.stamp as stamp,
    arrival.lines as lines,
    arrival.stored as stored,
    arrival.repeated as repeated,
    arrival.bots as bots,
    arrival.filtered as filtered,
    arrival.dead as dead,
    arrival.operations as operations,
    arrival.row_tables as row_tables,
    arrival.row_months as row_months,
    arrival.row_counts as row_counts,
    arrival.log_topic as log_topic,
    arrival.log_epoch as log_epoch,
    toUInt16(arrival.log_partition) as log_partition,
    arrival.log_offset as log_offset
from `weir_local`.ledger_arrivals as arrival
left join
(
    select
        log_topic,
        log_epoch,
        log_partition,
        toYYYYMM(stamp) as month,
        max(log_offset) as done,
        1 as known
    from `weir_local`.ledger
    group by log_topic, log_epoch, log_partition, month
) as progress
    on progress.log_topic = arrival.log_topic
    and progress.log_epoch = arrival.log_epoch
    and progress.log_partition = toUInt16(arrival.log_partition)
    and progress.month = toYYYYMM(arrival.stamp)
where length(arrival.error) = 0 and (progress.known = 0 or arrival.log_offset > progress.done);

create materialized view if not exists `weir_local`.ledger_errors on cluster `weir` to `weir_local`.dead_letters as
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
from `weir_local`.ledger_arrivals as arrival
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
