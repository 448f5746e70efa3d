create table if not exists `weir_local`.visitors on cluster `weir`
(
    project_id LowCardinality(String),
    hour DateTime('UTC') codec(Delta, ZSTD(1)),
    half_hour DateTime('UTC') codec(Delta, ZSTD(1)),
    visitor UInt64 codec(LZ4),
    events SimpleAggregateFunction(sum, UInt64) codec(T64, ZSTD(1)),
    screen_views SimpleAggregateFunction(sum, UInt64) codec(T64, ZSTD(1))
)
engine = ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
partition by toYYYYMM(hour)
order by (project_id, half_hour, visitor)
settings default_compression_codec = 'ZSTD(1)';

create or replace table `weir`.visitors on cluster `weir` as `weir_local`.visitors
engine = Distributed('weir', 'weir_local', 'visitors');

create table if not exists `weir_local`.event_visitors on cluster `weir`
(
    project_id LowCardinality(String),
    name LowCardinality(String),
    hour DateTime('UTC') codec(Delta, ZSTD(1)),
    half_hour DateTime('UTC') codec(Delta, ZSTD(1)),
    visitor UInt64 codec(LZ4),
    events SimpleAggregateFunction(sum, UInt64) codec(T64, ZSTD(1))
)
engine = ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
partition by toYYYYMM(hour)
order by (project_id, name, half_hour, visitor)
settings default_compression_codec = 'ZSTD(1)';

create or replace table `weir`.event_visitors on cluster `weir` as `weir_local`.event_visitors
engine = Distributed('weir', 'weir_local', 'event_visitors');

create table if not exists `weir_local`.pages on cluster `weir`
(
    project_id LowCardinality(String),
    hour DateTime('UTC') codec(Delta, ZSTD(1)),
    half_hour DateTime('UTC') codec(Delta, ZSTD(1)),
    page UInt64,
    origin SimpleAggregateFunction(any, String) codec(ZSTD(1)),
    path SimpleAggregateFunction(any, String) codec(ZSTD(1)),
    title AggregateFunction(argMax, String, Tuple(DateTime64(3, 'UTC'), UUID)) codec(ZSTD(1)),
    screen_views SimpleAggregateFunction(sum, UInt64) codec(T64, ZSTD(1))
)
engine = ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
partition by toYYYYMM(hour)
order by (project_id, half_hour, page)
settings default_compression_codec = 'ZSTD(1)';

create or replace table `weir`.pages on cluster `weir` as `weir_local`.pages
engine = Distributed('weir', 'weir_local', 'pages');

create table if not exists `weir_local`.page_visits on cluster `weir`
(
    project_id LowCardinality(String),
    page UInt64,
    hour DateTime('UTC') codec(Delta, ZSTD(1)),
    half_hour DateTime('UTC') codec(Delta, ZSTD(1)),
    visitor UInt64 codec(LZ4),
    session UInt64 codec(LZ4),
    screen_views SimpleAggregateFunction(sum, UInt64) codec(T64, ZSTD(1))
)
engine = ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
partition by toYYYYMM(hour)
order by (project_id, page, half_hour, visitor, session)
settings default_compression_codec = 'ZSTD(1)';

create or replace table `weir`.page_visits on cluster `weir` as `weir_local`.page_visits
engine = Distributed('weir', 'weir_local', 'page_visits');

create table if not exists `weir_local`.session_sums on cluster `weir`
(
    project_id LowCardinality(String),
    hour DateTime('UTC') codec(Delta, ZSTD(1)),
    half_hour DateTime('UTC') codec(Delta, ZSTD(1)),
    currency LowCardinality(String),
    sessions SimpleAggregateFunction(sum, Int64),
    bounces SimpleAggregateFunction(sum, Int64),
    lasting SimpleAggregateFunction(sum, Int64),
    session_ms SimpleAggregateFunction(sum, Int64),
    session_views SimpleAggregateFunction(sum, Int64),
    session_events SimpleAggregateFunction(sum, Int64),
    revenue SimpleAggregateFunction(sum, Int64)
)
engine = ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
partition by toYYYYMM(hour)
order by (project_id, half_hour, currency)
settings default_compression_codec = 'ZSTD(1)';

create or replace table `weir`.session_sums on cluster `weir` as `weir_local`.session_sums
engine = Distributed('weir', 'weir_local', 'session_sums');

