"""Every example under docs/ingest runs against a stack, and is answered as the page says."""

import re
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from ingest.app import COLLECTING
from ingest.openapi.document import PREFIXES
from tests.broker import REPOSITORY
from tests.stack import Stack
from weir.local.page import TRACKER, build

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

PAGES = sorted((REPOSITORY / "docs" / "ingest").glob("*.md"))
OVERVIEW = sorted((REPOSITORY / "docs").glob("ingest.md"))
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ANSWERS = ("text", "json")


def _without_prefix(path: str) -> str:
    # A protocol's routes are the same behind its own prefix.
    bare = "/" + path[1:].partition("/")[2]
    return bare if bare in COLLECTING else path


class Example(NamedTuple):
    """A command, and its answer with ``…`` for anything; None for one whose answer is not shown."""

    command: str
    answer: str | None


def _examples(page: Path) -> list[Example]:
    """The page's ``sh`` blocks, each with the ``text`` or ``json`` block after it."""
    blocks = [(found[1], found[2]) for found in _BLOCK.finditer(page.read_text())]
    examples = []
    for (language, code), (follower, answer) in pairwise([*blocks, ("", "")]):
        if language == "sh":
            shown = follower in _ANSWERS
            assert shown or "curl" not in code, f"{page.name}: no answer is shown after\n{code}"
            examples.append(Example(code, answer if shown else None))
    return examples


def matches(shown: str, given: str) -> bool:
    """Whether an answer is what the page shows; how lines are broken and indented makes no difference."""
    pattern = ".*".join(re.escape(re.sub(r"\s+", "", part)) for part in shown.split("…"))
    return re.fullmatch(pattern, re.sub(r"\s+", "", given), re.DOTALL) is not None


@pytest.mark.parametrize(
    ("shown", "given", "expected"),
    [
        ('{\n  "a": "…"\n}\n', '{"a":"b c"}', True),
        ('{"a": "…"}', '{"a":1}', False),
        ("HTTP/1.1 204 No Content\n…\n", "HTTP/1.1 204 No Content\r\nx: y\r\n\r\n", True),
        ("", "", True),
        ("", "x", False),
        ("a.b", "axb", False),
    ],
)
def test_dots_stand_for_anything(shown: str, given: str, expected: bool) -> None:
    assert matches(shown, given) == expected


@pytest.mark.parametrize("page", OVERVIEW + PAGES, ids=lambda page: page.stem)
def test_examples_of_a_page(page: Path, stack: Stack, tmp_path: Path) -> None:
    build(tmp_path / "page.log", (TRACKER,))
    demo = stack.demo
    environment = {
        **stack.environment,
        "WEIR": stack.gateway_url,
        "CLIENT_ID": demo.write.client_id,
        "CLIENT_SECRET": demo.write.client_secret,
        "PROJECT_ID": demo.project_id,
    }
    for command, answer in _examples(page):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=REPOSITORY,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}\n{stack.log_ends()}"
        assert answer is None or matches(answer, done.stdout), f"{command}\nshown: {answer}\ngiven: {done.stdout}"


def test_every_route_has_an_example() -> None:
    """Whatever takes events has its place in the page of its protocol, and is asked for in a command there."""
    pages = "\n".join(page.read_text() for page in PAGES).replace("$WEIR", "")
    commands = "\n".join(example.command for page in PAGES for example in _examples(page)).replace("$WEIR", "")
    routes = sorted({_without_prefix(path) for path in COLLECTING})
    assert [route for route in routes if not re.search(rf"(?<!\w){re.escape(route)}(?![\w/])", pages)] == []
    # Behind its prefix, or with a slash at its end, it is the same.
    prefix = rf"(?<![\w/])(?:{'|'.join(PREFIXES)})?"
    asked = [rf"{prefix}{re.escape(route)}(?!/?\w)" for route in routes]
    assert [route for route, way in zip(routes, asked, strict=True) if not re.search(way, commands)] == []
