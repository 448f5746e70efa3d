-- A device's link is passed over where its id is a known profile's: where other links lead to it. Else that profile's
-- record would be taken for a device's own, and be shown, handed over and erased with somebody else. Its events without a
-- name are of that profile then.

create or replace view {{database}}.people {{on_cluster}} as
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
    where project_id = {project:String} and kind = 'device' and is_deleted = 0 and source_id not in
    (
        select profile_id
        from {{database}}.identities final
        where project_id = {project:String} and is_deleted = 0 and source_id != profile_id
    )
) as link
left join {{database}}.aliases(project = {project:String}) as aliases on aliases.alias = link.profile_id;
