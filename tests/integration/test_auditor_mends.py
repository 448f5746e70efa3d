"""The auditor of a running stack mends rollups that a killed store has left short, while events come in."""

from pathlib import Path

import clickhouse_connect
import pytest

from sinks.auditor import read_reports
from tests.chaos import findings, stored_numbers, traffic_for
from tests.stack import running_stack
from weir.local.ports import free_ports

pytestmark = [pytest.mark.integration, pytest.mark.long, pytest.mark.chaos, pytest.mark.timeout(600)]

KILLS = 2
SHORT = ("event_visitors", "visits")


def test_rollups_are_mended_after_kills_of_the_store(tmp_path: Path) -> None:
    auditor = {
        "WEIR_AUDITOR": "true",
        "WEIR_AUDITOR_METRICS_PORT": str(free_ports(1)[0]),
        "WEIR_AUDITOR_INTERVAL_SECONDS": "3",
        "WEIR_AUDITOR_QUIET_SECONDS": "5",
    }
    with running_stack(tmp_path, auditor) as stack:
        with traffic_for(stack, rate=200) as traffic:
            for number in range(KILLS):
                stored = len(stored_numbers(stack))
                stack.wait_for(lambda least=stored: len(stored_numbers(stack)) > least, "events come in", 120)  # type: ignore[misc]
                if number == KILLS - 1:
                    # Whether a kill hits the moment between a table and its rollups is chance: this is what it leaves.
                    with clickhouse_connect.get_client(dsn=f"{stack.store_url}/weir", compress=False) as client:
                        for table in SHORT:
                            client.command(f"delete from {table} where 1")
                stack.wait_back("store", stack.kill("store"), 120)
            stack.wait_ready(120)
        assert findings(stack, traffic) == []
        with clickhouse_connect.get_client(dsn=f"{stack.store_url}/weir", compress=False) as client:
            notes = [note for report in read_reports(client, limit=1000) for note in report.notes]
            for table in SHORT:
                assert any(note.startswith(f"{table}: ") and "made anew" in note for note in notes), notes
