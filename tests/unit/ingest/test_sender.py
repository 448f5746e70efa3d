"""What headers say of a sender."""

import orjson

from ingest.sender import describe_sender


def test_headers_without_measure_are_cut() -> None:
    names = (b"user-agent", b"openpanel-sdk-name", b"openpanel-sdk-version", b"sec-ch-ua", b"origin")
    sender = describe_sender(dict.fromkeys(names, b"\xe4" * 100_000))
    assert sender[:3] == ("ä" * 2_048, "ä" * 64, "ä" * 64)
    assert orjson.loads(sender.hints) == {"sec-ch-ua": "ä" * 512, "origin": "ä" * 512}


def test_what_is_missing_is_empty_or_left_out() -> None:
    sender = describe_sender({b"accept-language": b""})
    assert sender[:3] == ("", "", "")
    assert orjson.loads(sender.hints) == {"accept-language": ""}
