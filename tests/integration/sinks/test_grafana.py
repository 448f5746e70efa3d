"""The views for dashboards: what they say, that a project's user sees that project alone, and that every query of the
page about them and of the dashboard is one.

The embedded engine can store no users, but obeys those of a file: what `weir grafana grant` would store is in one.
"""

import json
import re
from collections.abc import Iterator
from typing import Any
from xml.sax.saxutils import escape

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from sinks.client import connect
from sinks.grafana import LIMITS, VIEWS, GrafanaError, Login, condition, grant, grant_statements, revoke_statements
from sinks.migrate import migrate
from sinks.settings import SinkSettings
from tests.broker import REPOSITORY
from tests.integration.sinks import rows
from tests.integration.sinks.arrivals import arrive
from tests.integration.sinks.store import Store
from weir.local.ports import free_ports

pytestmark = pytest.mark.integration

PAGE = REPOSITORY / "docs" / "grafana.md"
DASHBOARD = REPOSITORY / "deploy" / "grafana" / "dashboards" / "weir.json"
PROJECTS = ("shop", "rival", "o'brien")
USERS = """<clickhouse>
    <profiles><default/><weir_grafana><readonly>1</readonly>{limits}</weir_grafana></profiles>
    <quotas><default/></quotas>
    <users>
        <default>
            <password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>
            <access_management>1</access_management>
        </default>
        {users}
    </users>
</clickhouse>
"""
USER = """<{name}>
    <password></password><networks><ip>::/0</ip></networks><profile>weir_grafana</profile><quota>default</quota>
    <grants>{grants}</grants>
    <databases><weir>{policies}</weir></databases>
</{name}>"""
CONFIG = """<clickhouse>
    <users_config>{users}</users_config>
    <allow_impersonate_user>1</allow_impersonate_user>
</clickhouse>
"""


