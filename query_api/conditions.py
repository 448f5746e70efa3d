"""Conditions on events as a request brings them."""

from typing import Annotated

from fastapi import Depends, Query
from pydantic import Field, TypeAdapter, ValidationError

from query_api.errors import InvalidRequestError
from schemas.conditions import MAX_CONDITIONS, Condition

_CONDITIONS: TypeAdapter[tuple[Condition, ...]] = TypeAdapter(
    Annotated[tuple[Condition, ...], Field(max_length=MAX_CONDITIONS)]
)


def parse_conditions(text: str) -> tuple[Condition, ...]:
    """The conditions of a JSON array.

    :raises InvalidRequestError: it is none, or one of them can't be evaluated; a sentence says which.
    """
    try:
        return _CONDITIONS.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        reason = first["msg"].removeprefix("Value error, ").rstrip(".")
        raise InvalidRequestError(f"filter: {field}: {reason}." if field else f"filter: {reason}.") from error


def _asked(
    text: Annotated[
        str | None,
        Query(
            alias="filter",
            description='Conditions that must all hold, as JSON: `[{"name": "properties.plan", "operator": "is", '
            '"values": ["pro"]}]`; names and operators are those of rules.',
        ),
    ] = None,
) -> tuple[Condition, ...]:
    return () if text is None else parse_conditions(text)


AskedConditions = Annotated[tuple[Condition, ...], Depends(_asked)]
"""The conditions a request asks for; none is no obstacle."""
