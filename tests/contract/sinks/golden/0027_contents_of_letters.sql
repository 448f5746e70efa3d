alter table `weir_local`.dead_letters on cluster `weir`
    modify column value String codec(ZSTD(3)) ttl toDateTime(log_stamp) + interval 400 day;

create or replace table `weir`.dead_letters on cluster `weir` as `weir_local`.dead_letters
engine = Distributed('weir', 'weir_local', 'dead_letters', log_partition);

alter table `weir_local`.dead_letters on cluster `weir`
    modify column detail String codec(ZSTD(1)) ttl toDateTime(log_stamp) + interval 400 day;

create or replace table `weir`.dead_letters on cluster `weir` as `weir_local`.dead_letters
engine = Distributed('weir', 'weir_local', 'dead_letters', log_partition);
