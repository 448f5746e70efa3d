"""JSON Schemas of what foreign producers write and foreign consumers read, generated from the models."""

from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, TypeAdapter

from schemas.control import ControlRecord
from schemas.envelope import Tick
from schemas.event import Event
from schemas.group import Group, GroupOp
from schemas.identity import Identity
from schemas.ledger import LedgerRow
from schemas.notification import Notification
from schemas.profile import Profile, ProfileOp
from schemas.raw_event import (
    AliasPayload,
    AssignGroupPayload,
    CounterPayload,
    ErasePayload,
    GroupPayload,
    IdentifyPayload,
    RawEvent,
    ReplayPayload,
    TrackPayload,
    UnlinkPayload,
)
from schemas.replay import ReplayChunk
from schemas.session import Session

MODELS: dict[str, type[BaseModel]] = {
    "raw_event": RawEvent,
    "track_payload": TrackPayload,
    "identify_payload": IdentifyPayload,
    "counter_payload": CounterPayload,
    "alias_payload": AliasPayload,
    "unlink_payload": UnlinkPayload,
    "erase_payload": ErasePayload,
    "group_payload": GroupPayload,
    "assign_group_payload": AssignGroupPayload,
    "replay_payload": ReplayPayload,
    "tick": Tick,
    "event": Event,
    "session": Session,
    "profile_op": ProfileOp,
    "profile": Profile,
    "group_op": GroupOp,
    "group": Group,
    "replay_chunk": ReplayChunk,
    "identity": Identity,
    "ledger_row": LedgerRow,
    "notification": Notification,
}
"""File name (without ``.schema.json``) to model; ``control_record`` is added as the union of its records."""

DIRECTORY = Path(__file__).parent / "json"


def json_schemas() -> dict[str, dict[str, Any]]:
    """Every JSON Schema by name."""
    schemas = {name: model.model_json_schema() for name, model in MODELS.items()}
    schemas["control_record"] = TypeAdapter(ControlRecord).json_schema()
    return schemas


def write_json_schemas(directory: Path = DIRECTORY) -> list[Path]:
    """Write each schema as ``<name>.schema.json`` and return the paths; the same models give the same bytes."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, schema in sorted(json_schemas().items()):
        path = directory / f"{name}.schema.json"
        path.write_bytes(orjson.dumps(schema, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n")
        paths.append(path)
    return paths
