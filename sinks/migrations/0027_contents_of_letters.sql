-- What dead letters hold goes after four hundred days, as the oldest events do: the original bytes, and the words about
-- them. That there was one, where and why stays, because the audit counts them.
alter table {{database}}.dead_letters {{on_cluster}}
    modify column value String codec(ZSTD(3)) ttl toDateTime(log_stamp) + interval 400 day;
alter table {{database}}.dead_letters {{on_cluster}}
    modify column detail String codec(ZSTD(1)) ttl toDateTime(log_stamp) + interval 400 day;
