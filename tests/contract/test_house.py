"""The shape of the house: what a reader may rely on everywhere, held by a look at every file."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

import pytest

from schemas import topics

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("schemas", "ingest", "streams", "sinks", "query_api", "control", "weir")
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
LONG_FILES: frozenset[str] = frozenset()
"""Files over the bound; this list may only shrink."""


def _product_files() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((REPOSITORY / package).rglob("*.py"))


def _tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return [REPOSITORY / name for name in listed.stdout.split("\0") if name and (REPOSITORY / name).is_file()]


def _name(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


@pytest.mark.parametrize("path", _product_files(), ids=_name)
def test_files_and_functions_fit_a_reader(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert len(lines) <= MAX_FILE_LINES or _name(path) in LONG_FILES
    tree = ast.parse("\n".join(lines))
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > MAX_FUNCTION_LINES
    ]
    assert long == []


def test_no_catch_all_modules() -> None:
    assert [_name(path) for path in _product_files() if path.stem in {"utils", "common", "helpers", "misc"}] == []


@pytest.mark.parametrize("path", _product_files(), ids=_name)
def test_environment_is_read_in_settings_only(path: Path) -> None:
    reads = re.findall(r"os\.environ|getenv", path.read_text())
    # Child processes get the whole environment passed on; that reads nothing of it.
    assert reads == [] or path.stem == "settings" or "**os.environ" in path.read_text()


@pytest.mark.parametrize("path", _product_files(), ids=_name)
def test_topics_are_spelled_in_one_place(path: Path) -> None:
    if path == REPOSITORY / "schemas" / "topics.py":
        return
    names = {spec.name for spec in topics.TOPICS} | {topics.HEADER_KIND, topics.HEADER_GATEWAY, topics.HEADER_SEQUENCE}
    tree = ast.parse(path.read_text())
    spelled = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value in names}
    assert spelled == set()


def test_importing_does_nothing() -> None:
    """Every module imports with an empty environment and without a socket or a thread."""
    modules = [
        ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")
        for path in _product_files()
        if path.stem != "__main__" and "migrations" not in path.parts and path.parent.name != "commands"
    ]
    script = (
        "import importlib, socket, sys, threading\n"
        "def refuse(*_): raise RuntimeError('a connection at import')\n"
        "socket.socket.connect = refuse\n"
        f"for name in {modules!r}:\n"
        "    importlib.import_module(name)\n"
        "assert threading.active_count() == 1, threading.enumerate()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_data_path_names_what_exists() -> None:
    text = (REPOSITORY / "docs" / "data-path.md").read_text()
    named = re.findall(r"`([\w./-]+\.(?:py|sql|tsx)|[\w/]+/[\w/]+)(?::(\w+))?`", text)
    assert len(named) > 20
    for path, symbol in named:
        found = REPOSITORY / path
        assert found.exists(), path
        if symbol:
            assert re.search(rf"^(?:async def|def|class) {symbol}\b", found.read_text(), re.MULTILINE), (path, symbol)


def test_every_dead_letter_reason_is_documented() -> None:
    text = (REPOSITORY / "docs" / "operations.md").read_text()
    documented = set(re.findall(r"`([a-z_]+)`", text.split("## Dead letters")[1]))
    used = set()
    for path in (REPOSITORY / "streams").rglob("*.py"):
        used |= set(re.findall(r"Rejected\(\s*\"([a-z_]+)\"", path.read_text()))
    assert used - documented - {"operation_not_supported", "not_an_operation"} == set()


def test_nothing_names_a_machine_or_a_registry() -> None:
    hosts = ("py" + "pi.org", "registry.np" + "mjs.org", "repo1.mav" + "en.org", "files.python" + "hosted.org")
    wrong = []
    for path in _tracked():
        if path.suffix in {".png", ".ico", ".woff2", ".jar"}:
            continue
        text = path.read_text(errors="replace")
        wrong += [f"{_name(path)}: {host}" for host in hosts if host in text]
        wrong += [f"{_name(path)}: a lock with addresses" for _ in re.findall(r'"resolved": *"https?:', text)[:1]]
        wrong += [f"{_name(path)}: {found}" for found in re.findall(r"(?<![\w.])/(?:work|root)/\w+", text)[:1]]
    assert wrong == []


def test_licences_of_what_is_installed_allow_it() -> None:
    refused = re.compile(r"\b(?:A?GPL|GNU (?:Affero )?General Public|SSPL|BUSL|Business Source)", re.IGNORECASE)
    allowed = re.compile(r"LGPL|Lesser|MIT|BSD|Apache", re.IGNORECASE)
    wrong = []
    for distribution in distributions():
        meta = distribution.metadata.json
        stated = " ".join(
            [
                str(meta.get("license_expression", "")),
                str(meta.get("license", ""))[:200],
                *[line for line in meta.get("classifier", []) if line.startswith("License")],
            ]
        )
        if refused.search(stated) and not allowed.search(stated):
            wrong.append(f"{meta['name']}: {stated}")
    assert wrong == []
