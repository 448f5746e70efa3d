alter table `weir_local`.events on cluster `weir` modify setting default_compression_codec = 'ZSTD(1)';

alter table `weir_local`.sessions on cluster `weir` modify setting default_compression_codec = 'ZSTD(1)';

alter table `weir_local`.events on cluster `weir`
    modify column created_at DateTime64(3, 'UTC') codec(T64, ZSTD(1)),
    modify column received_at DateTime64(3, 'UTC') codec(T64, ZSTD(1));

create or replace table `weir`.events on cluster `weir` as `weir_local`.events
engine = Distributed('weir', 'weir_local', 'events', log_partition);
