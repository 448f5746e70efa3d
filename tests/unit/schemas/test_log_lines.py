"""Log lines for programs: one JSON object each, whatever is in them."""

import json
import logging
import re

from schemas.log_lines import JsonLines


def _line(message: str, *arguments: object, error: bool = False) -> dict[str, object]:
    try:
        raise ValueError("two\nlines")
    except ValueError as raised:
        info = (ValueError, raised, raised.__traceback__) if error else None
    record = logging.LogRecord("ingest.gateway", logging.WARNING, __file__, 1, message, arguments, info)
    text = JsonLines().format(record)
    assert "\n" not in text
    found: dict[str, object] = json.loads(text)
    return found


def test_a_record_is_one_object() -> None:
    line = _line('%d "envelopes"\nwere ü', 3)
    assert (line["level"], line["logger"], line["message"]) == ("warning", "ingest.gateway", '3 "envelopes"\nwere ü')
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(line["time"]))
    assert "error" not in line


def test_an_exception_is_told_with_it() -> None:
    error = str(_line("failed", error=True)["error"])
    assert "Traceback" in error
    assert error.endswith("ValueError: two\nlines")
