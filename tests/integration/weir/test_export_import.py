"""Rows exported, imported elsewhere, and imported again: what stands there in the end is the same."""

import json
import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Producer

from schemas.partition import partition_of
from schemas.topics import RAW
from sinks.import_rows import BATCH_ROWS, Progress
from tests.broker import REPOSITORY
from tests.stack import Stack
from weir.cli import cli
from weir.import_file import import_file
from weir.settings import load

pytestmark = [pytest.mark.integration, pytest.mark.timeout(580)]

BROWSER = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 Version/17.1 Safari/604.1"
PARTITIONS = 8
DAYS = 3
SAME = """
select name, event_id, device_id, profile_id, created_at, received_at, origin, path, title, referrer, referrer_name,
    utm_source, utm_campaign, revenue, currency, os, os_version, browser, device, brand, model, groups, ip, bot,
    properties.plan.:String, session_id = '' as no_session
from weir.events where project_id = '{project}' and not synthesized order by created_at, event_id
"""
SESSIONS = """
select device_id, sum(sign), sum(sign * event_count), sum(sign * revenue), sum(sign * duration_ms)
from weir.sessions where project_id = '{project}' group by device_id, started_at having sum(sign) > 0
order by device_id, started_at
"""


class Killed(BaseException):
    """What a killed process does not say."""


def weir(*arguments: str) -> Result:
    """What a command says, run in this process."""
    return CliRunner().invoke(cli, arguments)


def done(*arguments: str) -> str:
    """What a command says that has to succeed."""
    result = weir(*arguments)
    assert result.exit_code == 0, f"{result.output}{result.exception}"
    return result.stdout