create table if not exists `weir_local`.visits on cluster `weir`
(
    project_id LowCardinality(String),
    hour DateTime('UTC') codec(Delta, ZSTD(1)),
    half_hour DateTime('UTC') codec(Delta, ZSTD(1)),
    visitor UInt64 codec(LZ4),
    session UInt64 codec(LZ4),
    referrer String codec(ZSTD(1)),
    referrer_name LowCardinality(String),
    referrer_type LowCardinality(String),
    utm_source LowCardinality(String),
    utm_medium LowCardinality(String),
    utm_campaign LowCardinality(String),
    utm_term String codec(ZSTD(1)),
    utm_content String codec(ZSTD(1)),
    country LowCardinality(String),
    region LowCardinality(String),
    city LowCardinality(String),
    os LowCardinality(String),
    os_version LowCardinality(String),
    browser LowCardinality(String),
    browser_version LowCardinality(String),
    device LowCardinality(String),
    brand LowCardinality(String),
    model LowCardinality(String),
    entry_origin LowCardinality(String),
    entry_path String codec(ZSTD(1)),
    exit_origin LowCardinality(String),
    exit_path String codec(ZSTD(1)),
    duration_ms Int64 codec(T64, ZSTD(1)),
    screen_view_count UInt32 codec(T64, ZSTD(1)),
    is_bounce UInt8,
    revenue Int64 codec(T64, ZSTD(1)),
    currency LowCardinality(String),
    sign Int8,
    version UInt32
)
engine = ReplicatedVersionedCollapsingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', sign, version)
partition by toYYYYMM(hour)
order by (project_id, half_hour, visitor, session)
settings default_compression_codec = 'ZSTD(1)';

create or replace table `weir`.visits on cluster `weir` as `weir_local`.visits
engine = Distributed('weir', 'weir_local', 'visits');

create table if not exists `weir_local`.property_values on cluster `weir`
(
    project_id LowCardinality(String),
    key LowCardinality(String),
    value String codec(ZSTD(1)),
    day DateTime('UTC') codec(Delta, ZSTD(1)),
    events SimpleAggregateFunction(sum, UInt64) codec(T64, ZSTD(1)),
    last_seen SimpleAggregateFunction(max, DateTime64(3, 'UTC')) codec(T64, ZSTD(1))
)
engine = ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
partition by toYYYYMM(day)
order by (project_id, key, value, day)
settings default_compression_codec = 'ZSTD(1)';

create or replace table `weir`.property_values on cluster `weir` as `weir_local`.property_values
engine = Distributed('weir', 'weir_local', 'property_values');

truncate table if exists `weir_local`.visitors;

drop view if exists `weir_local`.visitors_view on cluster `weir`;

create materialized view if not exists `weir_local`.visitors_view on cluster `weir` to `weir_local`.visitors as
select
    project_id,
    toStartOfHour(created_at) as hour,
    toStartOfInterval(toDateTime(created_at), interval 30 minute) as half_hour,
    if(empty(device_id), 0, cityHash64(device_id)) as visitor,
    count() as events,
    countIf(name = 'screen_view') as screen_views
from `weir_local`.events
where bot = '' and synthesized = 0
group by project_id, hour, half_hour, visitor;

insert into `weir_local`.visitors
    (project_id, hour, half_hour, visitor, events, screen_views)
select
    project_id,
    toStartOfHour(created_at) as hour,
    toStartOfInterval(toDateTime(created_at), interval 30 minute) as half_hour,
    if(empty(device_id), 0, cityHash64(device_id)) as visitor,
    count() as events,
    countIf(name = 'screen_view') as screen_views
from `weir_local`.events
where bot = '' and synthesized = 0
group by project_id, hour, half_hour, visitor
settings max_bytes_before_external_group_by = 1000000000;

truncate table if exists `weir_local`.event_visitors;

drop view if exists `weir_local`.event_visitors_view on cluster `weir`;

create materialized view if not exists `weir_local`.event_visitors_view on cluster `weir` to `weir_local`.event_visitors as
select
    project_id,
    name,
    toStartOfHour(created_at) as hour,
    toStartOfInterval(toDateTime(created_at), interval 30 minute) as half_hour,
    if(empty(device_id), 0, cityHash64(device_id)) as visitor,
    count() as events
from `weir_local`.events
where bot = '' and synthesized = 0
group by project_id, name, hour, half_hour, visitor;

insert into `weir_local`.event_visitors
    (project_id, name, hour, half_hour, visitor, events)
select
    project_id,
    name,
    toStartOfHour(created_at) as hour,
    toStartOfInterval(toDateTime(created_at), interval 30 minute) as half_hour,
    if(empty(device_id), 0, cityHash64(device_id)) as visitor,
    count() as events
