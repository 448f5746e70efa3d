"""Every command of docs/archive.md and docs/reprocess.md runs, in their order, on a stack of its own."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.broker import REPOSITORY
from tests.stack import Stack
from weir.local.ports import free_ports

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def _script(document: str) -> str:
    (block,) = re.findall(r"^```sh\n(.*?)^```$", (REPOSITORY / "docs" / document).read_text(), re.MULTILINE | re.DOTALL)
    return str(block)


def test_the_pages_on_archive_and_reprocessing_run(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    # Nobody waits a quarter of an hour: there is something to verify by then.
    environment = {"WEIR_ARCHIVE_METRICS_PORT": str(free_ports(1)[0]), "WEIR_ARCHIVE_FLUSH_SECONDS": "1"}
    stack = Stack(tmp_path / "home", environment)
    begin, end = _script("archive.md").replace(".weir/archive", str(archive)).split("weir archive list\n")
    demo = "weir demo --history 1d --visits 60 --duration 1s\n"
    script = begin + demo + _script("reprocess.md") + "weir archive list\n" + end + "weir archive list\n"
    try:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=REPOSITORY,
            env={**stack.environment, "PATH": f"{Path(sys.executable).parent}:{stack.environment['PATH']}"},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{stack.log_ends()}"
    finally:
        stack.weir("down", check=False)
    assert "Nothing differs." in done.stdout
    assert "The archive is whole." in done.stdout
    assert list(archive.rglob("*.parquet")), done.stdout
    assert stack.leftovers() == []
