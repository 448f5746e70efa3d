"""Defaults are the safe values, and secrets do not show."""

import pytest
from pydantic import ValidationError

from query_api.settings import QueryApiSettings


def test_defaults_listen_on_loopback_and_hide_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = QueryApiSettings()
    assert settings.query_api_host == "127.0.0.1"
    monkeypatch.setenv("WEIR_CLICKHOUSE_URL", "http://me:hunter2@db:8123")
    monkeypatch.setenv("WEIR_DATABASE_URL", "postgresql://me:hunter2@db/weir")
    assert "hunter2" not in repr(QueryApiSettings())


@pytest.mark.parametrize(("name", "value"), [("WEIR_QUERY_API_PORT", "0"), ("WEIR_CLICKHOUSE_DATABASE", "a`b")])
def test_nonsense_stops_the_start(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError):
        QueryApiSettings()
