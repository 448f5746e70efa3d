-- Two thirds of the bytes, measured (docs/store.md): ZSTD for every column that names no codec of its own, and times by
-- their bits. Parts that are there already get it when they are merged.

alter table {{database}}.events {{on_cluster}} modify setting default_compression_codec = 'ZSTD(1)';
alter table {{database}}.sessions {{on_cluster}} modify setting default_compression_codec = 'ZSTD(1)';

alter table {{database}}.events {{on_cluster}}
    modify column created_at DateTime64(3, 'UTC') codec(T64, ZSTD(1)),
    modify column received_at DateTime64(3, 'UTC') codec(T64, ZSTD(1));