@pytest.fixture
def here(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """Commands of this process mean the stack."""
    for name, value in stack.environment.items():
        if name.startswith("WEIR_"):
            monkeypatch.setenv(name, value)
    return stack


def ask(stack: Stack, sql: str, **values: str) -> list[list[Any]]:
    """Rows."""
    answer = httpx.post(stack.store_url, content=f"{sql.format(**values)} format JSONCompactEachRow", timeout=30)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def number(stack: Stack, project: str) -> int:
    """Events that were sent."""
    sql = "select count() from weir.events where project_id = '{project}' and not synthesized"
    return int(ask(stack, sql, project=project)[0][0])


def history(stack: Stack, project: str) -> int:
    """Some days of two devices, a server and a crawler; how many events."""
    producer = Producer({"bootstrap.servers": stack.bootstrap, "log_level": 0})
    begin = datetime.now(UTC).replace(hour=8, minute=0, second=0, microsecond=0) - timedelta(days=DAYS)
    count = 0

    def send(device: str, at: datetime, name: str, properties: dict[str, Any], **more: Any) -> None:
        nonlocal count
        count += 1
        event = {
            "kind": "track",
            "project_id": project,
            "event_id": f"{device}-{count}",
            "device_id": device,
            "time": round(at.timestamp() * 1000),
            "user_agent": BROWSER,
            "ip": "81.2.69.142",
            "payload": {"name": name, "properties": properties, "groups": ["acme"]},
            **more,
        }
        producer.produce(
            RAW, orjson.dumps(event), partition=partition_of(project, device or event["event_id"], PARTITIONS)
        )

    for day in range(DAYS):
        for minute in range(0, 90, 10):
            at = begin + timedelta(days=day, minutes=minute)
            page = f"https://shop.example/p/{minute}?utm_source=mail&utm_campaign=c{day}&q=a%26b#top"
            given = {"__path": page, "__title": 'A "page", ü', "__referrer": "https://google.com/", "plan": "pro"}
            send("phone", at, "screen_view", given, profile_id="ann" if minute else "")
            send("tablet", at + timedelta(seconds=5), "screen_view", {"__path": "https://shop.example/", "n": [1, 2]})
        send("phone", begin + timedelta(days=day, minutes=91), "revenue", {"__revenue": 1250, "__currency": "EUR"})
        send("", begin + timedelta(days=day), "paid", {"amount": 3}, user_agent="", ip="")
    send("", begin, "screen_view", {}, user_agent="Googlebot/2.1 (+http://www.google.com/bot.html)")
    identify = {"kind": "identify", "project_id": project, "profile_id": "ann", "payload": {"email": "a@b.c"}}
    producer.produce(RAW, orjson.dumps(identify), partition=partition_of(project, "ann", PARTITIONS))
    assert producer.flush(30) == 0
    return count


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_what_is_exported_comes_back_as_it_was(here: Stack, tmp_path: Path, ending: str) -> None:
    one, other = f"one-{ending}", f"other-{ending}"
    for project in (one, other):
        done("project", "create", project, "--bot-policy", "flag")
    sent = history(here, one)
    here.wait_for(lambda: number(here, one) >= sent, "the history is stored")
    before = ask(here, SAME, project=one)
    file = tmp_path / f"events.{ending}"
    told = weir("export", "events", "--project", one, "--output", str(file))
    assert told.exit_code == 0, told.output
    if ending == "parquet":
        table = pq.read_table(file)
        assert table.num_rows == len(ask(here, "select 1 from weir.events where project_id = '{project}'", project=one))
        assert str(table.schema.field("created_at").type) == "timestamp[ms, tz=UTC]"
    assert [path.name for path in tmp_path.iterdir()] == [file.name]

    said = done("import", str(file), "--project", other)
    assert f"{len(before)} sent, 0 stored before" in said
    here.wait_for(lambda: number(here, other) == len(before), "what was imported is stored")
    assert ask(here, SAME, project=other) == before
    # Sessions come by a topic of their own.
    sessions = ask(here, SESSIONS, project=one)
    here.wait_for(lambda: ask(here, SESSIONS, project=other) == sessions, "their sessions are the same")
    again = done("import", str(file), "--project", other)
    assert f"0 sent, {len(before)} stored before" in again
    assert number(here, other) == len(before)
    people = tmp_path / f"profiles.{ending}"
    weir("export", "profiles", "--project", one, "--output", str(people))
    done("import", str(people), "--project", other, "--table", "profiles")
    email = "select email from weir.profiles final where project_id = '{project}' and profile_id = 'ann'"
    here.wait_for(lambda: ask(here, email, project=other) == [["a@b.c"]], "profiles are imported")


def test_an_import_that_is_killed_goes_on_and_tells_what_it_refused(here: Stack, tmp_path: Path) -> None:
    done("project", "create", "going-on")
    begin = datetime.now(UTC) - timedelta(hours=5)
    rows = [
        orjson.dumps(
            {
                "name": "counted",
                "event_id": f"row-{count}",
                "device_id": f"device-{count % 7}",
                "created_at": (begin + timedelta(seconds=count)).isoformat(),
            }
        )
        for count in range(2 * BATCH_ROWS + 100)
    ]
    rows[5] = b"not json"
    rows[BATCH_ROWS + 1] = b'{"name":"old","created_at":"2001-01-01T00:00:00Z"}'
    rows[2 * BATCH_ROWS + 50] = b"[]"
    # Deeper than can be written again, and a number beyond 64 bits.
    deep = b'{"a":' * 300 + b"1" + b"}" * 300
    rows[10] = b'{"name":"deep","event_id":"deep","properties":%b,"created_at":"%b"}' % (
        deep,
        begin.isoformat().encode(),
    )
    rows[11] = b'{"name":"revenue","event_id":"much","revenue":1e30,"created_at":"%b"}' % begin.isoformat().encode()
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b"\n".join(rows))

    def die(progress: Progress, _: int) -> None:
        raise Killed

    def run(told: Any) -> None:
        import_file(
            load(),
            str(file),
            table="events",
            project_id="going-on",
            format_name=None,
            patience_seconds=120,
            tell=lambda _: None,
            done=told,
        )

    with pytest.raises(Killed):
        run(die)
    assert (tmp_path / "rows.jsonl.import.json").exists()
    with pytest.raises(Killed):
        run(die)
    result = weir("import", str(file), "--project", "going-on")
    assert result.exit_code == 1
    wanted = len(rows) - 5
    assert f"{wanted:,} sent, 0 stored before, 0 made by Weir, 5 refused" in result.output
    refused = [json.loads(line) for line in (tmp_path / "rows.jsonl.rejects.jsonl").read_text().splitlines()]
    assert [(row["row"], row["reason"]) for row in refused] == [
        (6, "not_a_row"),
        (11, "not_a_row"),
        (12, "not_a_row"),
        (BATCH_ROWS + 2, "event_too_old"),
        (2 * BATCH_ROWS + 51, "not_a_row"),
    ]
    assert not (tmp_path / "rows.jsonl.import.json").exists()
    here.wait_for(lambda: number(here, "going-on") >= wanted, "all rows are stored")
    assert number(here, "going-on") == wanted
    assert here.audit()["findings"] == []


