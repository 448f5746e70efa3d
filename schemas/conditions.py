"""Conditions on events: the operators, and what each means for each type of value.

Rules (``schemas.matching``, over one row) and questions to the store (``query_api.sql.conditions``) have the same
operators and give the same answers; ``examples/conditions.json`` says which. ``docs/rules.md`` has the table for
people. In short:

- What is compared is decided by the type of what is stored. A text is compared as text, and with a *number* as the
  number it spells, if it spells one; a stored number is compared as a number, also with a text that spells one; a
  truth value with ``true`` and ``false``. Nothing is ever an error: values that can't be compared don't match.
- Of several values any may match. Of a stored array any element may match.
- ``is_not`` and ``does_not_contain`` are true exactly where their opposites are false: also where there is nothing.
- Nothing is there (null): a property the event doesn't have; a column with an empty text, or without any group.
"""

import re
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, NamedTuple, Self

import re2  # type: ignore[import-untyped]
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, model_validator

from schemas.event import Source, Surroundings

MAX_CONDITIONS = 20
"""Of one step of a rule, or one question."""
MAX_VALUES = 100
MAX_VALUE = 1_024
"""Characters of a text to compare with."""
MAX_PATTERN = 256
"""Characters of a regular expression."""
PROPERTIES = "properties."
_MAX_PATH = 256
_PATTERN_MEMORY = 1024 * 1024
_MAX_SPELLED = Decimal(10) ** 19
"""More than any number that a text spells."""
_SPELLS_NUMBER = r"-?(0|[1-9][0-9]{0,18})(\.[0-9]{1,18})?"
NUMBER = re.compile(_SPELLS_NUMBER)
NUMBER_PATTERN = f"^{_SPELLS_NUMBER}$"
"""The texts that spell a number, as RE2 and everybody else reads it. Leading zeros make it something else: a code."""

TEXT_COLUMNS = frozenset(
    {"name", "path", "origin", "title", "language", "screen", "profile_id", "device_id", "session_id", "currency"}
    | {"sdk_name", "sdk_version", *Source.model_fields, *Surroundings.model_fields} - {"longitude", "latitude"}
)
NUMBER_COLUMNS = frozenset({"revenue", "duration_ms"})
LIST_COLUMNS = frozenset({"groups"})
COLUMNS = TEXT_COLUMNS | NUMBER_COLUMNS | LIST_COLUMNS

Number = int | float
Value = StrictStr | StrictBool | StrictInt | Annotated[float, Field(strict=True, allow_inf_nan=False)]


class Operator(StrEnum):
    """How an event's value is compared."""

    IS = "is"
    IS_NOT = "is_not"
    CONTAINS = "contains"
    DOES_NOT_CONTAIN = "does_not_contain"
    STARTS_WITH = "starts_with"
    ENDS_WITH = "ends_with"
    REGEX = "regex"
    IS_NULL = "is_null"
    IS_NOT_NULL = "is_not_null"
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"


_OPPOSITES = {
    Operator.IS_NOT: Operator.IS,
    Operator.DOES_NOT_CONTAIN: Operator.CONTAINS,
    Operator.IS_NULL: Operator.IS_NOT_NULL,
}
ORDERING = frozenset({Operator.GT, Operator.GTE, Operator.LT, Operator.LTE})
OF_TEXTS = frozenset({Operator.CONTAINS, Operator.STARTS_WITH, Operator.ENDS_WITH, Operator.REGEX})


