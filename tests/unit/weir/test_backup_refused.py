"""A backup of one node of a cluster would be none, and nobody is left to find out when it is needed."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from weir.cli import cli


@pytest.mark.parametrize("command", [("backup",), ("backup", "--incremental"), ("restore", "2026-03-01T100000Z")])
def test_on_a_cluster_it_is_refused_before_anything_is_done(command: tuple[str, ...], tmp_path: Path) -> None:
    environment = {
        "WEIR_HOME": str(tmp_path),
        "WEIR_CLICKHOUSE_CLUSTER": "main",
        # Nobody answers there: it is refused before anybody is asked.
        "WEIR_CLICKHOUSE_URL": "http://127.0.0.1:1",
        "WEIR_KAFKA_BOOTSTRAP": "127.0.0.1:1",
    }
    refused = CliRunner().invoke(cli, command, env=environment)
    assert refused.exit_code == 1
    assert "BACKUP … ON CLUSTER main" in str(refused.exception)
    assert not (tmp_path / "backups").exists()
