"""The store answers every example of a condition as the evaluation over a row does."""

import json

import clickhouse_connect
import orjson
import pytest

from query_api.sql.builder import Select, build
from query_api.sql.conditions import Conditions
from query_api.sql.tables import EVENTS
from tests.condition_vectors import condition_vectors
from tests.integration.query_api.conftest import OpenApi, World

pytestmark = pytest.mark.integration

PROJECT = "conditions"
AS_ON_THE_PIPE = {"input_format_try_infer_dates": 0, "input_format_try_infer_datetimes": 0}


def test_the_store_agrees_on_every_example(store_url: str) -> None:
    vectors = condition_vectors()
    rows = [
        {**found.row, "project_id": PROJECT, "raw_offset": number, "synthesized": 0, "bot": ""}
        for number, found in enumerate(vectors)
    ]
    client = clickhouse_connect.get_client(dsn=store_url, autogenerate_session_id=False)
    block = b"\n".join(orjson.dumps(row) for row in rows)
    client.raw_insert("weir.events", insert_block=block, fmt="JSONEachRow", settings=AS_ON_THE_PIPE)
    wrong = []
    for number, (_, cases) in enumerate(vectors):
        for condition, expected in cases:
            asked = Conditions()
            where = (*asked.every([condition]), "raw_offset = {row:UInt64}")
            select = Select(columns={"found": "count()"}, source=EVENTS, where=where)
            query = build("weir", PROJECT, select, **asked.parameters, row=number)
            (answer,) = client.query(query.sql, parameters=query.parameters).result_rows
            if bool(answer[0]) is not expected:
                wrong.append((number, condition, query.sql))
    client.close()
    assert wrong == []


async def test_an_export_gives_what_the_conditions_hold_for(world: World, open_api: OpenApi) -> None:
    asked = [
        {"name": "path", "operator": "starts_with", "values": ["/docs", "/blog"]},
        {"name": "name", "operator": "is_not", "values": ["sign_up"]},
    ]
    wanted = [
        hit
        for visit in world.visits["shop"]
        for hit in visit.hits
        if hit.path.startswith(("/docs", "/blog")) and hit.name != "sign_up"
    ]
    async with open_api() as api:
        answer = (await api.get("/export/events", params={"filter": json.dumps(asked), "limit": 1})).json()
        assert answer["meta"]["totalCount"] == len(wanted) > 10
        for text, sentence in (
            ("x", "filter: Invalid JSON"),
            ("{}", "filter: Input should be"),
            ('[{"name": "path; drop", "operator": "is", "values": ["x"]}]', "There is no path; drop"),
            ('[{"name": "path", "operator": "regex", "values": ["("]}]', "missing )"),
            (json.dumps(asked * 11), "at most 20"),
        ):
            refused = await api.get("/export/events", params={"filter": text})
            assert refused.status_code == 400
            assert sentence in refused.json()["message"]
