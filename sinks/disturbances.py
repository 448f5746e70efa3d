"""When ClickHouse last broke off what it was inserting: only then can a rollup differ from its table."""

from datetime import UTC, datetime

from clickhouse_connect.driver.client import Client

from sinks.settings import SinkSettings
from sinks.sql_text import literal

_COMPLAINED = "select max(arrayMax(arrayPushBack(exceptions.time, toDateTime(0)))) as at from {consumers}"
_STARTED = "select max(now() - toIntervalSecond(uptime())) as at from {one}"


def last_disturbance(client: Client, settings: SinkSettings) -> datetime:
    """When a server was started (the one before it may have been killed) or a Kafka table's consumer last complained
    (of a view that threw, perhaps), whichever came later, by ClickHouse's clock.
    """
    cluster = settings.clickhouse_cluster

    def everywhere(table: str) -> str:
        return f"clusterAllReplicas({literal(cluster)}, system.{table})" if cluster else f"system.{table}"

    complained = _COMPLAINED.format(consumers=everywhere("kafka_consumers"))
    started = _STARTED.format(one=everywhere("one"))
    rows = client.query(f"select toUnixTimestamp(max(at)) from ({complained} union all {started})").result_rows
    return datetime.fromtimestamp(rows[0][0], UTC)
