"""What is reprocessed: which offsets of which raw partitions, and how far it has got. Kept with the tables it is of."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from clickhouse_connect.driver.client import Client
from pydantic import BaseModel, ConfigDict

from schemas import topics
from sinks.errors import SinkError
from sinks.sql_text import literal

HOLDER = "ledger_shadow"
"""The table whose comment the plan is."""


class ReprocessError(SinkError):
    """History was not reprocessed; the tables are what they were, or what they shall be, month by month."""


class Stage(StrEnum):
    """How far it has got."""

    FILLING = "filling"
    """New rows are being made; begun again when it breaks off."""
    READY = "ready"
    """The new rows are complete and can be put in place."""
    APPLYING = "applying"
    """Months are being put in place; goes on when it breaks off."""


class PartitionRange(BaseModel):
    """Offsets of a raw partition; see ``streams.reprocess.OffsetRange``."""

    model_config = ConfigDict(frozen=True)

    partition: int
    warm: int
    start: int
    end: int
    cool: int
    edge: int


class Coordinate(BaseModel):
    """A place in a table's topic that ClickHouse has passed: rows may bear it, whatever comes again from Kafka."""

    model_config = ConfigDict(frozen=True)

    epoch: int = 0
    offset: int = 0


class Plan(BaseModel):
    """One run. ``passed``: per table and raw partition a place in the table's topic that was consumed."""

    model_config = ConfigDict(frozen=True)

    since: str
    until: str
    """Both UTC, for people; the offsets of ``ranges`` are what counts."""
    epoch: int
    ranges: tuple[PartitionRange, ...]
    passed: dict[str, dict[int, Coordinate]]
    stage: Stage = Stage.FILLING
    fingerprints: dict[str, str] = {}
    """Of the range's rows in each table, when the new ones were complete."""
    differing: tuple[str, ...] = ()
    """The tables of which anything differs."""

    def parameters(self, **more: Any) -> dict[str, Any]:
        """What the conditions below bind."""
        return {
            "epoch": self.epoch,
            "parts": [found.partition for found in self.ranges],
            "starts": [found.start for found in self.ranges],
            "ends": [found.end for found in self.ranges],
            "edges": [found.edge for found in self.ranges],
            "raw_topic": topics.RAW,
            **more,
        }


def _of(name: str, partition: str) -> str:
    return f"arrayElement({{{name}:Array(UInt64)}}, indexOf({{parts:Array(UInt16)}}, {partition}))"


def within(epoch: str = "raw_epoch", partition: str = "raw_partition", offset: str = "raw_offset") -> str:
    """The condition that a row's message lies in the range."""
    starts, ends = _of("starts", partition), _of("ends", partition)
    return f"({epoch} = {{epoch:UInt32}} and {offset} >= {starts} and {offset} < {ends})"


def settled(epoch: str = "raw_epoch", partition: str = "raw_partition", offset: str = "raw_offset") -> str:
    """The condition that a row's batch was done when the run was planned."""
    return f"({epoch} = {{epoch:UInt32}} and {offset} < {_of('edges', partition)})"


def write_plan(client: Client, plan: Plan) -> None:
    """Keep the plan; its table must be there."""
    client.command(f"alter table {HOLDER} modify comment {literal(plan.model_dump_json())}")


def read_plan(client: Client) -> Plan | None:
    """The plan that is there."""
    rows = client.query(
        "select comment from system.tables where database = currentDatabase() and name = {name:String}",
        {"name": HOLDER},
    ).result_rows
    return Plan.model_validate_json(rows[0][0]) if rows and rows[0][0] else None


def coordinates(passed: Mapping[int, Coordinate], plan: Plan) -> dict[str, list[int]]:
    """A table's passed places as parallel arrays, in the order of ``parts``."""
    places = [passed.get(found.partition, Coordinate()) for found in plan.ranges]
    return {"passed_epochs": [place.epoch for place in places], "passed_offsets": [place.offset for place in places]}
