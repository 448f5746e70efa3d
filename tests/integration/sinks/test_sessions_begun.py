"""How many sessions more a reprocessed message begins, by what the ledger told of them before."""

from collections.abc import Iterator

import pytest
from clickhouse_connect.driver.client import Client

from sinks.shadow.plan import PartitionRange, Plan
from sinks.shadow.settle import _SESSIONS_BEGUN
from sinks.shadow.tables import _TOUCHED_TABLE, TOUCHED
from tests.integration.sinks.store import Store

pytestmark = pytest.mark.integration

PLAN = Plan(
    since="",
    until="",
    epoch=1,
    ranges=(PartitionRange(partition=0, warm=0, start=10, end=50, cool=60, edge=60),),
    passed={},
)
LEDGER = """
create table ledger
(
    kind String,
    raw_epoch UInt32,
    raw_partition UInt16,
    from_offset UInt64,
    row_tables Array(LowCardinality(String)),
    row_months Array(UInt32),
    row_counts Array(Int64)
)
engine = MergeTree
order by from_offset
"""
TOLD = {5: 1, 20: 2, 30: 1}
"""By message: the one at 5, which lies before the range, began a; at 20 b and c; at 30 d."""
A, B, C, D = ("a", 12, 0), ("b", 20, 1), ("c", 20, 1), ("d", 30, 1)
NEW, OTHER = ("new", 31, 1), ("b by another rule", 20, 1)


@pytest.fixture(scope="module")
def client(store: Store) -> Iterator[Client]:
    made = store.client()
    made.command("create database begun")
    made.database = "begun"
    made.command(LEDGER)
    made.command("create table sessions (session_month UInt32, sign Int8) engine = MergeTree order by session_month")
    made.command(_TOUCHED_TABLE)
    made.insert(
        "ledger",
        [
            ["message", 1, 0, offset, ["events", "sessions"], [202603, 202603], [4, told]]
            for offset, told in TOLD.items()
        ],
        column_names="*",
    )
    yield made
    made.command("drop database begun")
    made.close()


Touched = tuple[str, int, int]


@pytest.mark.parametrize(
    ("there", "gone", "lost", "change"),
    [
        pytest.param([A, B, C, D], [], [], {}, id="all-there"),
        pytest.param([A, C, D], [B], [OTHER, NEW], {31: 1}, id="another-rule"),
        pytest.param([], [], [A, B, C, D], {}, id="all-lost"),
        pytest.param([B], [], [A, C, D, NEW], {31: 1}, id="some-lost"),
    ],
)
def test_what_the_ledger_told_is_not_told_again(
    client: Client, there: list[Touched], gone: list[Touched], lost: list[Touched], change: dict[int, int]
) -> None:
    """``there``: the table has them, and will; ``gone``: it has them; ``lost``: it will."""
    for table in ("sessions", TOUCHED):
        client.command(f"truncate table {table}")
    for _ in (*there, *gone):
        client.command("insert into sessions values (202603, 1)")
    for found, was_there, events in ((there, 1, 3), (gone, 1, 0), (lost, 0, 3)):
        for name, offset, whole in found:
            client.command(
                f"insert into {TOUCHED} (project_id, session_id, session_month, begun_at, was_there, event_count, "
                f"whole) values ('shop', '{name}', 202603, {offset}, {was_there}, {events}, {whole})"
            )
    rows = client.query(_SESSIONS_BEGUN, PLAN.parameters()).result_rows
    assert {row[1]: row[4] for row in rows if row[4]} == change
