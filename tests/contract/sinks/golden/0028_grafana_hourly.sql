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
where events_hourly.name not in ('session_start', 'session_end')
group by project_id, hour, name, currency;