from `weir_local`.events
where bot = '' and synthesized = 0
group by project_id, name, hour, half_hour, visitor
settings max_bytes_before_external_group_by = 1000000000;

truncate table if exists `weir_local`.pages;

drop view if exists `weir_local`.pages_view on cluster `weir`;

create materialized view if not exists `weir_local`.pages_view on cluster `weir` to `weir_local`.pages as
select
    project_id,
    toStartOfHour(created_at) as hour,
    toStartOfInterval(toDateTime(created_at), interval 30 minute) as half_hour,
    cityHash64(toString(event.origin), event.path) as page,
    any(toString(event.origin)) as origin,
    any(event.path) as path,
    argMaxState(event.title, (created_at, event_id)) as title,
    count() as screen_views
from `weir_local`.events as event
where bot = '' and synthesized = 0 and name = 'screen_view'
group by project_id, hour, half_hour, page;

insert into `weir_local`.pages
    (project_id, hour, half_hour, page, origin, path, title, screen_views)
select
    project_id,
    toStartOfHour(created_at) as hour,
    toStartOfInterval(toDateTime(created_at), interval 30 minute) as half_hour,
    cityHash64(toString(event.origin), event.path) as page,
    any(toString(event.origin)) as origin,
    any(event.path) as path,
    argMaxState(event.title, (created_at, event_id)) as title,
    count() as screen_views
from `weir_local`.events as event
where bot = '' and synthesized = 0 and name = 'screen_view'
group by project_id, hour, half_hour, page
settings max_bytes_before_external_group_by = 1000000000;

truncate table if exists `weir_local`.page_visits;

drop view if exists `weir_local`.page_visits_view on cluster `weir`;

create materialized view if not exists `weir_local`.page_visits_view on cluster `weir` to `weir_local`.page_visits as
select
    project_id,
    cityHash64(toString(origin), path) as page,
    toStartOfHour(created_at) as hour,
    toStartOfInterval(toDateTime(created_at), interval 30 minute) as half_hour,
    if(empty(device_id), 0, cityHash64(device_id)) as visitor,
    if(empty(session_id), 0, cityHash64(session_id)) as session,
    count() as screen_views
from `weir_local`.events
where bot = '' and synthesized = 0 and name = 'screen_view'
group by project_id, page, hour, half_hour, visitor, session;

insert into `weir_local`.page_visits
    (project_id, page, hour, half_hour, visitor, session, screen_views)
select
    project_id,
    cityHash64(toString(origin), path) as page,
    toStartOfHour(created_at) as hour,
    toStartOfInterval(toDateTime(created_at), interval 30 minute) as half_hour,
    if(empty(device_id), 0, cityHash64(device_id)) as visitor,
    if(empty(session_id), 0, cityHash64(session_id)) as session,
    count() as screen_views
from `weir_local`.events
where bot = '' and synthesized = 0 and name = 'screen_view'
group by project_id, page, hour, half_hour, visitor, session
settings max_bytes_before_external_group_by = 1000000000;

truncate table if exists `weir_local`.session_sums;

drop view if exists `weir_local`.session_sums_view on cluster `weir`;

create materialized view if not exists `weir_local`.session_sums_view on cluster `weir` to `weir_local`.session_sums as
select
    project_id,
    toStartOfHour(started_at) as hour,
    toStartOfInterval(toDateTime(started_at), interval 30 minute) as half_hour,
    currency,
    sum(sign) as sessions,
    sum(sign * is_bounce) as bounces,
    sum(sign * (duration_ms > 0)) as lasting,
    sum(sign * duration_ms) as session_ms,
    sum(sign * toInt64(screen_view_count)) as session_views,
    sum(sign * toInt64(event_count)) as session_events,
    sum(sign * began.revenue) as revenue
from `weir_local`.sessions as began
group by project_id, hour, half_hour, currency;

insert into `weir_local`.session_sums
    (project_id, hour, half_hour, currency, sessions, bounces, lasting, session_ms, session_views, session_events,
    revenue)
select
    project_id,
    toStartOfHour(started_at) as hour,
    toStartOfInterval(toDateTime(started_at), interval 30 minute) as half_hour,
    currency,
    sum(sign) as sessions,
    sum(sign * is_bounce) as bounces,
    sum(sign * (duration_ms > 0)) as lasting,
    sum(sign * duration_ms) as session_ms,
    sum(sign * toInt64(screen_view_count)) as session_views,
    sum(sign * toInt64(event_count)) as session_events,
    sum(sign * began.revenue) as revenue
from `weir_local`.sessions as began
group by project_id, hour, half_hour, currency
settings max_bytes_before_external_group_by = 1000000000;

