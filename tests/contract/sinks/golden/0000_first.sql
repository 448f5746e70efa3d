create database if not exists `weir` on cluster `weir`;

create database if not exists `weir_local` on cluster `weir`;

create table if not exists `weir`.schema_migrations on cluster `weir`
(
    file String,
    checksum String,
    statement UInt32,
    done_at DateTime64(3, 'UTC') default now64(3)
)
engine = ReplicatedMergeTree('/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}')
order by (file, statement);
