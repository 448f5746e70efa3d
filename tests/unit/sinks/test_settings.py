"""The defaults are the safe ones."""

import pytest
from pydantic import ValidationError

from sinks.settings import SinkSettings, StoreSettings


def test_the_store_listens_on_loopback_only() -> None:
    assert StoreSettings().host == "127.0.0.1"
    with pytest.raises(ValidationError):
        StoreSettings.model_validate({"host": "0.0.0.0"})


def test_a_password_in_the_address_is_hidden() -> None:
    settings = SinkSettings.model_validate({"clickhouse_url": "http://user:hidden@host:8123"})
    assert "hidden" not in repr(settings)


def test_the_store_may_reach_kafka_by_another_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIR_KAFKA_BOOTSTRAP", "outside:1")
    assert SinkSettings().bootstrap_for_store == "outside:1"
    monkeypatch.setenv("WEIR_STORE_KAFKA_BOOTSTRAP", "inside:2")
    assert SinkSettings().bootstrap_for_store == "inside:2"
