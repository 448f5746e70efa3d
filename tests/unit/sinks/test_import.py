"""Rows of files, and what they say as raw events."""

import io
from typing import Any

import orjson
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from schemas.raw_event import RawKind
from sinks.import_files import MAX_LINE_BYTES, ImportFileError, format_of, read_rows
from sinks.import_map import RowPassedOver, RowRefused, event, group, identity, owner_of, profile

ROW: dict[str, Any] = {
    "project_id": "shop",
    "event_id": "8A5EDAB2-6f1e-4b53-9d0c-7d2f1a3c5e10",
    "name": "screen_view",
    "device_id": "phone",
    "profile_id": "ann",
    "created_at": "2026-03-01T10:00:00.123Z",
    "received_at": "2026-03-01T10:00:01.000Z",
    "origin": "https://shop.example",
    "path": "/a b",
    "title": "Shop",
    "referrer": "https://search.example/",
    "os": "iOS",
    "browser": "Safari",
    "ip": "81.2.69.0",
    "groups": ["acme"],
    "properties": {"plan": {"name": "pro"}, "__query": {"utm_source": "mail", "q": "ä&b"}, "__hash": "top"},
}


def test_an_event_says_what_its_row_says() -> None:
    [raw] = event(ROW, "other")
    assert (raw.kind, raw.project_id, raw.device_id, raw.profile_id) == (RawKind.TRACK, "other", "phone", "ann")
    assert raw.event_id == "8a5edab2-6f1e-4b53-9d0c-7d2f1a3c5e10"
    assert (raw.time, raw.received_at, raw.ip) == (1_772_359_200_123, 1_772_359_201_000, "81.2.69.0")
    assert raw.payload == {
        "name": "screen_view",
        "groups": ["acme"],
        "properties": {
            "plan": {"name": "pro"},
            "__path": "https://shop.example/a b?utm_source=mail&q=%C3%A4%26b#top",
            "__referrer": "https://search.example/",
            "__title": "Shop",
            "__os": "iOS",
            "__browser": "Safari",
        },
    }
    # As CSV and Parquet have it.
    texts = {**ROW, "groups": '["acme"]', "properties": orjson.dumps(ROW["properties"]).decode(), "synthesized": "0"}
    assert event(texts, "other") == [raw]
    assert owner_of(raw) == "phone"


def test_a_row_without_an_id_has_the_same_one_each_time() -> None:
    row = {name: value for name, value in ROW.items() if name != "event_id"}
    assert event(row, "shop")[0].event_id == event(dict(reversed(row.items())), "shop")[0].event_id
    assert event(row, "shop")[0].event_id != event({**row, "name": "paid"}, "shop")[0].event_id


def test_money_crawlers_and_servers() -> None:
    [paid] = event({**ROW, "name": "revenue", "revenue": "1250", "currency": "EUR"}, "shop")
    assert (paid.payload["properties"]["__revenue"], paid.payload["properties"]["__currency"]) == (1250, "EUR")
    [server] = event({"name": "paid", "created_at": ROW["created_at"], "device": "server"}, "shop")
    assert (server.user_agent, server.device_id) == ("", "")
    assert owner_of(server) == server.event_id
    [bot] = event({**ROW, "bot": "Googlebot"}, "shop")
    assert bot.user_agent == "Googlebot"


@pytest.mark.parametrize(
    ("change", "reason", "told"),
    [
        ({"name": ""}, "not_a_row", "name"),
        ({"created_at": "yesterday"}, "not_a_row", "created_at: it is no time like"),
        ({"created_at": None}, "not_a_row", "created_at: it is missing"),
        ({"created_at": ""}, "not_a_row", "created_at: it is missing"),
        ({"properties": "{"}, "not_a_row", "properties"),
        ({"properties": [1]}, "not_a_row", "properties"),
        ({"groups": {"a": 1}}, "not_a_row", "groups"),
        ({"device_id": 5}, "not_a_row", "device_id"),
        ({"device_id": "x" * 129}, "not_a_row", "device_id"),
        ({"title": "\udcff"}, "not_a_row", "title"),
        ({"name": "revenue", "revenue": "much"}, "not_a_row", "revenue"),
        ({"bot": "Nobody's crawler"}, "bot_unknown", "Nobody"),
    ],
    ids=lambda value: str(value)[:30].replace("\udcff", "surrogate"),
)
def test_what_is_no_row_is_refused(change: dict[str, Any], reason: str, told: str) -> None:
    with pytest.raises(RowRefused, match=told) as refused:
        event({**ROW, **change}, "shop")
    assert refused.value.reason == reason


