"""What an audit advises about a rollup hangs on whether its table is whole."""

from datetime import UTC, datetime

from sinks.audit import damaged_tables, rollup_finding
from sinks.audit_report import Finding, Kind
from sinks.rollup_compare import Differing
from sinks.rollups import EVENTS_HOURLY

DIFFERING = Differing({datetime(2026, 3, 1, tzinfo=UTC): 2})


def test_a_table_that_lost_rows_is_mended_before_its_rollups() -> None:
    whole, damaged = rollup_finding(EVENTS_HOURLY, DIFFERING), rollup_finding(EVENTS_HOURLY, DIFFERING, is_damaged=True)
    assert whole is not None
    assert damaged is not None
    assert "(weir rebuild mends them)" in whole.summary
    assert "(mend events first, with weir reprocess or weir restore: " in damaged.summary


def test_which_tables_are_damaged() -> None:
    found = [
        Finding(kind=Kind.MISSING, table="events", count=1, summary=""),
        Finding(kind=Kind.SESSION_COUNT, table="sessions", count=1, summary=""),
        Finding(kind=Kind.LEDGER_BEHIND, table="ledger", count=1, summary=""),
        Finding(kind=Kind.STORE_BEHIND, table="identities", count=1, summary=""),
        Finding(kind=Kind.ROLLUP, table="visits", count=1, summary=""),
    ]
    assert damaged_tables(found) == {"events", "sessions"}
