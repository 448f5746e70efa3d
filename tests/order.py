"""In which order tests run, so that two workers end together and what they share starts once and late.

`--dist loadfile` hands files out in this order: whoever is free takes the next.
"""

from collections import defaultdict
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]

LONGEST = (
    "tests/integration/test_chaos.py",
    "tests/integration/weir/test_supervisor.py",
    "tests/integration/docs/test_archive_docs.py",
    "tests/integration/docs/test_export_docs.py",
    "tests/integration/archive/test_reprocess.py",
    "tests/integration/test_docs.py",
    "tests/integration/streams/test_guarantee.py",
    "tests/integration/streams/test_rebalance.py",
    "tests/integration/streams/test_chaos.py",
)
"""Files that take most of a minute or more: one of them begun last would leave the other worker idle."""

SHARED = ("gateway_topics", "world", "store", "broker", "stack")
"""Fixtures with processes behind them that files share: those files run one after the other. The stack comes last,
for its services cost the others time as long as they run.
"""

LAST = ("tests/contract/", "tests/unit/")
"""What needs nothing fills the end."""


def arrange(items: list[pytest.Item]) -> None:
    """Sort the tests by file; the order within a file stays."""
    fixtures: dict[str, set[str]] = defaultdict(set)
    for item in items:
        fixtures[_file(item)].update(getattr(item, "fixturenames", ()))
    ranks = {file: _rank(file, used) for file, used in fixtures.items()}
    items.sort(key=lambda item: ranks[_file(item)])


def _rank(file: str, fixtures: set[str]) -> tuple[int, int, str]:
    if file in LONGEST:
        return 0, LONGEST.index(file), file
    if file.startswith(LAST):
        return 3, 0, file
    shared = [number for number, name in enumerate(SHARED) if name in fixtures]
    return (2, max(shared), file) if shared else (1, 0, file)


def _file(item: pytest.Item) -> str:
    return item.path.relative_to(REPOSITORY).as_posix()