@pytest.mark.parametrize("query", ["abc", [1], 5, True], ids=repr)
def test_a_property_that_a_sender_called_like_a_pages_query_stays_one(query: Any) -> None:
    [raw] = event({**ROW, "properties": {"__query": query}}, "shop")
    assert (raw.payload["properties"]["__query"], raw.payload["properties"]["__path"]) == (
        query,
        "https://shop.example/a b",
    )


def test_a_row_that_no_json_holds_is_refused() -> None:
    nested: dict[str, Any] = {}
    for _ in range(300):
        nested = {"a": nested}
    with pytest.raises(RowRefused, match="JSON"):
        event({**ROW, "event_id": "", "properties": nested}, "shop")
    with pytest.raises(RowRefused, match="JSON"):
        profile({"profile_id": "ann", "updated_at": ROW["created_at"], "note": "\udcff"}, "shop")


def test_what_weir_makes_is_passed_over() -> None:
    with pytest.raises(RowPassedOver):
        event({**ROW, "synthesized": 1}, "shop")


def test_people_and_groups() -> None:
    row = {"profile_id": "ann", "email": "a@b.c", "groups": ["acme"], "updated_at": "2026-03-01T10:00:00.000Z"}
    known, member = profile(row, "shop")
    assert (known.kind, known.payload["email"], member.payload) == (
        RawKind.IDENTIFY,
        "a@b.c",
        {"group_ids": ["acme"]},
    )
    [acme] = group({"group_id": "acme", "type": "company", "updated_at": row["updated_at"]}, "shop")
    assert (acme.kind, acme.payload["id"]) == (RawKind.GROUP, "acme")
    link = {"profile_id": "ann", "created_at": row["updated_at"]}
    [device] = identity({**link, "kind": "device", "source_id": "phone"}, "shop")
    assert (device.kind, device.device_id, owner_of(device)) == (RawKind.IDENTIFY, "phone", "phone")
    [alias] = identity({**link, "kind": "profile", "source_id": "a-n-n"}, "shop")
    assert (alias.kind, alias.payload, owner_of(alias)) == (RawKind.ALIAS, {"alias": "a-n-n"}, "ann")
    with pytest.raises(RowRefused):
        profile({"updated_at": row["updated_at"]}, "shop")


def test_lines_of_json() -> None:
    long = b'{"a":"' + b"x" * MAX_LINE_BYTES + b'"}\n'
    file = io.BytesIO(b'{"a":1}\n\nno\n[1]\n' + long + b'{"a":2}')
    found = list(read_rows(file, "jsonl"))
    assert [(row.number, row.values) for row in found] == [
        (1, {"a": 1}),
        (3, None),
        (4, None),
        (5, None),
        (6, {"a": 2}),
    ]
    assert [bool(row.problem) for row in found] == [False, True, True, True, False]


def test_csv() -> None:
    file = io.BytesIO(b'"a","b"\n1,"x\ny"\n1\n\xff,2\n3,"q""r"\n')
    found = list(read_rows(file, "csv"))
    assert [row.values for row in found] == [
        {"a": "1", "b": "x\ny"},
        None,
        {"a": "\udcff", "b": "2"},
        {"a": "3", "b": 'q"r'},
    ]
    assert "1 fields, the first line names 2" in found[1].problem
    # Still open: it belongs to who gave it.
    assert not file.closed
    # As spreadsheets write it.
    assert [row.values for row in read_rows(io.BytesIO(b"\xef\xbb\xbfa,b\n1,2\n"), "csv")] == [{"a": "1", "b": "2"}]


def test_parquet() -> None:
    file = io.BytesIO()
    pq.write_table(pa.table({"a": [1, 2], "b": ["x", None]}), file)
    file.seek(0)
    found = list(read_rows(file, "parquet"))
    assert [(row.number, row.values) for row in found] == [(1, {"a": 1, "b": "x"}), (2, {"a": 2, "b": None})]
    with pytest.raises(ImportFileError):
        list(read_rows(io.BytesIO(b"no parquet"), "parquet"))
    # A time that no calendar of ours has.
    late = io.BytesIO()
    pq.write_table(pa.table({"a": pa.array([10**15], pa.timestamp("s"))}), late)
    late.seek(0)
    with pytest.raises(ImportFileError):
        list(read_rows(late, "parquet"))


def test_a_files_ending_says_its_format() -> None:
    assert [format_of(name) for name in ("a.jsonl", "a.NDJSON", "a.csv", "a.parquet")] == [
        "jsonl",
        "jsonl",
        "csv",
        "parquet",
    ]
    with pytest.raises(ImportFileError, match="--format"):
        format_of("a.txt")
