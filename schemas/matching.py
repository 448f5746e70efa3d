"""Conditions evaluated over one row of events; what they mean is in ``schemas.conditions``."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from schemas.conditions import (
    COLUMNS,
    NUMBER,
    ORDERING,
    PROPERTIES,
    Asked,
    Condition,
    Operator,
    compile_pattern,
    number_text,
)

Row = Mapping[str, Any]
Test = Callable[[Any], bool]


def compile_conditions(conditions: Iterable[Condition]) -> Callable[[Row], bool]:
    """Whether all conditions hold for a row of ``weir.events`` (``schemas.event.Event`` as a dict). Pure, never raises
    for a row that is one.
    """
    tests = tuple(_compile_condition(each) for each in conditions)
    if len(tests) == 1:
        return tests[0]
    return lambda row: all(test(row) for test in tests)


def _compile_condition(condition: Condition) -> Callable[[Row], bool]:
    test = _test(condition.asked)
    negated = condition.asked.negated
    if condition.name in COLUMNS:
        column = condition.name

        def of_column(row: Row) -> bool:
            value = row[column]
            return (value != "" and _any(value, test)) != negated

        return of_column
    path = condition.name.removeprefix(PROPERTIES)

    def of_property(row: Row) -> bool:
        value = row["properties"].get(path)
        return (value is not None and _any(value, test)) != negated

    return of_property


def _any(value: Any, test: Test) -> bool:
    if isinstance(value, list | tuple):
        # The store keeps an array of numbers as one of a single type.
        items = [float(each) for each in value] if _has_fractions(value) else value
        return any(test(each) for each in items)
    return test(value)


def _has_fractions(items: list[Any] | tuple[Any, ...]) -> bool:
    return any(type(each) is float for each in items)


def _test(asked: Asked) -> Test:
    operator, texts = asked.operator, asked.texts
    if operator is Operator.IS_NOT_NULL:
        return lambda value: True
    if operator is Operator.IS:
        return _equality(asked)
    if operator in ORDERING:
        return _ordering(asked)
    if operator is Operator.REGEX:
        patterns = [compile_pattern(text) for text in texts]
        return _of_text(lambda text: any(pattern.search(text) is not None for pattern in patterns))
    if operator is Operator.CONTAINS:
        return _of_text(lambda text: any(part in text for part in texts))
    if operator is Operator.STARTS_WITH:
        return _of_text(lambda text: text.startswith(texts))
    return _of_text(lambda text: text.endswith(texts))


def _of_text(test: Callable[[str], bool]) -> Test:
    def of_value(value: Any) -> bool:
        if isinstance(value, str):
            return test(value)
        if isinstance(value, bool):
            return test("true" if value else "false")
        text = number_text(value)
        return text is not None and test(text)

    return of_value


def _equality(asked: Asked) -> Test:
    texts, spelled, numbers, truths = map(frozenset, asked[2:])

    def is_one(value: Any) -> bool:
        if isinstance(value, str):
            return value in texts or (
                bool(spelled) and NUMBER.fullmatch(value) is not None and Decimal(value) in spelled
            )
        return value in truths if isinstance(value, bool) else value in numbers

    return is_one


def _ordering(asked: Asked) -> Test:
    operator = asked.operator
    if asked.texts:
        (text,) = asked.texts
        return lambda value: isinstance(value, str) and _ordered(operator, value, text)
    (spelled,), (number,) = asked.spelled, asked.numbers

    def is_so(value: Any) -> bool:
        if isinstance(value, str):
            return NUMBER.fullmatch(value) is not None and _ordered(operator, Decimal(value), spelled)
        return not isinstance(value, bool) and _ordered(operator, value, number)

    return is_so


def _ordered(operator: Operator, left: Any, right: Any) -> bool:
    if operator is Operator.GT:
        return bool(left > right)
    if operator is Operator.GTE:
        return bool(left >= right)
    return bool(left < right if operator is Operator.LT else left <= right)
