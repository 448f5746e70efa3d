"""The golden examples: every one is what its model says, and the rows are what the workers make of the raw events.

Foreign producers and consumers are tested with the same files.
"""

from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import TypeAdapter

from schemas.control import ControlRecord
from schemas.device_id import device_hash
from schemas.event_id import canonical_event_id
from schemas.event_time import settle_event_time
from schemas.json_schema import MODELS
from schemas.partition import murmur2, partition_of
from schemas.session_id import session_bucket, session_id, session_month
from tests.contract.schemas.golden import EXAMPLES, golden_rows

FILES = sorted(EXAMPLES.glob("*/*.json"))
VECTORS: dict[str, list[dict[str, Any]]] = orjson.loads((EXAMPLES / "vectors.json").read_bytes())


def model_of(path: Path) -> TypeAdapter[Any]:
    name = path.parent.name
    return TypeAdapter(ControlRecord if name == "control_record" else MODELS[name])


@pytest.mark.parametrize("path", FILES, ids=[f"{path.parent.name}/{path.stem}" for path in FILES])
def test_example_is_what_its_model_says(path: Path) -> None:
    model_of(path).validate_json(path.read_bytes(), strict=True)


@pytest.mark.parametrize("path", FILES, ids=[f"{path.parent.name}/{path.stem}" for path in FILES])
def test_example_comes_back_as_it_is(path: Path) -> None:
    """Nothing of an example is unknown to its model, or it would show nobody what is read."""
    adapter = model_of(path)
    said = orjson.loads(path.read_bytes())
    back = adapter.dump_python(adapter.validate_json(path.read_bytes()), mode="json")
    assert {name: back[name] for name in said} == said


def test_every_model_has_an_example() -> None:
    assert {path.parent.name for path in FILES} == {*MODELS, "control_record"}


def test_rows_are_what_the_workers_make_of_the_raw_events() -> None:
    made = {f"{model}/{name}": row for model, rows in golden_rows().items() for name, row in rows.items()}
    assert made == {name: orjson.loads((EXAMPLES / f"{name}.json").read_bytes()) for name in made}
    assert {path.parent.name for path in FILES if f"{path.parent.name}/{path.stem}" in made} == {
        "event",
        "session",
        "identity",
        "profile_op",
        "profile",
        "group_op",
        "group",
        "replay_chunk",
        "ledger_row",
    }


@pytest.mark.parametrize("vector", VECTORS["partition"])
def test_partition(vector: dict[str, Any]) -> None:
    key = f"{vector['project_id']}:{vector['owner_id']}"
    assert murmur2(key.encode()) == vector["murmur2"] % 2**32
    assert partition_of(vector["project_id"], vector["owner_id"], vector["partitions"]) == vector["partition"]


@pytest.mark.parametrize("vector", VECTORS["device_hash"])
def test_device_hash(vector: dict[str, Any]) -> None:
    salt = bytes.fromhex(vector["salt"])
    assert device_hash(salt, vector["project_id"], vector["ip"], vector["user_agent"]) == vector["device_id"]


@pytest.mark.parametrize("vector", VECTORS["session_id"])
def test_session_id(vector: dict[str, Any]) -> None:
    bucket = session_bucket(vector["time"])
    assert bucket == vector["bucket"]
    made = session_id(vector["project_id"], vector["device_id"], bucket, vector["repeat"])
    assert (made, session_month(bucket)) == (vector["session_id"], vector["session_month"])


@pytest.mark.parametrize("vector", VECTORS["event_id"])
def test_event_id(vector: dict[str, Any]) -> None:
    assert canonical_event_id(vector["project_id"], vector["given"]) == vector["event_id"]


@pytest.mark.parametrize("vector", VECTORS["event_time"])
def test_event_time(vector: dict[str, Any]) -> None:
    assert settle_event_time(vector["received"], vector["client"], vector["sent"]) == vector["time"]
