"""What the workers make of the raw events of schemas/examples: the rows that the other examples must be."""

from pathlib import Path
from typing import Any

import orjson

from schemas import topics
from schemas.control import ProjectRecord
from streams.chunk import Chunk
from streams.devices import DevicesProcessor
from streams.enrich.geo import Geo
from streams.profiles import ProfilesProcessor
from tests.unit.streams.raw_log import Message, Partition, RawLog

KINDS = {"identify": "set", "touch": "touch", "increment": "increment", "assign_group": "assign_groups"}
"""Examples of operations on a profile, and what they do."""
EXAMPLES = Path(__file__).parents[3] / "schemas" / "examples"
STAMP = 1_772_625_725_000
"""The broker's stamp of the message that holds them all: 2026-03-04 12:02:05 UTC."""
ORDER = ("app_offline", "server", "screen_view", "identify", "revenue", "minimal")
OPERATIONS = ("increment", "assign_group", "group", "alias", "replay", "unlink")
PROJECT = ProjectRecord(id="shop", organization_id="acme", name="Shop", currency="CHF")
EPOCHS = dict.fromkeys((spec.name for spec in topics.TOPICS), 1)
BERN = Geo("CH", "Bern", "Bern", 7.4474, 46.948)


def example(model: str, name: str) -> Any:
    """One example, parsed."""
    return orjson.loads((EXAMPLES / model / f"{name}.json").read_bytes())


def golden_rows() -> dict[str, dict[str, Any]]:
    """Rows by model and name."""
    lines = [orjson.dumps(example("raw_event", name)) for name in (*ORDER, *OPERATIONS)]
    log = RawLog().send(STAMP, *lines, b"nonsense")
    devices = Partition(lambda: DevicesProcessor(3, 8, EPOCHS, lambda: {"shop": PROJECT}, lambda ip: BERN))
    devices.take([log.chunk()])
    events = {ORDER[row["raw_line"]]: row for row in devices.events() if not row["synthesized"]}
    operations = devices.rows(topics.PROFILE_OPS)
    people = Partition(lambda: ProfilesProcessor(5, EPOCHS))
    messages = [Message(number, STAMP, orjson.dumps(operation)) for number, operation in enumerate(operations)]
    for message in messages:
        people.take([Chunk(topics.PROFILE_OPS, 5, message.offset, [message], message.offset + 1)])
    by_kind = {operation["op"]: operation for operation in operations}
    profiles = dict(
        zip((row["op"] for row in operations if "profile_id" in row), people.rows(topics.PROFILES), strict=True)
    )
    start, *_ = (row for row in devices.events("session_start") if row["raw_line"] == ORDER.index("screen_view"))
    ended = log.ticks(STAMP, STAMP + 31 * 60_000).chunk(1)
    first_rows = len(devices.rows(topics.SESSIONS))
    devices.take([ended])
    sessions = {row["device_id"]: row for row in devices.rows(topics.SESSIONS)[:first_rows]}
    later = [row for row in devices.rows(topics.SESSIONS)[first_rows:] if row["device_id"] == start["device_id"]]
    end, *_ = (row for row in devices.events("session_end") if row["device_id"] == start["device_id"])
    ledger = devices.rows(topics.LEDGER)
    return {
        "event": {**events, "session_start": start, "session_end": end},
        "session": {
            "shop": sessions[start["device_id"]],
            "app_offline": sessions["app-7d38"],
            "taken_back": later[0],
            "closed": later[1],
        },
        "identity": dict(zip(("identify", "alias", "unlink"), devices.rows(topics.IDENTITIES), strict=True)),
        "profile_op": {name: by_kind[op] for name, op in KINDS.items()},
        "profile": {name: profiles[op] for name, op in KINDS.items()},
        "group_op": {"company": by_kind["set_group"]},
        "group": {"company": people.rows(topics.GROUPS)[0]},
        "replay_chunk": {"chunk": devices.rows(topics.REPLAY)[0]},
        "ledger_row": {"message": ledger[0], "tick": ledger[-1]},
    }
