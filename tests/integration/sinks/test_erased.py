"""Rows of an erased person, from before the erasure, do not come in again when Kafka's messages are repeated."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from clickhouse_connect.driver.client import Client

from sinks.erased_rows import Cut, count_rows, list_ids, put_in_force, take_unread_messages
from sinks.person_export import export_person
from tests.integration.sinks.arrivals import arrive, number

pytestmark = pytest.mark.integration

EPOCH = 5
CUT = Cut(7, "shop", EPOCH, (10, 20), round(datetime(2026, 3, 1, 10, tzinfo=UTC).timestamp() * 1000))
TIME = "2026-03-01 10:00:00.000"
TODAY = f"{datetime.now(UTC):%F %T}.000"
"""Recordings are not kept for long."""
HERS: dict[str, dict[str, Any]] = {
    "events": {"device_id": "ada-phone", "session_id": "s1", "created_at": TIME},
    "sessions": {"device_id": "ada-phone", "session_id": "s1", "session_month": 202603, "sign": 1, "version": 1},
    "replay_chunks": {"device_id": "ada-phone", "session_id": "s1", "stamp": TODAY},
    "identities": {"kind": "device", "source_id": "ada-phone", "profile_id": "ada", "version": 3},
}
"""A row of hers in each table; whose it is otherwise is said by what is put in its place."""


def place(offset: int, partition: int = 0, epoch: int = EPOCH) -> dict[str, Any]:
    return {"project_id": "shop", "raw_epoch": epoch, "raw_partition": partition, "raw_offset": offset, "log_epoch": 1}


@pytest.mark.parametrize("table", HERS)
def test_what_is_of_before_stays_away(schema: Client, table: str) -> None:
    def came(offset: int, row: Mapping[str, Any]) -> int:
        before = number(schema, f"select count() from {table}")
        arrive(schema, table, offset, [{**HERS[table], **row}])
        return number(schema, f"select count() from {table}") - before

    schema.command(f"system stop merges {table}")  # they would make fewer rows of those that come
    list_ids(schema, CUT, {"device": ["ada-phone"], "profile": ["ada"], "session": ["visited"]})
    assert came(0, place(9)) == 1, "listed, but not in force"
    put_in_force(schema, CUT)
    assert came(1, place(9)) == 0
    assert came(1, place(10)) == 1, "of after"
    assert came(2, place(15)) == 1
    assert came(3, place(15, partition=1)) == 0, "each partition has its own end"
    assert came(3, place(99, epoch=EPOCH - 1)) == 0, "an earlier log is of before"
    assert came(3, place(0, epoch=EPOCH + 1)) == 1
    assert came(4, {**place(9), "project_id": "other"}) == 1
    others = {"source_id": "x", "profile_id": "bob"} if table == "identities" else {"device_id": "x", "session_id": "y"}
    assert came(5, {**place(9), **others}) == 1
    if table in ("events", "sessions"):
        assert came(6, {**place(9), **others, "profile_id": "ada"}) == 0
    if table != "identities":
        assert came(6, {**place(9), **others, "session_id": "visited"}) == 0
    # Erased once more, later: what came between is of before now.
    again = Cut(8, "shop", EPOCH, (16, 20), CUT.erased_at + 1)
    list_ids(schema, again, {"device": ["ada-phone"]})
    assert came(6, place(9)) == 0, "the first holds until the second does"
    put_in_force(schema, again)
    assert came(6, place(15)) == 0
    assert came(6, place(16)) == 1


def test_older_records_of_a_profile_stay_away(schema: Client) -> None:
    def row(version: int, profile: str = "ada") -> dict[str, Any]:
        return {"project_id": "shop", "profile_id": profile, "version": version, "email": "a@b.c", "log_epoch": 1}

    arrive(schema, "profiles", 0, [{**row(4), "email": "", "is_deleted": 1}])
    list_ids(schema, CUT, {"profile": ["ada"]})
    schema.command("insert into erased (project_id, kind, id, version, erasure) values ('shop', 'record', 'ada', 4, 7)")
    put_in_force(schema, CUT)
    arrive(schema, "profiles", 1, [row(3), row(5), row(3, "bob")])
    kept = schema.query("select profile_id, version from profiles where email != '' order by all").result_rows
    assert kept == [("ada", 5), ("bob", 3)]


def test_dead_letters_that_name_the_person_stay_away(schema: Client) -> None:
    def letter(offset: int, value: str, raw_offset: int, project: str = "shop", topic: str = "weir.raw") -> int:
        before = number(schema, "select count() from dead_letters")
        headers = {
            "weir-project": project,
            "weir-topic": topic,
            "weir-epoch": str(EPOCH),
            "weir-partition": "0",
            "weir-offset": str(raw_offset),
            "weir-stamp": str(CUT.erased_at + raw_offset - 10),
        }
        row = {"value": value, "names": list(headers), "texts": list(headers.values())}
        arrive(schema, "dead_letters", offset, [row], topic="weir.dead-letters")
        return number(schema, "select count() from dead_letters") - before

    list_ids(schema, CUT, {"profile": ["ada"]})
    put_in_force(schema, CUT)
    assert letter(0, '{"profile_id":"ada"}', 9) == 0
    assert letter(0, '{"profile_id": "ada"}', 9, topic="weir.profile-ops") == 0
    assert letter(0, '{"project_id":"shop","profile_id":"ada"', 9, project="") == 0
    assert letter(0, '{"profile_id":"ada"}', 10) == 1
    assert letter(1, '{"profile_id":"ada"}', 11, topic="weir.profile-ops") == 1
    assert letter(2, '{"profile_id":"adam"}', 9) == 1
    assert letter(3, '{"profile_id":"ada"}', 9, project="other") == 1
    assert letter(4, '{"project_id":"other","profile_id":"ada"', 9, project="") == 1


def test_large_letters_are_not_held_as_often_as_somebody_was_erased(schema: Client) -> None:
    def letters(offset: int, raw_offset: int, values: list[str]) -> None:
        headers = {
            "weir-project": "shop",
            "weir-topic": "weir.raw",
            "weir-epoch": str(EPOCH),
            "weir-partition": "0",
            "weir-offset": str(raw_offset),
        }
        told = {"names": list(headers), "texts": list(headers.values())}
        arrive(
            schema, "dead_letters", offset, [{"value": value, **told} for value in values], topic="weir.dead-letters"
        )

    padding = "x" * 500_000
    large = [f'{{"profile_id":"p{number}","text":"{padding}"}}' for number in range(30)]
    gone = {"profile": [f"p{number}" for number in range(200)]}
    list_ids(schema, CUT, gone)
    put_in_force(schema, CUT)
    letters(0, 10, large)
    assert number(schema, "select count() from dead_letters") == len(large)
    # Once more, later: they are of before now.
    again = Cut(8, "shop", EPOCH, (11, 20), CUT.erased_at + 1)
    list_ids(schema, again, gone)
    assert count_rows(schema, again, "dead_letters") == len(large)
    put_in_force(schema, again)
    letters(1, 10, ['{"profile_id":"p150"}', '{"profile_id":"p200"}'])
    assert number(schema, "select count() from dead_letters") == len(large) + 1


def test_any_id_can_be_exported(schema: Client) -> None:
    person = "50% \\ 'off' %s {a}"
    arrive(schema, "events", 0, [{**HERS["events"], **place(9), "profile_id": person}])
    found = b"".join(export_person(schema, "shop", person, [person], []))
    assert [orjson.loads(line)["type"] for line in found.splitlines()] == ["person", "event"]


def test_others_rows_of_a_message_that_could_not_be_read_are_kept(schema: Client) -> None:
    names = {"ada": "1", "bob": "2", "eve": "x"}
    lines = [
        {"project_id": "shop", "event_id": f"0193{who:0<28}", "device_id": who, "profile_id": who, "created_at": TIME}
        | {"raw_epoch": EPOCH, "raw_offset": 9, "raw_partition": 0, "raw_line": line}
        for who, line in names.items()
    ]
    value = b"\n".join(orjson.dumps(line) for line in lines).decode()
    headers = {"weir-stage": "store", "weir-project": "shop", "weir-topic": "weir.events", "weir-stamp": "1"}
    letter = {"value": value, "names": list(headers), "texts": list(headers.values())}
    arrive(schema, "dead_letters", 0, [letter], topic="weir.dead-letters")
    list_ids(schema, CUT, {"profile": ["ada"]})
    for _ in range(2):
        take_unread_messages(schema, CUT)
    assert schema.query("select profile_id, log_topic from events order by 1").result_rows == [
        ("ada", "weir.events"),
        ("bob", "weir.events"),
    ]
    assert (count_rows(schema, CUT, "events"), count_rows(schema, CUT, "dead_letters")) == (1, 1)
