"""The tracker script is served compressed, cached, under each of its names; until it is built a sentence says so."""

import gzip
from pathlib import Path

import brotli
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from ingest.answers import Refusal
from ingest.app import refused
from ingest.tracker import TrackerScripts, best_encoding

SOURCES = {"op1.js": b"/*! MIT */ track()", "op1-replay.js": b"/*! MIT */ record()"}


def _build(directory: Path) -> None:
    directory.mkdir(exist_ok=True)
    (directory / "op1.LICENSE.txt").write_text("MIT License")
    for name, source in SOURCES.items():
        (directory / f"{name}.br").write_bytes(brotli.compress(source))
        (directory / f"{name}.gz").write_bytes(gzip.compress(source))
        (directory / name).write_bytes(source)


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    scripts = TrackerScripts(tmp_path / "dist", "site.js")
    return TestClient(Starlette(routes=scripts.routes(), exception_handlers={Refusal: refused}))


def test_not_built_is_a_sentence_until_it_is(client: TestClient, tmp_path: Path) -> None:
    missing = client.get("/op1.js")
    assert (missing.status_code, missing.headers["x-weir-reason"]) == (404, "script_not_built")
    assert "make page" in missing.json()["message"]
    _build(tmp_path / "dist")
    assert client.get("/op1.js").content == SOURCES["op1.js"]
    assert client.get("/op1.LICENSE.txt").text == "MIT License"


@pytest.mark.parametrize("stem", ["op1", "site"])
def test_each_name_leads_to_its_script(client: TestClient, tmp_path: Path, stem: str) -> None:
    _build(tmp_path / "dist")
    plain = client.get(f"/{stem}.js")
    assert plain.headers["content-type"].startswith("text/javascript")
    assert "immutable" not in plain.headers["cache-control"]
    kept = client.get(f"/{plain.headers['content-location']}")
    assert kept.content == plain.content == SOURCES["op1.js"]
    assert "immutable" in kept.headers["cache-control"]
    replay = client.get(f"/{stem}-replay.js")
    assert replay.content == SOURCES["op1-replay.js"]
    # As the tracker finds its recorder: its own address with -replay before the ending.
    versioned = "/" + plain.headers["content-location"].replace(".js", "-replay.js")
    assert versioned == f"/{replay.headers['content-location']}"
    assert client.get(versioned).content == replay.content


def test_an_old_version_gets_the_new_script_and_not_for_ever(client: TestClient, tmp_path: Path) -> None:
    _build(tmp_path / "dist")
    old = client.get("/op1-0123456789.js")
    assert old.content == SOURCES["op1.js"]
    assert "immutable" not in old.headers["cache-control"]
    assert client.get("/op1-other.js").headers["x-weir-reason"] == "no_such_route"


def test_what_the_browser_has_is_not_sent_again(client: TestClient, tmp_path: Path) -> None:
    _build(tmp_path / "dist")
    first = client.get("/op1.js")
    again = client.get("/op1.js", headers={"if-none-match": f'"other", {first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["cache-control"] == first.headers["cache-control"]


def test_compressed_as_the_browser_can_read_it(client: TestClient, tmp_path: Path) -> None:
    _build(tmp_path / "dist")
    for accepted, expected in (("gzip, deflate, br", "br"), ("gzip", "gzip"), ("identity", None)):
        answer = client.get("/op1.js", headers={"accept-encoding": accepted})
        assert answer.headers.get("content-encoding") == expected
        assert answer.headers["vary"] == "accept-encoding"
        assert answer.content == SOURCES["op1.js"]  # decompressed by the client


@pytest.mark.parametrize(
    ("accepted", "best"),
    [
        ("gzip;q=0.5", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("br; q=0.000", "identity"),
        ("", "identity"),
        ("BR", "br"),
        ("zstd", "identity"),
    ],
)
def test_encodings_a_browser_may_name(accepted: str, best: str) -> None:
    assert best_encoding(accepted) == best
