"""The store answers as ClickHouse does, to ClickHouse's own client."""

import gzip
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError, StreamFailureError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.sinks.store import Store, running_store, until
from weir.local.ports import free_ports

pytestmark = pytest.mark.integration


@pytest.fixture
def client(store: Store) -> Iterator[Client]:
    client = store.client()
    client.command("drop database if exists front")
    client.command("create database front")
    client.database = "front"
    yield client
    client.close()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(), texts=st.lists(st.text(max_size=20), max_size=5), number=st.integers(-(2**63), 2**63 - 1))
def test_parameters_arrive_as_they_are(client: Client, text: str, texts: list[str], number: int) -> None:
    text, texts = text.replace("\x00", ""), [entry.replace("\x00", "") for entry in texts]
    result = client.query(
        "select {text:String}, {texts:Array(String)}, {number:Int64}",
        {"text": text, "texts": texts, "number": number},
    )
    assert result.result_rows == [(text, texts, number)]


def test_times_and_missing_values_as_parameters(client: Client) -> None:
    moment = datetime(2026, 3, 1, 4, 5, 6, 789000, tzinfo=UTC)
    sql = "select {moment:DateTime64(3, 'UTC')} as moment, {none:Nullable(String)}"
    result = client.query(sql, {"moment": moment, "none": None})
    assert result.result_rows[0][0].replace(tzinfo=UTC) == moment
    assert result.result_rows[0][1] is None


def test_settings_hold_for_one_call(client: Client) -> None:
    sql = "select getSetting('max_block_size')"
    before = client.query(sql).result_rows
    assert client.query(sql, settings={"max_block_size": 4321}).result_rows == [(4321,)]
    assert client.query(sql).result_rows == before


def test_set_and_use_do_not_outlive_their_call(client: Client) -> None:
    client.command("set max_block_size = 77")
    assert client.query("select getSetting('max_block_size') = 77").result_rows == [(False,)]
    client.command("use system")
    assert client.query("select currentDatabase()").result_rows == [("front",)]


def test_rows_go_in_and_come_out(client: Client) -> None:
    client.command("create table t (a UInt32, s String, l Array(String), j JSON) engine = MergeTree order by a")
    rows = [[number, f"x'\n\x00é{number}", ["a'", "b\t"], {"k": number}] for number in range(3000)]
    assert client.insert("t", rows, column_names=["a", "s", "l", "j"]).written_rows == 3000
    assert client.query("select s, l, j.k.:Int64 from t where a = 2999").result_rows == [
        ("x'\n\x00é2999", ["a'", "b\t"], 2999)
    ]


@pytest.mark.parametrize("encoding", [None, "gzip", "zstd", "lz4"])
def test_inserts_in_every_encoding(store: Store, client: Client, encoding: str | None) -> None:
    client.command("create table t (a UInt32) engine = MergeTree order by a")
    from sinks.client import connect

    own = connect(store.settings(""))
    own.database = "front"
    own.write_compression = encoding
    own.insert("t", [[1], [2]], column_names=["a"])
    body = gzip.compress(b"5\n6\n") if encoding == "gzip" else b"5\n6\n"
    raw = own.raw_insert("t", ["a"], body, fmt="TSV", compression="gzip" if encoding == "gzip" else None)
    assert raw.written_rows == 2
    own.close()
    assert client.query("select groupArray(a) from (select a from t order by a)").result_rows == [([1, 2, 5, 6],)]


def test_insert_with_values_and_settings_in_the_text(client: Client) -> None:
    client.command("create table t (a UInt32, s String) engine = MergeTree order by a")
    client.command("insert into t (a, s) settings max_insert_threads = 1 values (1, 'FORMAT x'), (2, ')')")
    client.command("insert into t settings max_insert_threads = 1 format CSV", data="3,three\n")
    client.command("insert into t select number, 'n' from numbers(10, 2)")
    assert client.query("select count(), max(a) from t").result_rows == [(5, 11)]


@pytest.mark.parametrize(
    ("sql", "code", "status"),
    [
        ("select * from nothing", 60, 404),
        ("selec 1", 62, 400),
        ("select throwIf(number = 3) from numbers(5)", 395, 500),
        ("select {a:UInt8}", 456, 500),
    ],
)
def test_errors_carry_clickhouses_code(store: Store, client: Client, sql: str, code: int, status: int) -> None:
    with pytest.raises(DatabaseError) as caught:
        client.query(sql)
    assert caught.value.code == code
    answer = httpx.post(store.url, content=sql.encode())
    assert answer.headers["X-ClickHouse-Exception-Code"] == str(code)
    assert answer.status_code == status
    assert answer.text.startswith(f"Code: {code}.")


def test_unknown_setting_is_refused(client: Client) -> None:
    with pytest.raises(DatabaseError) as caught:
        client.query("select 1", settings={"no_such_setting": 1})
    assert caught.value.code == 115


def test_query_in_the_url_in_the_body_and_in_both(store: Store) -> None:
    assert httpx.get(store.url, params={"query": "select 1"}).text == "1\n"
    assert httpx.post(store.url, content=b"select 2").text == "2\n"
    both = httpx.post(store.url, params={"query": "select 1 +"}, content=b"2")
    assert both.text == "3\n"
    named = httpx.get(store.url, params={"query": "select 1 as a", "default_format": "JSONEachRow"})
    assert named.text == '{"a":1}\n'
    assert named.headers["X-ClickHouse-Format"] == "JSONEachRow"
    form = httpx.post(store.url, files={"query": (None, "select {x:String}"), "param_x": (None, "é")})
    assert form.text == "é\n"


