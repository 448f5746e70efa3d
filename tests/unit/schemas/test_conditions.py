"""What conditions mean, by their examples; and what is refused when one is made."""

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.conditions import MAX_PATTERN, Condition, Operator, positive_of
from schemas.matching import compile_conditions
from tests.condition_vectors import condition_vectors

VECTORS = condition_vectors()


def test_there_are_examples_of_every_operator() -> None:
    conditions = [condition for vectors in VECTORS for condition, _ in vectors.cases]
    assert len(conditions) >= 150
    assert {condition.operator for condition in conditions} == set(Operator)


def test_rows_are_what_the_examples_say() -> None:
    wrong = [
        (condition, expected)
        for row, cases in VECTORS
        for condition, expected in cases
        if compile_conditions([condition])(row) is not expected
    ]
    assert wrong == []


def test_an_operator_and_its_opposite_split_all_rows() -> None:
    for row, cases in VECTORS:
        for condition, expected in cases:
            positive, negated = positive_of(condition.operator)
            if negated:
                opposite = condition.model_copy(update={"operator": positive})
                assert compile_conditions([Condition.model_validate(opposite.model_dump())])(row) is not expected


def test_all_conditions_must_hold_and_none_is_no_obstacle() -> None:
    row = VECTORS[0].row
    here = Condition(name="country", operator=Operator.IS, values=("CH",))
    elsewhere = Condition(name="country", operator=Operator.IS_NOT, values=("CH",))
    assert compile_conditions([])(row)
    assert compile_conditions([here, here])(row)
    assert not compile_conditions([here, elsewhere])(row)


@pytest.mark.parametrize(
    ("name", "operator", "values", "sentence"),
    [
        ("colour", "is", ("red",), "There is no colour"),
        ("properties", "is", ("red",), "There is no properties"),
        ("properties.", "is", ("red",), "not the path of a property"),
        ("properties.a..b", "is", ("red",), "not the path of a property"),
        ("properties.a.:Int64", "is", (1,), "not the path of a property"),
        ("properties.^a", "is_null", (), "not the path of a property"),
        ("properties.a[]", "is_null", (), "not the path of a property"),
        ("properties.a\nb", "is_null", (), "not the path of a property"),
        ("properties." + "a" * 257, "is_null", (), "not the path of a property"),
        ("path", "is", (), "needs a value"),
        ("path", "is_null", ("x",), "takes no value"),
        ("revenue", "gt", (1, 2), "needs one value"),
        ("properties.a", "gt", (True,), "compares numbers or texts"),
        ("path", "is", ("",), "say is_null"),
        ("properties.a", "contains", ("",), "say is_null"),
        ("path", "is", ("a\0",), "NUL"),
        ("path", "is", ("a" * 1_025,), "at most 1024"),
        ("path", "regex", ("(",), "missing )"),
        ("path", "regex", (r"(a)\1",), "invalid escape sequence"),
        ("path", "regex", ("(?=a)",), "no regular expression"),
        ("path", "regex", ("((a{100}){100}){10}",), "no regular expression"),
        ("path", "regex", (5,), "is a text"),
        ("path", "regex", ("a" * (MAX_PATTERN + 1),), "at most 256"),
        ("properties.a", "is", (2**63,), "64 bits"),
        ("properties.a", "is", (1e-19,), "18 digits"),
        ("properties.a", "is", (float("nan"),), "finite"),
        ("path", "is", ("a",) * 101, "at most 100"),
        ("path", "is", (None,), "valid"),
        ("path", "like", ("a",), "Input should be"),
    ],
)
def test_what_could_not_be_evaluated_is_refused(name: str, operator: Any, values: Any, sentence: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Condition(name=name, operator=operator, values=values)
    assert sentence in str(refused.value)


def test_no_pattern_takes_long() -> None:
    """One that would take a backtracking engine for ever."""
    condition = Condition(name="path", operator=Operator.REGEX, values=("^(a+)+$",))
    assert not compile_conditions([condition])({"path": "a" * 4_096 + "!"})
