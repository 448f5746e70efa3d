"""docs/ingest.md tells every reason the gateway can give, with its status, and no other; and every route it has."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from ingest.app import COLLECTING
from tests.broker import REPOSITORY

DOCUMENT = (REPOSITORY / "docs" / "ingest.md").read_text()
MADE_ELSEWHERE = {
    (202, "bot"),
    (400, "event_in_future"),
    (400, "event_too_old"),
    (401, "filtered_ip"),
    (401, "filtered_profile_id"),
    (503, "kafka_unavailable"),
    (503, "not_ready"),
    (503, "spool_failed"),
    (503, "spool_full"),
}
"""Reasons that are not spelled where the refusal is made."""
STATUS_OF = {"bad_request": 400, "unavailable": 503}


def _documented() -> dict[str, set[int]]:
    """Reason to statuses, from the table's rows: | `reason`, … | status | … |"""
    found: dict[str, set[int]] = {}
    table = DOCUMENT.split("## Reasons")[1].split("\n## ")[0]
    for reasons, status in re.findall(r"^\| (`[^|]+) \| (\d{3}) \|", table, re.MULTILINE):
        for reason in re.findall(r"`([a-z0-9_]+)`", reasons):
            found.setdefault(reason, set()).add(int(status))
    return found


def _made() -> Iterator[tuple[int, str, str]]:
    """(status, pattern of the reason, place) of every refusal that is spelled in the code."""
    for path in sorted((REPOSITORY / "ingest").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                yield from _refusal(node.func.id, node.args, f"{path.relative_to(REPOSITORY)}:{node.lineno}")


def _refusal(name: str, arguments: list[ast.expr], place: str) -> Iterator[tuple[int, str, str]]:
    if name == "Refusal" and len(arguments) > 1 and isinstance(arguments[0], ast.Constant):
        status, reason = int(str(arguments[0].value)), arguments[1]
    elif name in STATUS_OF and arguments:
        status, reason = STATUS_OF[name], arguments[0]
    else:
        return
    if isinstance(reason, ast.Constant):
        yield status, re.escape(str(reason.value)), place
    elif isinstance(reason, ast.JoinedStr):
        parts = [re.escape(str(part.value)) if isinstance(part, ast.Constant) else "[a-z_]+" for part in reason.values]
        yield status, "".join(parts), place


def test_every_reason_is_documented_with_its_status() -> None:
    documented = _documented()
    missing = [
        f"{status} {reason} ({place})"
        for status, reason, place in _made()
        if not any(re.fullmatch(reason, name) and status in statuses for name, statuses in documented.items())
    ]
    assert missing == []
    assert {pair for pair in MADE_ELSEWHERE if pair[0] not in documented.get(pair[1], set())} == set()


def test_no_reason_is_documented_that_nobody_gives() -> None:
    made = {reason for _, reason, _ in _made()} | {re.escape(reason) for _, reason in MADE_ELSEWHERE}
    unknown = [name for name in _documented() if not any(re.fullmatch(reason, name) for reason in made)]
    sources = "\n".join(path.read_text() for path in (REPOSITORY / "ingest").rglob("*.py"))
    # Some are chosen by name before the refusal is made.
    assert [name for name in unknown if f'"{name}"' not in sources] == []


def test_every_route_is_documented() -> None:
    prefixes = ("/openpanel", "/segment", "/rudderstack", "/posthog", "/plausible", "/umami", "/ga4")
    named = set(re.findall(r"`(?:(?:GET|POST) )?(/[^`\s]*)`", DOCUMENT.split("## Reasons")[0]))
    bare = {path for path in COLLECTING if not path.startswith(prefixes)}
    assert bare - named == set()
    assert {prefix for prefix in prefixes if f"`{prefix}`" not in DOCUMENT} == set()


def test_every_page_named_is_there() -> None:
    pages = re.findall(r"\]\(([\w/.-]+\.md)[#)]?", DOCUMENT)
    # `ingest/` is the folder of the protocols' own pages.
    assert [page for page in pages if not (Path(REPOSITORY) / "docs" / page).is_file()] == []
