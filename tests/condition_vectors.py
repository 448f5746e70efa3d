"""The examples of conditions (``schemas/examples/conditions.json``): rows, and what is true of them."""

from pathlib import Path
from typing import Any, NamedTuple

import orjson

from schemas.conditions import Condition
from schemas.event import Event

_EXAMPLES = Path(__file__).resolve().parents[1] / "schemas" / "examples"


class Vectors(NamedTuple):
    """A row of events, and conditions with what each must give."""

    row: dict[str, Any]
    cases: list[tuple[Condition, bool]]


def condition_vectors() -> list[Vectors]:
    """All of them; rows have what the example names, the rest as in an event of which nothing is known."""
    nothing = orjson.loads((_EXAMPLES / "event" / "minimal.json").read_bytes()) | {"device": ""}
    found = []
    for group in orjson.loads((_EXAMPLES / "conditions.json").read_bytes()):
        row = Event.model_validate({**nothing, **group["event"]}).model_dump()
        cases = [
            (Condition(name=name, operator=operator, values=tuple(values)), expected)
            for name, operator, values, expected in group["cases"]
        ]
        found.append(Vectors(row, cases))
    return found
