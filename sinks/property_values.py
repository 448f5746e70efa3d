"""Values of properties are suggestions as one types, and bounded: so many of a key outlast their day, for so long.

What bounds a block of rows is in the view (migration `property_values`). A day has many blocks; this does the rest,
once the day is over. Rows of keys are not touched.
"""

from datetime import UTC, datetime, timedelta

from clickhouse_connect.driver.client import Client

from sinks.rendering import on_cluster
from sinks.settings import SinkSettings

MOST_VALUES = 1000
"""Of a key and day; those that came most often."""
KEPT_DAYS = 90
_SETTINGS = {"mutations_sync": 2, "allow_nondeterministic_mutations": 1}


def prune_values(client: Client, settings: SinkSettings, now: datetime, most: int = MOST_VALUES) -> int:
    """Take values of days more than `KEPT_DAYS` ago, and of each key and later day that is over all beyond the first
    ``most``; how many. Of values that came equally often the first by name stay. Safe to repeat.

    :raises ClickHouseError: ClickHouse refuses.
    """
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    parameters = {"today": today, "oldest": today - timedelta(days=KEPT_DAYS), "most": most}
    of_days = "value != '' and day >= {oldest:DateTime('UTC')} and day < {today:DateTime('UTC')}"
    beyond = f"""
        select project_id, key, day, value from
        (
            select project_id, key, day, value,
                row_number() over (partition by project_id, key, day order by sum(events) desc, value) as place
            from property_values
            where {of_days} and (project_id, key, day) in
            (
                select project_id, key, day from property_values where {of_days}
                group by project_id, key, day having uniqExact(value) > {{most:UInt64}}
            )
            group by project_id, key, day, value
        )
        where place > {{most:UInt64}}
    """
    gone = f"(value != '' and day < {{oldest:DateTime('UTC')}}) or (project_id, key, day, value) in ({beyond})"
    found = int(client.query(f"select count() from property_values final where {gone}", parameters).result_rows[0][0])
    if found:
        client.command(
            f"alter table property_values{on_cluster(settings)} delete where {gone}", parameters, settings=_SETTINGS
        )
    return found