def test_what_cannot_be_exported_is_told(here: Stack, tmp_path: Path) -> None:
    for arguments, told in (
        (("export",), "Say which table: "),
        (("export", "nothing"), "There is no table nothing"),
        (("export", "ledger", "--project", here.demo.project_id), "belong to no project"),
        (("export", "events", "--project", "nobody"), "nobody"),
        (("export", "--query", "drop table weir.events"), "one SELECT"),
        (("export", "--query", "select nothing from weir.events"), "refused the query"),
        (("export", "--query", "select * from weir.nosuch"), "ClickHouse refused the query: Unknown table"),
        (("export", "events", "--output", str(tmp_path / "z.xlsx")), "ends with none of .jsonl"),
        (("export", "events", "--query", "select 1"), "give --query alone"),
        (("export", "events", "--from", "yesterday"), "is no time"),
        (("export", "events", "--output", str(tmp_path / "no" / "file.csv")), "cannot be written"),
        (("import", str(tmp_path / "missing.csv")), "cannot be used"),
        (("import", str(tmp_path / "events.txt")), "say --format"),
        (("import", "-", "--format", "parquet"), "from a file"),
        (("import", "-", "--project", "nobody"), "There is no project nobody"),
    ):
        result = weir(*arguments)
        assert result.exit_code != 0, arguments
        assert told in f"{result.output}{result.exception}", (arguments, result.output, result.exception)
    file = tmp_path / "half.jsonl"
    broken = weir(
        *("export", "--output", str(file), "--query"),
        "select number, throwIf(number = 2000000) from numbers(3000000)",
    )
    assert broken.exit_code != 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_a_query_may_end_with_a_comment_and_values_say_anything(here: Stack, tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"said.{ending}"
    said = weir("export", "--output", str(file), "--query", r"select 'x\nCode: 1. DB::Exception, y' as a -- of anybody")
    assert (said.exit_code, "1 rows" in said.output) == (0, True), (said.output, said.exception)


def test_every_table_can_be_exported(here: Stack, tmp_path: Path) -> None:
    names = str(weir("export").exception).removeprefix("Say which table: ").partition(";")[0].split(", ")
    assert {"events", "sessions", "profiles", "groups", "identities", "dead_letters", "events_hourly"} <= set(names)
    for name in names:
        for ending in ("jsonl", "csv", "parquet"):
            result = weir("export", name, "--output", str(tmp_path / f"{name}.{ending}"))
            assert result.exit_code == 0, (name, ending, result.output, result.exception)


def test_what_the_store_takes_is_told_by_the_commands_of_its_page(here: Stack) -> None:
    page = (REPOSITORY / "docs" / "store.md").read_text()
    (block,) = re.findall(r"```sh\n(.*?)```", page[: page.index("## The data set")], re.DOTALL)
    sizes, disks = [weir(*shlex.split(line)[1:]).output for line in block.splitlines()]
    assert any(line.startswith('"events",') and "iB" in line for line in sizes.splitlines())
    assert '"default"' in disks
