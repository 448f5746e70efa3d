"""Every command in the README and the quickstart runs, in their order, on a stack of its own."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker import REPOSITORY
from tests.stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

DOCUMENTS = ("README.md", "docs/quickstart.md")
_NOT_HERE = re.compile(r"^make (check|test|chaos|bench)\b")
"""Commands that would run this very suite or take long; that they are targets is tested instead."""


def _blocks(document: str) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", (REPOSITORY / document).read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path / "home", page=True)
    try:
        yield stack
    finally:
        stack.weir("down", check=False)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_of_a_document_run(document: str, stack: Stack) -> None:
    addresses = {
        "127.0.0.1:8050": stack.gateway_url.removeprefix("http://"),
        "127.0.0.1:8051": stack.query_api_url.removeprefix("http://"),
        "127.0.0.1:8123": stack.store_url.removeprefix("http://"),
    }
    blocks = _blocks(document)
    assert blocks
    for block in blocks:
        script = "\n".join(line for line in block.splitlines() if not _NOT_HERE.match(line))
        for shown, ours in addresses.items():
            script = script.replace(shown, ours)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=REPOSITORY,
            env={**stack.environment, "DEMO": "--history 1d --rate 20 --duration 3s"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}\n{stack.log_ends()}"
    assert stack.leftovers() == []


def test_every_make_target_named_is_one() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    for document in [REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")]:
        named = set(re.findall(r"^make ([a-z-]+)", document.read_text(), re.MULTILINE))
        assert named <= targets, document.name
