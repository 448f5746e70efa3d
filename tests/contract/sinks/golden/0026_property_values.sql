truncate table if exists `weir_local`.property_values;

drop view if exists `weir_local`.property_values_view on cluster `weir`;

create materialized view if not exists `weir_local`.property_values_view on cluster `weir` to `weir_local`.property_values as
select
    project_id,
    told.1 as key,
    if(told.2 = '\0', '', substringUTF8(told.2, 1, 100)) as value,
    day,
    sum(number) as events,
    max(latest) as last_seen
from
(
    select
        project_id,
        toStartOfDay(created_at) as day,
        arrayJoin(
            arrayConcat(
                arrayMap(path -> (path, '\0'), JSONAllPaths(properties)),
                if(
                    rowNumberInBlock() % (1 + intDiv(blockSize(), 1000)) = 0,
                    JSONExtractKeysAndValues(toJSONString(properties), 'String'),
                    []
                )
            )
        ) as property,
        sum(if(property.2 = '\0', 1, 1 + intDiv(blockSize(), 1000))) as number,
        max(created_at) as latest
    from `weir_local`.events
    where bot = '' and synthesized = 0
    group by project_id, day, property
)
array join
    if(
        startsWith(property.2, '{'),
        arrayMap(inner -> (concat(property.1, '.', inner.1), inner.2), JSONExtractKeysAndValues(property.2, 'String')),
        [property]
    ) as told
where length(told.1) between 1 and 200 and told.2 != ''
    and not match(told.2, '^[\\[{]|^[0-9A-Za-z_-]{21,}$|^-?[0-9.]{10,}$')
group by project_id, key, value, day;

insert into `weir_local`.property_values
    (project_id, key, value, day, events, last_seen)
select
    project_id,
    told.1 as key,
    if(told.2 = '\0', '', substringUTF8(told.2, 1, 100)) as value,
    day,
    sum(number) as events,
    max(latest) as last_seen
from
(
    select
        project_id,
        toStartOfDay(created_at) as day,
        arrayJoin(
            arrayConcat(
                arrayMap(path -> (path, '\0'), JSONAllPaths(properties)),
                if(
                    rowNumberInBlock() % (1 + intDiv(blockSize(), 1000)) = 0,
                    JSONExtractKeysAndValues(toJSONString(properties), 'String'),
                    []
                )
            )
        ) as property,
        sum(if(property.2 = '\0', 1, 1 + intDiv(blockSize(), 1000))) as number,
        max(created_at) as latest
    from `weir_local`.events
    where bot = '' and synthesized = 0
    group by project_id, day, property
)
array join
    if(
        startsWith(property.2, '{'),
        arrayMap(inner -> (concat(property.1, '.', inner.1), inner.2), JSONExtractKeysAndValues(property.2, 'String')),
        [property]
    ) as told
where length(told.1) between 1 and 200 and told.2 != ''
    and not match(told.2, '^[\\[{]|^[0-9A-Za-z_-]{21,}$|^-?[0-9.]{10,}$')
group by project_id, key, value, day
settings max_bytes_before_external_group_by = 1000000000;
