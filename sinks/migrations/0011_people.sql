-- People: whom each linked device and each other id of a profile means today; docs/identity.md has the rules. Views with
-- a parameter, so that a question reads the links of one project and no more:
--
--     select kind, id, person from people(project = 'shop')

-- Other ids of profiles, followed from link to link to the end. Where links go in a circle, the one that was said first
-- is passed over: the id it was said of is the person. Farther than 64 links nobody goes.
create view if not exists {{database}}.aliases {{on_cluster}} as
with recursive walk as
(
    select source_id as alias, profile_id as met, [(version, source_id)] as way
    from {{database}}.identities final
    where project_id = {project:String} and kind = 'profile' and is_deleted = 0 and source_id != profile_id
    union all
    select walk.alias as alias, link.profile_id as met, arrayPushBack(walk.way, (link.version, link.source_id)) as way
    from walk
    inner join
    (
        select source_id, profile_id, version
        from {{database}}.identities final
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

create view if not exists {{database}}.people {{on_cluster}} as
select 'profile' as kind, alias as id, person
from {{database}}.aliases(project = {project:String})
union all
select
    'device' as kind,
    link.source_id as id,
    coalesce(nullIf(aliases.person, ''), link.profile_id) as person
from
(
    select source_id, profile_id
    from {{database}}.identities final
    where project_id = {project:String} and kind = 'device' and is_deleted = 0
) as link
left join {{database}}.aliases(project = {project:String}) as aliases on aliases.alias = link.profile_id;