def test_ping_and_bare_address(store: Store) -> None:
    assert httpx.get(f"{store.url}/ping").text == "Ok.\n"
    assert httpx.get(store.url).text == "Ok.\n"


CHANGES = [
    "drop table front.kept",
    "insert into front.kept values (1)",
    "set readonly = 0",
    "select 1; drop table front.kept",
    "kill query where 1 = 1",
    "select 1; kill query where 1 = 1",
    "select 1 into outfile '{file}'",
    "select 1 settings readonly = 0",
]


@pytest.mark.parametrize("sql", CHANGES)
def test_a_get_only_reads(store: Store, client: Client, tmp_path: Path, sql: str) -> None:
    client.command("create table kept (a UInt32) engine = MergeTree order by a")
    file = tmp_path / "out"
    for method in ("GET", "HEAD"):
        query = {"query": sql.format(file=file), "readonly": "0"}
        answer = httpx.request(method, store.url, params=query)
        assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (403, "164")
        assert method == "HEAD" or "use POST" in answer.text
    assert not file.exists()
    assert client.query("select count() from kept").result_rows == [(0,)]
    assert httpx.get(store.url, params={"query": "select ';' as outfile2;", "max_threads": "1"}).text == ";\n"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "none"},
        {"Host": "rebound.example:8123"},
        {"Host": "127.0.0.1.elsewhere.example"},
        {"Host": "10.0.0.1"},
        {"Host": ""},
    ],
)
def test_pages_in_a_browser_get_nothing(store: Store, headers: dict[str, str]) -> None:
    for answer in (
        httpx.get(store.url, params={"query": "select 40 + 2"}, headers=headers),
        httpx.post(store.url, content=b"select 40 + 2", headers=headers),
    ):
        assert answer.status_code == 403
        assert "42" not in answer.text


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:99", "[::1]", "[::1]:8123"])
def test_the_machine_s_own_names_are_known(store: Store, host: str) -> None:
    assert httpx.post(store.url, content=b"select 42", headers={"Host": host}).text == "42\n"


def test_what_is_not_supported_is_said(store: Store) -> None:
    answer = httpx.post(store.url, params={"decompress": "1"}, content=b"x")
    assert answer.status_code == 400
    assert "Content-Encoding" in answer.text
    assert httpx.post(store.url, content=b"x", headers={"Content-Encoding": "rot13"}).status_code == 400
    assert httpx.post(store.url, content=b"not gzip", headers={"Content-Encoding": "gzip"}).status_code == 400
    assert httpx.post(store.url, content=b"  ").headers["X-ClickHouse-Exception-Code"] == "62"


def test_large_results_stream_and_break_off_visibly(client: Client) -> None:
    count = 0
    with client.query_row_block_stream("select number, toString(number) from numbers(1000000)") as blocks:
        for block in blocks:
            count += len(block)
    assert count == 1_000_000
    failing = "select throwIf(number = 900000), toString(number) from numbers(1000000)"
    with (
        pytest.raises(StreamFailureError, match="FUNCTION_THROW_IF"),
        client.query_row_block_stream(failing) as blocks,
    ):
        for _ in blocks:
            pass


def test_a_read_stops_when_its_client_goes_away(store: Store, client: Client) -> None:
    slow = "select sum(sipHash64(number)) from numbers(1000000000000)"
    running = "select count() from system.processes where position(query, 'sipHash64(number)) from') > 0"
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(store.url, content=slow.encode(), timeout=0.5)
    until(lambda: int(client.query(running).result_rows[0][0]) <= 1, 20, "only the watching query runs")


def test_calls_run_side_by_side(store: Store) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        client = store.client()
        try:
            for at in range(20):
                rows = client.query("select {n:UInt32} * 100 + {a:UInt32}", {"n": number, "a": at}).result_rows
                assert rows == [(number * 100 + at,)]
        except (AssertionError, DatabaseError, OperationalError) as error:
            failures.append(error)
        finally:
            client.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_a_second_process_and_a_taken_port_get_a_sentence(store: Store, tmp_path: object) -> None:
    second = store.spawn(WEIR_STORE_PORT="1")
    _, told = second.communicate(timeout=60)
    assert second.returncode == 1
    assert f"in use by process {store.process.pid}" in told.decode()
    third = Store(store.data.parent / "other", store.port).spawn(WEIR_STORE_LOG_LEVEL="fatal")
    _, told = third.communicate(timeout=60)
    assert third.returncode == 1
    assert f"port {store.port}" in told.decode()


def test_a_path_that_hides_the_configuration_is_refused(store: Store) -> None:
    """The engine goes without a configuration it cannot find, and consumers would be away for 45 s after a kill."""
    odd = Store(store.data.parent / "odd?name", 1)
    process = odd.spawn(WEIR_STORE_PORT=str(free_ports(1)[0]))
    _, told = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "did not take its configuration" in told.decode()


def test_stop_and_start_again_with_the_same_data(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running_store(tmp_path_factory.mktemp("again")) as own:
        client = own.client()
        client.command("create table default.t (a UInt32) engine = MergeTree order by a")
        client.command("insert into default.t values (1), (2)")
        client.close()
        assert own.stop() == 0
        own.start()
        client = own.client()
        assert client.query("select count() from default.t").result_rows == [(2,)]
        client.close()
        own.kill()
        own.start()
        assert own.client().query("select count() from default.t").result_rows == [(2,)]