class Condition(BaseModel):
    """One condition. ``name`` is a column of ``schemas.event.Event`` (one of ``COLUMNS``), or ``properties.`` and a
    property's dotted path as stored. Validation refuses, with a sentence, whatever could not be evaluated.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    operator: Operator
    values: Annotated[tuple[Value, ...], Field(max_length=MAX_VALUES)] = ()

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        _check_name(self.name)
        positive, values = positive_of(self.operator)[0], self.values
        if positive is Operator.IS_NOT_NULL:
            if values:
                raise ValueError(f"{self.operator} takes no value.")
            return self
        if not values or (positive in ORDERING and len(values) > 1):
            wanted = "one value" if positive in ORDERING else "a value, or several of which any may match"
            raise ValueError(f"{self.operator} needs {wanted}.")
        for value in values:
            _check_value(positive, value, is_column=self.name in COLUMNS)
        return self

    @cached_property
    def asked(self) -> "Asked":
        """The condition taken apart."""
        return _take_apart(self)


class Asked(NamedTuple):
    """What a condition asks of a stored value, by its type; ``negated``: the opposite is asked.

    ``texts`` are equal to a stored text (or stand in its text form), ``spelled`` are the numbers that a stored text
    may spell, ``numbers`` those a stored number may be, ``truths`` what a stored truth value may be. For an ordering
    there is one number (``spelled`` and ``numbers``) or one text.
    """

    operator: Operator
    negated: bool
    texts: tuple[str, ...]
    spelled: tuple[Decimal, ...]
    numbers: tuple[Number, ...]
    truths: tuple[bool, ...]


def positive_of(operator: Operator) -> tuple[Operator, bool]:
    """The operator that says when this one is true, and whether it is then false instead."""
    opposite = _OPPOSITES.get(operator)
    return (operator, False) if opposite is None else (opposite, True)


def _check_name(name: str) -> None:
    if name in COLUMNS:
        return
    if not name.startswith(PROPERTIES):
        raise ValueError(f"There is no {name}: say properties.<path> or one of {', '.join(sorted(COLUMNS))}.")
    path = name.removeprefix(PROPERTIES)
    segments = path.split(".")
    # A segment like ":Int64" or "^a" would be read by the store as a question about the type; "a[]" likewise.
    odd = any(each != each.strip() or not each or each[0] in ":^@" or each.endswith("[]") for each in segments)
    if odd or len(path) > _MAX_PATH or re.search("[\x00-\x1f\x7f-\x9f\ud800-\udfff]", path):
        raise ValueError(f"{path[:80]!r} is not the path of a property that can be asked for.")


def _check_value(operator: Operator, value: str | int | float, *, is_column: bool) -> None:
    if isinstance(value, str):
        if len(value) > MAX_VALUE or "\0" in value or re.search("[\ud800-\udfff]", value):
            raise ValueError(f"A text to compare with has at most {MAX_VALUE} characters, none of them NUL.")
        if not value and (is_column or operator is not Operator.IS):
            raise ValueError("An empty text can't be compared with: say is_null for what is not known.")
    elif not isinstance(value, bool):
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise ValueError(f"{value} has more than 64 bits.")
        exponent = Decimal(repr(value)).as_tuple().exponent
        if isinstance(exponent, int) and exponent < -18:
            raise ValueError(f"{value} has more than 18 digits after the point.")
    if operator in ORDERING and isinstance(value, bool):
        raise ValueError(f"{operator} compares numbers or texts.")
    if operator is Operator.REGEX:
        if not isinstance(value, str) or len(value) > MAX_PATTERN:
            raise ValueError(f"A regular expression is a text of at most {MAX_PATTERN} characters.")
        compile_pattern(value)


def compile_pattern(pattern: str) -> Any:
    """The pattern as ClickHouse's ``match`` reads it: RE2, whose time grows with the text alone. Raises ValueError."""
    options = re2.Options()
    options.dot_nl = True
    options.log_errors = False
    options.never_capture = True
    options.max_mem = _PATTERN_MEMORY
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        detail = error.args[0] if error.args else ""
        text = detail.decode("utf-8", "replace") if isinstance(detail, bytes) else str(detail)
        raise ValueError(f"{pattern!r} is no regular expression (RE2): {text}.") from None


def number_of(text: str) -> Number | None:
    """The number that a text spells, or None."""
    if NUMBER.fullmatch(text) is None:
        return None
    return _whole(float(text)) if "." in text else _bounded(int(text))


def _bounded(number: int) -> Number:
    return number if -(2**63) <= number < 2**63 else float(number)


def _whole(number: Number) -> Number:
    if isinstance(number, float) and number.is_integer() and abs(number) < 2**63:
        return int(number)
    return number


def number_text(number: Number) -> str | None:
    """How a number is written: its shortest decimal digits, no exponent; None for those that would need one."""
    if isinstance(number, int):
        return str(number)
    if number == 0:
        return "0"
    if not 1e-6 <= abs(number) < 1e21:
        return None
    return format(Decimal(repr(number)), "f").removesuffix(".0")


def _spelled(number: Number) -> Decimal:
    return min(max(Decimal(repr(number)), -_MAX_SPELLED), _MAX_SPELLED)


def _take_apart(condition: Condition) -> Asked:
    operator, negated = positive_of(condition.operator)
    texts: dict[str, None] = {}
    spelled: dict[Decimal, None] = {}
    numbers: dict[Number, None] = {}
    truths: dict[bool, None] = {}
    for value in condition.values:
        if isinstance(value, bool):
            texts["true" if value else "false"] = None
            truths[value] = None
        elif isinstance(value, str):
            number = None if operator is Operator.REGEX else number_of(value)
            if number is not None:
                numbers[number] = None
            if value in ("true", "false"):
                truths[value == "true"] = None
            if number is not None and operator in ORDERING:
                spelled[Decimal(value)] = None
            else:
                texts[value] = None
        else:
            numbers[_whole(value)] = None
            spelled[_spelled(value)] = None
            if operator in OF_TEXTS and (text := number_text(value)) is not None:
                texts[text] = None
    return Asked(operator, negated, tuple(texts), tuple(spelled), tuple(numbers), tuple(truths))
