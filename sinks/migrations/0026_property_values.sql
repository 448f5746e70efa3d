-- Properties as one types them, bounded and cheaper. The row of the empty value says how often a key came on a day: it is
-- exact, and stays. A row for a value is a suggestion. Nearly all of the time went into writing properties as text, so of
-- a block of 1,000 rows or more only every second, third, … is read, which then counts for as many: what comes in slowly
-- is told of in full, and no block has more to tell than of a thousand rows. Retention bounds values by the day and in
-- time.
--
-- Keys are told however deep, values of two levels. '\0' is no value, and marks the key itself.

-- paused: events
truncate table if exists {{database}}.property_values;
drop view if exists {{database}}.property_values_view {{on_cluster}};
create materialized view if not exists {{database}}.property_values_view {{on_cluster}} to {{database}}.property_values as
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
    from {{database}}.events
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
insert into {{database}}.property_values
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
    from {{database}}.events
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

-- resumed
