create view if not exists `weir`.aliases on cluster `weir` as
with recursive walk as
(
    select source_id as alias, profile_id as met, [(version, source_id)] as way
    from `weir`.identities final
    where project_id = {project:String} and kind = 'profile' and is_deleted = 0 and source_id != profile_id
    union all
    select walk.alias as alias, link.profile_id as met, arrayPushBack(walk.way, (link.version, link.source_id)) as way
    from walk
    inner join
    (
        select source_id, profile_id, version
        from `weir`.identities final
        where project_id = {project:String} and kind = 'profile' and is_deleted = 0 and source_id != profile_id
    ) as link on link.source_id = walk.met
    where not has(walk.way.2, walk.met) and length(walk.way) < 64
)
select alias, if(has(longest.2, last), arrayMin(arraySlice(longest, indexOf(longest.2, last))).2, last) as person
from
(
    select alias, argMax(met, length(way)) as last, argMax(way, length(way)) as longest
    from walk
    group by alias
);

create view if not exists `weir`.people on cluster `weir` as
select 'profile' as kind, alias as id, person
from `weir`.aliases(project = {project:String})
union all
select
    'device' as kind,
    link.source_id as id,
    coalesce(nullIf(aliases.person, ''), link.profile_id) as person
from
(
    select source_id, profile_id
    from `weir`.identities final
    where project_id = {project:String} and kind = 'device' and is_deleted = 0
) as link
left join `weir`.aliases(project = {project:String}) as aliases on aliases.alias = link.profile_id;