def users() -> str:
    """The file with a user for each project, by the rights and conditions that the product gives."""
    limits = "".join(f"<{name}>{value}</{name}>" for name, value in LIMITS.items())
    grants = "".join(f"<query>GRANT SELECT ON weir.{view}</query>" for view in VIEWS)
    found = []
    for number, project in enumerate(PROJECTS):
        policies = "".join(f"<{view}><filter>{escape(condition(project))}</filter></{view}>" for view in VIEWS)
        found.append(USER.format(name=f"user{number}", grants=grants, policies=policies))
    return USERS.format(limits=limits, users="\n".join(found))


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A store with users, and with the same rows for each project."""
    home = tmp_path_factory.mktemp("grafana")
    (home / "users.xml").write_text(users())
    store = Store(home / "data", free_ports(1)[0])
    own = store.data / "config.d" / "users.xml"
    own.parent.mkdir(parents=True)
    own.write_text(CONFIG.format(users=home / "users.xml"))
    store.start()
    settings = store.settings("127.0.0.1:1")
    made = connect(settings)
    try:
        migrate(made, settings, pipes=False)
        made.database = "weir"
        for number, project in enumerate(PROJECTS):
            _fill(made, project, number)
        yield made
    finally:
        made.close()
        store.kill()


def _fill(client: Client, project: str, number: int) -> None:
    of_project = {"project_id": project}
    events = [
        rows.event(**of_project, raw_offset=number, raw_line=line, device_id=f"d{line % 2}", properties={"plan": "pro"})
        for line in range(4)
    ]
    events.append(rows.event(**of_project, raw_offset=number, raw_line=4, name="session_start", synthesized=1))
    events.append(rows.event(**of_project, raw_offset=number, raw_line=5, bot="Googlebot"))
    events.append(
        rows.event(
            **of_project, raw_offset=number, raw_line=6, name="revenue", revenue=250, currency="EUR", ip="1.2.3.4"
        )
    )
    arrive(client, "events", number, events)
    session = rows.session(**of_project, duration_ms=1500, is_bounce=0, screen_view_count=2, event_count=2)
    arrive(client, "sessions", number, [rows.session(**of_project), {**rows.session(**of_project), "sign": -1}])
    arrive(client, "sessions", number + 10, [{**session, "version": 2}])
    letter = {
        "value": f"secret of {project}",
        "names": ["weir-stage", "weir-reason", "weir-project"],
        "texts": ["parse", "not_json", project],
    }
    arrive(client, "dead_letters", number, [letter])


def as_user(client: Client, number: int, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in client.query(f"execute as user{number} {sql}").result_rows]


def test_what_the_views_say(client: Client) -> None:
    shop = "where project = 'shop'"
    assert client.query(f"select name, count() from grafana_events {shop} group by name order by name").result_rows == [
        ("revenue", 1),
        ("screen_view", 4),
    ]
    sessions = f"select seconds, page_views, events, bounce from grafana_sessions {shop}"
    assert client.query(sessions).result_rows == [(1.5, 2, 2, 0)]
    hourly = f"select name, events, page_views, revenue, currency, visitors from grafana_hourly {shop} order by name"
    found = {row[0]: row[1:] for row in client.query(hourly).result_rows}
    assert set(found) == {"revenue", "screen_view"}, "nothing that Weir made up"
    assert found["screen_view"] == (4, 4, 0, "", 2)
    assert found["revenue"] == (1, 0, 250, "EUR", 1)
    letters = f"select stage, reason, topic from grafana_dead_letters {shop}"
    assert client.query(letters).result_rows == [("parse", "not_json", "")]


@pytest.mark.parametrize("number", range(len(PROJECTS)))
@pytest.mark.parametrize("view", VIEWS)
def test_a_projects_user_sees_its_rows_and_no_other(client: Client, number: int, view: str) -> None:
    counted = as_user(client, number, f"select project, count() from {view} group by project")
    (whole,) = client.query(f"select count() from {view}").result_rows[0]
    assert counted == [(PROJECTS[number], whole // len(PROJECTS))]
    other = PROJECTS[(number + 1) % len(PROJECTS)].replace("'", "\\'")
    for attempt in (
        f"where project = '{other}'",
        f"where project != '' or project = '{other}'",
        "where 1 or project = ''",
    ):
        found = as_user(client, number, f"select distinct project from {view} {attempt}")
        assert found in ([], [(PROJECTS[number],)])


@pytest.mark.parametrize(
    "sql",
    [
        "select * from events",
        "select ip from events",
        "select * from sessions",
        "select * from profiles",
        "select value from dead_letters",
        "select * from people(project = 'rival')",
        "select * from merge('weir', '^events$')",
        "select * from file('/etc/hostname', 'LineAsString')",
        "select * from url('http://127.0.0.1:1/', 'LineAsString')",
        "select * from system.row_policies",
        "insert into events (project_id) select 'rival'",
        "create view weir.mine as select * from weir.events",
        "alter table events delete where 1",
        "drop view grafana_events",
    ],
)
def test_a_projects_user_may_do_nothing_else(client: Client, sql: str) -> None:
    with pytest.raises(DatabaseError, match=r"ACCESS_DENIED|READONLY|There are no tables"):
        client.command(f"execute as user0 {sql}")


def test_other_projects_rows_are_not_even_read(client: Client) -> None:
    plan = as_user(client, 0, "explain indexes = 1 select count() from grafana_events")
    text = "\n".join(row[0] for row in plan)
    assert re.search(r"Condition: .*project_id in \[.?'shop", text), text


def test_every_statement_is_the_engines_language(client: Client) -> None:
    for settings in (_settings(), _settings().model_copy(update={"clickhouse_cluster": "main"})):
        login = Login("weir_project_o'brien", "the password")
        statements = [*grant_statements(settings, "o'brien", login), *revoke_statements(settings, "o'brien")]
        for sql in statements:
            assert client.query("select formatQuery({sql:String})", {"sql": sql}).result_rows
            assert "the password" not in sql
            assert ("on cluster" in sql) == (settings.clickhouse_cluster is not None)
        made = [sql.split()[:2] for sql in statements[: -1 - len(VIEWS)]]
        # Rows are bounded before the right to read is given.
        assert made == [["create", "settings"], ["create", "user"], *[["create", "row"]] * 4, *[_grant(settings)] * 4]
    assert "the password" not in repr(login)


def _grant(settings: SinkSettings) -> list[str]:
    return ["grant", "on" if settings.clickhouse_cluster else "select"]


def test_a_store_without_users_says_so(store: Store) -> None:
    client = store.client("default")
    with pytest.raises(GrafanaError, match="the embedded store has none"):
        grant(client, _settings(), "shop")
    client.close()


def test_every_query_of_the_page_runs(client: Client) -> None:
    blocks = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) >= 5
    for sql in blocks:
        as_user(client, 0, sql)


def test_the_page_names_every_column(client: Client) -> None:
    table = PAGE.read_text().split("## The views")[1].split("## Questions")[0]
    for view in VIEWS:
        (told,) = re.findall(rf"^\| `{view}` \| .*? \| (.*) \|$", table, re.MULTILINE)
        named = re.findall(r"`(\w+)`", re.sub(r"\(.*?\)", "", told))
        columns = "select name from system.columns where database = 'weir' and table = {view:String} order by position"
        assert named == [name for (name,) in client.query(columns, {"view": view}).result_rows]


def test_every_query_of_the_dashboard_runs(client: Client) -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    queries = [variable["query"] for variable in dashboard["templating"]["list"]]
    queries += [target["rawSql"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(queries) == 10
    for sql in queries:
        plain = sql.replace("${project}", "shop").replace(
            "$__timeFilter(time)",
            "time >= toDateTime('2026-03-01 00:00:00') and time <= toDateTime('2026-04-01 00:00:00')",
        )
        assert "$" not in plain
        assert as_user(client, 0, plain), sql


def _settings() -> SinkSettings:
    return SinkSettings.model_validate({})
