create or replace view `weir`.grafana_events on cluster `weir`
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
from `weir`.events
where bot = '' and synthesized = 0;

create or replace view `weir`.grafana_sessions on cluster `weir`
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
from `weir`.sessions final;

create or replace view `weir`.grafana_hourly on cluster `weir`
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
from `weir`.events_hourly
group by project_id, hour, name, currency;

create or replace view `weir`.grafana_dead_letters on cluster `weir`
definer = current_user sql security definer as
select
    project_id as project,
    log_stamp as time,
    stage,
    reason,
    topic
from `weir`.dead_letters;
