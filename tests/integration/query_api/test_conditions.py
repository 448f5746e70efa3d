"""The store answers every example of a condition as the evaluation over a row does."""

import clickhouse_connect
import orjson
import pytest

from query_api.sql.builder import Select, build
from query_api.sql.conditions import Conditions
from query_api.sql.tables import EVENTS
from tests.condition_vectors import condition_vectors

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
