"""What a start says: its steps, and what of the settings is not in force."""

import io

import pytest
from rich.console import Console

from weir.local.state import StackState, Step
from weir.screen import StepView, counted
from weir.settings import differences, in_force, load, service_environment


def test_without_a_terminal_a_step_is_told_when_it_begins_and_when_it_ends() -> None:
    out = io.StringIO()
    first, second = Step(name="broker", text="Kafka"), Step(name="store", text="ClickHouse")
    with StepView(Console(file=out)) as view:
        for change in (
            {},
            {"steps": [first]},
            {"steps": [first]},
            {"steps": [first.model_copy(update={"seconds": 3.2})]},
            {"steps": [first.model_copy(update={"seconds": 3.2}), second]},
        ):
            view.show(StackState(supervisor=1).model_copy(update=change))
    assert out.getvalue().splitlines() == ["  Kafka …", "✓ Kafka 3.2 s", "  ClickHouse …"]


def test_numbers_have_their_words() -> None:
    assert [counted(number, "letter", "letters") for number in (0, 1, 2, 1_000)] == [
        "0 letters",
        "1 letter",
        "2 letters",
        "1,000 letters",
    ]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """One without settings of Weir's own but these."""
    for name in service_environment(load()):
        if name.startswith("WEIR_"):
            monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WEIR_GATEWAY_PORT", "9001")
    monkeypatch.setenv("WEIR_CLICKHOUSE_URL", "http://weir:secret-1@127.0.0.1:1")
    monkeypatch.setenv("WEIR_S3_KEY", "secret-2")
    return monkeypatch


def test_a_supervisor_has_the_settings_of_who_started_it(environment: pytest.MonkeyPatch) -> None:
    before = in_force(load())
    for name, value in service_environment(load()).items():
        environment.setenv(name, value)
    assert list(differences(before, in_force(load()))) == []


def test_what_is_written_down_holds_no_secrets(environment: pytest.MonkeyPatch) -> None:
    written = str(in_force(load()))
    assert "secret" not in written
    assert "9001" in written


def test_a_default_that_is_spelt_out_is_no_difference(environment: pytest.MonkeyPatch) -> None:
    before = in_force(load())
    environment.setenv("WEIR_WORKERS", "1")
    environment.setenv("WEIR_PAGE_BUILD", "true")
    assert list(differences(before, in_force(load()))) == []


def test_what_differs_is_named(environment: pytest.MonkeyPatch) -> None:
    before = in_force(load())
    environment.setenv("WEIR_GATEWAY_PORT", "9002")
    environment.setenv("WEIR_REPLICATION", "3")
    environment.setenv("WEIR_CLICKHOUSE_URL", "http://weir:secret-3@127.0.0.1:1")
    environment.delenv("WEIR_S3_KEY")
    assert list(differences(before, in_force(load()))) == [
        "WEIR_CLICKHOUSE_URL is set otherwise",
        "WEIR_GATEWAY_PORT is 9002, and it runs with 9001",
        "WEIR_REPLICATION is 3, and it runs with not set",
        "WEIR_S3_KEY is set otherwise",
    ]
