"""Why a line can't have its effect."""

from typing import Any

from pydantic import ValidationError

MOST_ERRORS = 100
"""Of more nothing but their number is told: to put them into words takes longer than to find them."""


class Rejected(Exception):
    """A line that becomes a dead letter: ``reason`` is one machine-readable word, ``detail`` a sentence."""

    def __init__(self, reason: str, detail: str, project_id: str = "") -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.project_id = project_id


def first_error(error: ValidationError) -> tuple[str, str, str]:
    """What a model found first: pydantic's type of error, the field (empty for the whole) and a sentence."""
    count = error.error_count()
    if count > MOST_ERRORS:
        return "many", "", f"{count} of its values are not what they should be."
    first: dict[str, Any] = dict(error.errors(include_url=False, include_context=False, include_input=False)[0])
    return first["type"], ".".join(str(part) for part in first["loc"]), first["msg"]