truncate table if exists `weir_local`.visits;

drop view if exists `weir_local`.visits_view on cluster `weir`;

create materialized view if not exists `weir_local`.visits_view on cluster `weir` to `weir_local`.visits as
select
    project_id,
    toStartOfHour(started_at) as hour,
    toStartOfInterval(toDateTime(started_at), interval 30 minute) as half_hour,
    if(empty(device_id), 0, cityHash64(device_id)) as visitor,
    cityHash64(session_id) as session,
    referrer,
    referrer_name,
    referrer_type,
    utm_source,
    utm_medium,
    utm_campaign,
    utm_term,
    utm_content,
    country,
    region,
    city,
    os,
    os_version,
    browser,
    browser_version,
    device,
    brand,
    model,
    entry_origin,
    entry_path,
    exit_origin,
    exit_path,
    duration_ms,
    screen_view_count,
    is_bounce,
    revenue,
    currency,
    sign,
    version
from `weir_local`.sessions;

insert into `weir_local`.visits
    (project_id, hour, half_hour, visitor, session, referrer, referrer_name, referrer_type, utm_source, utm_medium,
    utm_campaign, utm_term, utm_content, country, region, city, os, os_version, browser, browser_version, device,
    brand, model, entry_origin, entry_path, exit_origin, exit_path, duration_ms, screen_view_count, is_bounce,
    revenue, currency, sign, version)
select
    project_id,
    toStartOfHour(started_at) as hour,
    toStartOfInterval(toDateTime(started_at), interval 30 minute) as half_hour,
    if(empty(device_id), 0, cityHash64(device_id)) as visitor,
    cityHash64(session_id) as session,
    referrer,
    referrer_name,
    referrer_type,
    utm_source,
    utm_medium,
    utm_campaign,
    utm_term,
    utm_content,
    country,
    region,
    city,
    os,
    os_version,
    browser,
    browser_version,
    device,
    brand,
    model,
    entry_origin,
    entry_path,
    exit_origin,
    exit_path,
    duration_ms,
    screen_view_count,
    is_bounce,
    revenue,
    currency,
    sign,
    version
from `weir_local`.sessions
settings max_bytes_before_external_group_by = 1000000000;

truncate table if exists `weir_local`.property_values;

drop view if exists `weir_local`.property_values_view on cluster `weir`;

create materialized view if not exists `weir_local`.property_values_view on cluster `weir` to `weir_local`.property_values as
select
    project_id,
    property.1 as key,
    if(
        match(property.2, '^[\\[{]|^[0-9A-Za-z_-]{21,}$|^-?[0-9.]{10,}$'),
        '',
        substringUTF8(property.2, 1, 100)
    ) as value,
    toStartOfDay(created_at) as day,
    count() as events,
    max(created_at) as last_seen
from
(
    select
        project_id,
        created_at,
        arrayJoin(
            arrayFlatten(
                arrayMap(
                    top -> if(
                        startsWith(top.2, '{'),
                        arrayMap(
                            inner -> (concat(top.1, '.', inner.1), inner.2),
                            JSONExtractKeysAndValues(top.2, 'String')
                        ),
                        [top]
                    ),
                    JSONExtractKeysAndValues(toJSONString(properties), 'String')
                )
            )
        ) as property
    from `weir_local`.events
    where bot = '' and synthesized = 0
)
where length(property.1) between 1 and 200
group by project_id, key, value, day;

insert into `weir_local`.property_values
    (project_id, key, value, day, events, last_seen)
select
    project_id,
    property.1 as key,
    if(
        match(property.2, '^[\\[{]|^[0-9A-Za-z_-]{21,}$|^-?[0-9.]{10,}$'),
        '',
        substringUTF8(property.2, 1, 100)
    ) as value,
    toStartOfDay(created_at) as day,
    count() as events,
    max(created_at) as last_seen
from
(
    select
        project_id,
        created_at,
        arrayJoin(
            arrayFlatten(
                arrayMap(
                    top -> if(
                        startsWith(top.2, '{'),
                        arrayMap(
                            inner -> (concat(top.1, '.', inner.1), inner.2),
                            JSONExtractKeysAndValues(top.2, 'String')
                        ),
                        [top]
                    ),
                    JSONExtractKeysAndValues(toJSONString(properties), 'String')
                )
            )
        ) as property
    from `weir_local`.events
    where bot = '' and synthesized = 0
)
where length(property.1) between 1 and 200
group by project_id, key, value, day
settings max_bytes_before_external_group_by = 1000000000;
