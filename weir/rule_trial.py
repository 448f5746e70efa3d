"""What a rule would have told of the events that are stored."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import orjson
from clickhouse_connect.driver.exceptions import ClickHouseError

from query_api.sql.rule_events import PREFIX, rule_events
from schemas.control import RuleRecord
from sinks.client import connect
from sinks.errors import SinkError
from streams.rules import ProjectRules, RulesBatch
from weir.errors import WeirError
from weir.prepare import sink_settings
from weir.settings import Settings

MAX_EVENTS = 200_000


@dataclass(frozen=True, slots=True)
class Trial:
    """``told``: rows as of ``weir.notifications``; ``looked_at``: events that could be a step; ``is_whole``: there were
    not more of them than are looked at.
    """

    told: list[dict[str, Any]]
    looked_at: int
    is_whole: bool


def try_rule(settings: Settings, record: RuleRecord, start: float, end: float) -> Trial:
    """Run the rule over the stored events between two times (seconds), as if it had been in force. By event time, so
    that what came late is where it happened.

    :raises WeirError: the store does not answer.
    """
    query = rule_events(settings.clickhouse_database, record.project_id, record.steps, start, end, MAX_EVENTS)
    told: list[dict[str, Any]] = []
    rules = ProjectRules([record.model_copy(update={"enabled": True})])
    batch = RulesBatch({record.project_id: rules}, {}, told.append)
    looked_at = 0
    try:
        with closing(connect(sink_settings(settings))) as client:
            result = client.query(query.sql, parameters=query.parameters)
            for row in result.named_results():
                looked_at += 1
                batch.see(_event_row(record.project_id, row))
    except (SinkError, ClickHouseError) as error:
        raise WeirError(f"The store does not answer: {error}") from error
    return Trial(told, looked_at, looked_at < MAX_EVENTS)


def _event_row(project_id: str, row: Mapping[str, Any]) -> dict[str, Any]:
    found = {name.removeprefix(PREFIX): value for name, value in row.items()}
    return {**found, "project_id": project_id, "properties": _flat(orjson.loads(found["properties"]), "")}


def _flat(value: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, item in value.items():
        found |= _flat(item, f"{prefix}{name}.") if isinstance(item, dict) else {prefix + name: item}
    return found
