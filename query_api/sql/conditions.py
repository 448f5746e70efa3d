"""Conditions on events as SQL: the same answers as ``schemas.matching``, which a test holds with the same examples.

Every value is a bound parameter. A property's path becomes part of the text, quoted (``builder.quoted``), so that the
store reads that one column of the properties and nothing else; its form was checked when the condition was made.
"""

import struct
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any

from query_api.sql.builder import quoted
from schemas.conditions import (
    LIST_COLUMNS,
    NUMBER_COLUMNS,
    NUMBER_PATTERN,
    ORDERING,
    PROPERTIES,
    TEXT_COLUMNS,
    Asked,
    Condition,
    Number,
    Operator,
)

_SIGNS = {Operator.GT: ">", Operator.GTE: ">=", Operator.LT: "<", Operator.LTE: "<="}
_TEXT_TESTS = {
    Operator.CONTAINS: "position({x}, {v}) > 0",
    Operator.STARTS_WITH: "startsWith({x}, {v})",
    Operator.ENDS_WITH: "endsWith({x}, {v})",
    Operator.REGEX: "match({x}, {v})",
}
_TYPES = ("String", "Int64", "Float64", "Bool")
_AS_TEXT = {
    "String": "{x}",
    "Int64": "toString({x})",
    # As `schemas.conditions.number_text` writes it; nothing where that would need an exponent.
    "Float64": "if({x} = 0, '0', if(abs({x}) >= 1e-6 and abs({x}) < 1e21, toString({x}), null))",
    "Bool": "multiIf({x}, 'true', not {x}, 'false', null)",
}

Test = Callable[[str], str]


class Conditions:
    """Expressions for conditions, and the parameters they need. ``prefix`` keeps their names apart from others'."""

    def __init__(self, prefix: str = "condition") -> None:
        self.parameters: dict[str, Any] = {}
        self._prefix = prefix

    def every(self, conditions: Iterable[Condition]) -> tuple[str, ...]:
        """An expression (UInt8, never null) for each condition, over a table that has the columns of events."""
        return tuple(self.expression(each) for each in conditions)

    def name_in(self, names: Iterable[str]) -> str:
        """An expression that is true for events of these names."""
        return f"name in {self._bind('Array(String)', list(names))}"

    def expression(self, condition: Condition) -> str:
        """The expression for one condition."""
        tests = self._tests(condition.asked)
        if condition.name in TEXT_COLUMNS:
            column = f"toString({quoted(condition.name)})"
            found = f"{column} != '' and {_never_null(tests.get('String'), column)}"
        elif condition.name in NUMBER_COLUMNS:
            found = _never_null(tests.get("Int64"), quoted(condition.name))
        elif condition.name in LIST_COLUMNS:
            found = _of_items(tests.get("String"), quoted(condition.name))
        else:
            found = " or ".join(_of_property(condition.name.removeprefix(PROPERTIES), tests)) or "false"
        return f"not ({found})" if condition.asked.negated else f"({found})"

    def _tests(self, asked: Asked) -> dict[str, Test]:
        """By type of what is stored: the expression of a value's expression; types that can't match are left out."""
        if asked.operator is Operator.IS_NOT_NULL:
            return dict.fromkeys(_TYPES, lambda x: f"{x} is not null")
        if asked.operator is Operator.IS:
            return self._equality(asked)
        if asked.operator in ORDERING:
            return self._ordering(asked, _SIGNS[asked.operator])
        pattern = _TEXT_TESTS[asked.operator]
        values = [self._bind("String", text) for text in asked.texts]

        def of_type(as_text: str) -> Test:
            return lambda x: _either(pattern.format(x=as_text.format(x=x), v=v) for v in values)

        return {type_: of_type(as_text) for type_, as_text in _AS_TEXT.items()}

    def _equality(self, asked: Asked) -> dict[str, Test]:
        texts = self._bind("Array(String)", list(asked.texts))
        spelled = [self._decimal(number) for number in asked.spelled]
        numbers = [self._number(number) for number in asked.numbers]
        truths = ["true" if truth else "false" for truth in asked.truths]
        tests: dict[str, Test] = {
            "String": lambda x: _either([f"has({texts}, {x})", *(f"{_spelled(x)} = {v}" for v in spelled)])
        }
        if numbers:
            tests["Int64"] = tests["Float64"] = lambda x: _either(f"{x} = {v}" for v in numbers)
        if truths:
            tests["Bool"] = lambda x: _either(f"{x} = {v}" for v in truths)
        return tests

    def _ordering(self, asked: Asked, sign: str) -> dict[str, Test]:
        if asked.texts:
            text = self._bind("String", asked.texts[0])
            return {"String": lambda x: f"{x} {sign} {text}"}
        spelled, number = self._decimal(asked.spelled[0]), self._number(asked.numbers[0])
        tests: dict[str, Test] = {"String": lambda x: f"{_spelled(x)} {sign} {spelled}"}
        tests["Int64"] = tests["Float64"] = lambda x: f"{x} {sign} {number}"
        return tests

    def _bind(self, type_: str, value: Any) -> str:
        name = f"{self._prefix}_{len(self.parameters)}"
        self.parameters[name] = value
        return f"{{{name}:{type_}}}"

    def _decimal(self, number: Decimal) -> str:
        digits = self._bind("String", format(number, "f"))
        return f"toDecimal128({digits}, 18)"

    def _number(self, number: Number) -> str:
        if isinstance(number, int):
            return self._bind("Int64", number)
        # By its bits: the store reads decimal fractions of parameters less exactly than we do.
        (bits,) = struct.unpack("<Q", struct.pack("<d", number))
        return f"reinterpretAsFloat64({self._bind('UInt64', bits)})"


def _of_property(path: str, tests: dict[str, Test]) -> Iterator[str]:
    for type_, test in tests.items():
        # One quoted name after `properties`: the path with its dots, as the engine itself names its columns.
        yield _never_null(test, f"properties.{quoted(path)}.:`{type_}`")
        yield _of_items(test, f"properties.{quoted(path)}.:`Array(Nullable({type_}))`")


def _of_items(test: Test | None, items: str) -> str:
    return f"arrayExists(item -> {_never_null(test, 'item')}, {items})" if test is not None else "false"


def _never_null(test: Test | None, x: str) -> str:
    return f"ifNull({test(x)}, false)" if test is not None else "false"


def _either(tests: Iterable[str]) -> str:
    return "(" + " or ".join(tests) + ")"


def _spelled(x: str) -> str:
    """The number that a text spells, or null."""
    pattern = NUMBER_PATTERN.replace("\\", "\\\\")
    return f"if(match({x}, '{pattern}'), toDecimal128OrNull({x}, 18), null)"
