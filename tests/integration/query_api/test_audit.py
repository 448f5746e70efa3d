"""Who is told what of the auditor's last report."""

from datetime import UTC, datetime, timedelta

import clickhouse_connect
import pytest
from sqlalchemy import delete
from sqlalchemy.orm import Session

from control.clients import create_client
from control.database import migrate, open_database
from control.models import Organization
from control.projects import create_organization, create_project
from query_api.settings import QueryApiSettings
from schemas.control import ClientType
from tests.integration.query_api.conftest import OpenApi, World

pytestmark = pytest.mark.integration

REPORT = (
    '{"totals": {"lines": 7, "rows": {"events": 7}}, "notes": ["a note"], "findings": [{"kind": "missing", '
    '"table": "events", "count": 1, "summary": "1 rows are missing.", "examples": ["raw 0/3 of rival"]}]}'
)


async def test_the_last_report_is_told_and_details_only_to_who_owns_all(
    world: World, open_api: OpenApi, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with open_api() as http:
        assert (await http.get("/audit")).json()["state"] == "none"
    store = clickhouse_connect.get_client(
        dsn=world.settings.clickhouse_url.get_secret_value(), autogenerate_session_id=False
    )
    columns = ["started_at", "seconds", "complete", "clean", "findings", "report"]
    # Of today: old ones are dropped.
    late = datetime.now(UTC).replace(microsecond=0)
    clean = late - timedelta(hours=1)
    store.insert(
        "weir.audits",
        [[clean, 1.5, 1, 1, 0, '{"totals": {}, "notes": [], "findings": []}'], [late, 2.5, 0, 0, 1, REPORT]],
        column_names=columns,
    )
    for client in (world.read["shop"], world.root):
        async with open_api(client) as http:
            told = (await http.get("/audit")).json()
        assert told["state"] == "findings"
        assert told["kinds"] == ["missing"]
        assert datetime.fromisoformat(told["lastCleanAt"]) == clean
        assert datetime.fromisoformat(told["startedAt"]) == late
        assert told["details"] is None, "another organisation's rows are in it"
    async with open_api(world.write) as http:
        assert (await http.get("/audit")).status_code == 401
    url = f"sqlite:///{tmp_path_factory.mktemp('alone') / 'control.db'}"
    engine = open_database(url)
    migrate(engine)
    with Session(engine) as session:
        session.execute(delete(Organization))
        create_organization(session, "acme", "Acme")
        create_project(session, "acme", "shop", "Shop")
        root = create_client(session, "acme", ClientType.ROOT, project_id=None)
        read = create_client(session, "acme", ClientType.READ, project_id="shop")
        session.commit()
    engine.dispose()
    alone = QueryApiSettings.model_validate({**world.settings.model_dump(), "database_url": url})
    async with open_api(root, settings=alone) as http:
        details = (await http.get("/audit")).json()["details"]
    assert details["findings"][0]["examples"] == ["raw 0/3 of rival"]
    assert details["totals"]["rows"] == {"events": 7}
    async with open_api(read, settings=alone) as http:
        assert (await http.get("/audit")).json()["details"] is None
    store.command("truncate table weir.audits")
    store.close()
