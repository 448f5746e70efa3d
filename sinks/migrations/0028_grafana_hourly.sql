-- The hourly rollup holds what Weir makes up under its names, too, which no event of others may have: dashboards count
-- events of people.
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
where events_hourly.name not in ('session_start', 'session_end')
group by project_id, hour, name, currency;
