"""The JSON Schemas in the repository are those of the models."""

from pathlib import Path

import pytest

from schemas.json_schema import DIRECTORY, json_schemas, write_json_schemas


def test_committed_schemas_are_those_of_the_models(tmp_path: Path) -> None:
    """If this fails: ``weir schemas``."""
    written = {path.name: path.read_bytes() for path in write_json_schemas(tmp_path)}
    assert {path.name: path.read_bytes() for path in DIRECTORY.glob("*.json")} == written


@pytest.mark.parametrize("name", ["raw_event", "track_payload", "identify_payload"])
def test_foreign_producers_need_only_what_is_required(name: str) -> None:
    required = {
        "raw_event": {"kind", "project_id", "payload"},
        "track_payload": {"name"},
        "identify_payload": set(),
    }
    assert set(json_schemas()[name].get("required", [])) == required[name]


@pytest.mark.parametrize("name", ["raw_event", "tick", "profile_op", "control_record"])
def test_what_others_read_is_open_to_new_fields(name: str) -> None:
    """A newer Weir may write more: readers ignore what they do not know."""
    assert 'additionalProperties": false' not in str(json_schemas()[name])
    assert json_schemas()[name].get("additionalProperties", True) is True
