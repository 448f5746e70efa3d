"""From a real browser with the official SDK to a number on the page, nothing in between replaced."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.browser.shop import HERE, PREFIX, open_shop
from tests.stack import Stack, running_stack

pytestmark = [pytest.mark.integration, pytest.mark.browser, pytest.mark.timeout(420)]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("stack"), page=True) as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def _npm_packages() -> None:
    if not (HERE / "node_modules" / "playwright-core").is_dir():
        subprocess.run(["npm", "ci", "--no-fund", "--no-audit"], cwd=HERE, check=True, timeout=300)


def _visit(script: str, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        ["node", script, *arguments], cwd=HERE, capture_output=True, text=True, timeout=120, check=False, env=os.environ
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _ask(stack: Stack, path: str) -> Any:
    headers = {
        "openpanel-client-id": stack.demo.read.client_id,
        "openpanel-client-secret": stack.demo.read.client_secret,
    }
    with urlopen(Request(f"{stack.query_api_url}{path}", headers=headers), timeout=20) as answer:
        return json.loads(answer.read())


def test_a_visit_becomes_numbers(stack: Stack, tmp_path: Path) -> None:
    project = stack.demo.project_id
    with open_shop(stack.gateway_url, stack.demo.write.client_id) as shop:
        visit = _visit("shop_visit.mjs", shop.url, stack.gateway_url, stack.demo.write.client_id)
    assert [answer["status"] for answer in visit["answers"]] == [200] * 6
    assert {answer["body"]["deviceId"] for answer in visit["answers"]} == {visit["deviceId"]}
    told_sessions = {answer["body"]["sessionId"] for answer in visit["answers"]}
    assert len(told_sessions) == 1

    audit = stack.audit(seconds=60)
    assert audit["findings"] == []

    metrics = _ask(stack, f"/insights/{project}/metrics?range=today")["metrics"]
    assert metrics["unique_visitors"] == 1
    assert metrics["total_sessions"] == 1
    assert metrics["total_screen_views"] == 3
    assert metrics["bounce_rate"] == 0
    assert _ask(stack, f"/insights/{project}/live")["visitors"] == 1
    assert {page["path"] for page in _ask(stack, f"/insights/{project}/pages?range=today")} == {
        "/",
        "/teas",
        "/teas/green",
    }

    events = _ask(stack, f"/export/events?projectId={project}&includes=properties&limit=100")["data"]
    told = {event["name"]: event for event in events}
    assert set(told) == {"screen_view", "newsletter", "purchase"}
    assert {event["sessionId"] for event in events} == told_sessions
    purchase = told["purchase"]
    assert purchase["properties"]["product"] == "green tea"
    assert purchase["properties"]["note"] == "half \ufffd emoji"
    assert purchase["profileId"] == "customer-7"
    assert purchase["browser"] == "Chrome Headless"
    assert told["newsletter"]["properties"]["listName"] == "weekly"

    page = _visit(
        "overview_visit.mjs",
        stack.query_api_url,
        stack.demo.read.client_id,
        stack.demo.read.client_secret,
        str(tmp_path / "overview.png"),
    )
    assert page["errors"] == []
    assert page["texts"]["value-unique_visitors"] == "1"
    assert "/teas/green" in page["texts"]["top-pages"]
    assert "purchase" in page["texts"]["top-events"]
    assert (tmp_path / "overview.png").stat().st_size > 10_000


def test_a_script_tag_works_through_the_sites_own_path(stack: Stack) -> None:
    with open_shop(stack.gateway_url, stack.demo.write.client_id) as shop:
        visit = _visit("tag_visit.mjs", shop.url)
    assert visit["elsewhere"] == []
    assert {script["path"] for script in visit["scripts"]} == {
        f"{PREFIX}/op1.js",
        f"{PREFIX}/op1-replay.js",
        f"{PREFIX}/site.js",
    }
    for script in visit["scripts"]:
        assert script["status"] == 200
        assert script["headers"]["content-encoding"] in ("br", "gzip")
        assert script["headers"]["etag"]
    assert {(event["path"], event["status"]) for event in visit["sent"]} == {(f"{PREFIX}/track", 200)}
    names = ["screen_view", "screen_view", "snippet_called", "snippet_queued", "tag_called", "tag_clicked"]
    assert sorted(event["name"] for event in visit["sent"]) == names
    assert len({event["body"]["deviceId"] for event in visit["sent"]}) == 1

    assert stack.audit(seconds=60)["findings"] == []
    query = f"/export/events?projectId={stack.demo.project_id}&includes=properties&limit=100"
    device = visit["sent"][0]["body"]["deviceId"]
    # A device of its own: the one before had the browser's address, this one has the address the proxy told.
    stored = {event["name"]: event for event in _ask(stack, query)["data"] if event["deviceId"] == device}
    assert set(stored) == set(names)
    assert stored["tag_clicked"]["properties"]["buttonName"] == "first"
    assert stored["snippet_queued"]["properties"]["before"] == "loading"
    assert stored["snippet_called"]["properties"]["shelf"] == "tea"
