"""The names a store goes by."""

from sinks.store.guard import Guard


def test_configured_names_are_known_with_any_port() -> None:
    guard = Guard("store.internal, Other")
    for host in ("store.internal", "STORE.internal:8123", "other:1", "127.0.0.1"):
        assert guard.refusal({"host": host}) is None
    for host in ("", "elsewhere", "store.internal.elsewhere", "store.internal:x", "[store.internal]", "0.0.0.0"):
        assert "Host" in (guard.refusal({"host": host}) or "")
