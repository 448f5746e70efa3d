-- Views for dashboards, in plain words: docs/grafana.md lists their columns. Whoever may read a view needs no right to
-- the tables behind it, which hold more (addresses, identities); on a server a policy on the view lets a project's user
-- see that project's rows only (`weir grafana`).

create or replace view {{database}}.grafana_events {{on_cluster}}
definer = current_user sql security definer as
select
    project_id as project,
    created_at as time,
    name,
    device_id as visitor,
    session_id as session,
    profile_id as profile,
    origin,
    path,
    title,
    referrer_name,
    referrer_type,
    utm_source,
    utm_medium,
    utm_campaign,
    country,
    region,
    city,
    os,
    browser,
    device,
    language,
    revenue,
    currency,
    properties
from {{database}}.events
where bot = '' and synthesized = 0;

-- One row a session, as it is known now.
create or replace view {{database}}.grafana_sessions {{on_cluster}}
definer = current_user sql security definer as
select
    project_id as project,
    started_at as time,
    session_id as session,
    device_id as visitor,
    profile_id as profile,
    duration_ms / 1000 as seconds,
    event_count as events,
    screen_view_count as page_views,
    is_bounce as bounce,
    entry_path,
    exit_path,
    entry_origin as origin,
    referrer_name,
    referrer_type,
    utm_source,
    utm_medium,
    utm_campaign,
    country,
    region,
    city,
    os,
    browser,
    device,
    revenue,
    currency
from {{database}}.sessions final;

-- From the hourly rollup: answers over years in milliseconds.
create or replace view {{database}}.grafana_hourly {{on_cluster}}
definer = current_user sql security definer as
select
    project_id as project,
    hour as time,
    name,
    currency,
    sum(events_hourly.events) as events,
    sum(events_hourly.screen_views) as page_views,
    sum(events_hourly.revenue) as revenue,
    uniqMerge(devices) as visitors
from {{database}}.events_hourly
group by project_id, hour, name, currency;

-- What could not be processed, and why, without its content.
create or replace view {{database}}.grafana_dead_letters {{on_cluster}}
definer = current_user sql security definer as
select
    project_id as project,
    log_stamp as time,
    stage,
    reason,
    topic
from {{database}}.dead_letters;
