create table if not exists `weir`.dead_letter_outcomes on cluster `weir`
(
    topic LowCardinality(String),
    epoch UInt32,
    partition UInt16,
    offset UInt64,
    line Int32,
    outcome LowCardinality(String),
    lines_left UInt32,
    decided_at DateTime64(3, 'UTC') default now64(3)
)
engine = ReplicatedReplacingMergeTree('/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}', decided_at)
order by (topic, epoch, partition, offset, line);
