"""What a person has to say of an operation; the rest of its description is asked of the protocol itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Schema = Mapping[str, Any]

KEY: Schema = {"type": "string", "format": "client-id", "description": "The id of a client that may write."}
"""Where a protocol has its key."""
DOMAIN: Schema = {"type": "string", "format": "domain", "description": "A domain among the project's origins."}
ANY_OBJECT: Schema = {"type": "object"}
TIME: Schema = {"type": "string", "format": "date-time"}


@dataclass(frozen=True)
class Sample:
    """A good request, whose answer tells what the operation answers."""

    body: Any = None
    query: str = ""


@dataclass(frozen=True)
class Operation:
    """``body``: schema of the JSON a client would send, None where there is none; ``query``: schemas of parameters."""

    summary: str
    body: Schema | None = None
    query: Mapping[str, Schema] = field(default_factory=dict)
    samples: tuple[Sample, ...] = (Sample(),)


def text(longest: int = 200, shortest: int = 0) -> Schema:
    """A text of so many characters."""
    return {"type": "string", "minLength": shortest, "maxLength": longest}


def array(items: Schema, most: int = 100, least: int = 0) -> Schema:
    """An array of so many of them."""
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}


def record(required: tuple[str, ...] = (), **properties: Schema) -> Schema:
    """An object with these properties among others."""
    return {"type": "object", "required": list(required), "properties": properties}
