create or replace view `weir`.people on cluster `weir` as
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
    where project_id = {project:String} and kind = 'device' and is_deleted = 0 and source_id not in
    (
        select profile_id
        from `weir`.identities final
        where project_id = {project:String} and is_deleted = 0 and source_id != profile_id
    )
) as link
left join `weir`.aliases(project = {project:String}) as aliases on aliases.alias = link.profile_id;
