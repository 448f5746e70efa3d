"""Every command of docs/export.md and docs/backup.md runs, in their order, on a stack of its own."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.broker import REPOSITORY
from tests.stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]


def _script(document: str) -> str:
    blocks = re.findall(r"^```sh\n(.*?)^```$", (REPOSITORY / "docs" / document).read_text(), re.MULTILINE | re.DOTALL)
    assert blocks
    return "".join(blocks)


def test_the_pages_on_export_import_and_backup_run(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "home", {"WEIR_BACKUP_LOCATION": str(tmp_path / "backups")})
    (tmp_path / "work").mkdir()
    demo = "weir demo --history 1d --visits 60 --duration 1s\nweir audit\n"
    script = demo + _script("export.md") + _script("backup.md")
    try:
        stack.start()
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tmp_path / "work",
            env={**stack.environment, "PATH": f"{Path(sys.executable).parent}:{stack.environment['PATH']}"},
            capture_output=True,
            text=True,
            timeout=800,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{stack.log_ends()}"
    finally:
        stack.weir("down", check=False)
    assert "0 refused" in done.stdout
    assert "screen_view" in done.stdout
    assert "The backup is whole." in done.stdout
    assert done.stdout.rstrip().endswith("Clean: every event is accounted for.")
    written = sorted(path.name for path in (tmp_path / "work").iterdir())
    assert written == ["events.parquet", "profiles.jsonl", "sessions.csv"]
