-- What was decided about a dead letter: sent again, or dropped. The letters themselves stay what they were, because the
-- audit counts them. Written by the command `weir dead-letters`, not from Kafka.

create table if not exists {{database}}.dead_letter_outcomes {{on_cluster}}
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
engine = {{engine:ReplacingMergeTree(decided_at)}}
order by (topic, epoch, partition, offset, line);
