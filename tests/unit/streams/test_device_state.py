"""How a device is kept: whatever it knows comes back, and the indexes need only the front."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import topics
from streams.device_state import decode_device, encode_device, heard_of, kept_sessions
from tests.unit.streams.raw_log import MINUTE, NOON, PROJECT, Partition, RawLog, process, track

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)


def remembered() -> list[dict[str, Any]]:
    """Sessions as workers hold them."""
    log = RawLog().send(NOON, track(), track(time=NOON - 60 * MINUTE, event_id="earlier"))
    state = process(log).state[f"device/{PROJECT}/device-1".encode()]
    return [session for session in kept_sessions(decode_device(state), PROJECT, "device-1") if session is not None]


SESSIONS = remembered()


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_device_comes_back_as_it_was(data: st.DataObject) -> None:
    def session() -> dict[str, Any] | None:
        if data.draw(st.booleans(), "none"):
            return None
        made = dict(data.draw(st.sampled_from(SESSIONS)))
        texts = [
            name for name, value in made.items() if isinstance(value, str) and name not in ("project_id", "device_id")
        ]
        for name in data.draw(st.sets(st.sampled_from(texts), max_size=3)):
            made[name] = data.draw(TEXT)
        made["started"], made["longitude"] = (
            data.draw(st.integers(0, 2**53)),
            data.draw(st.none() | st.floats(-180, 180)),
        )
        return made

    current = session()
    earlier = session() if current is not None else None
    link = (data.draw(TEXT), data.draw(st.integers(0, 2**62)))
    ring = (data.draw(st.integers(0, 10**6)), data.draw(st.binary(max_size=512)))
    arrival = data.draw(st.integers(0, 2**53))
    value = encode_device(arrival, link, ring, current, earlier)
    kept = decode_device(value)
    assert heard_of(value) == (current is not None and not current["is_closed"], arrival)
    assert (kept.profile_id, kept.link_version, kept.filling, kept.segment) == (*link, *ring)
    assert kept_sessions(kept, PROJECT, "device-1") == (current, earlier)


def test_a_session_keeps_its_order_of_columns() -> None:
    """What is taken back is what was said, to the byte."""
    partition = Partition()
    for minute in range(3):
        log = RawLog(end=minute).send(NOON + minute * MINUTE, track(time=NOON + minute * MINUTE))
        partition.take([log.chunk(minute)])
        partition.reload()
    assert len({tuple(row) for row in partition.rows(topics.SESSIONS)}) == 1


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match=r"msgpack|truncated|Expected"):
        decode_device(b"nonsense of another version")


def test_what_the_first_weirs_kept_is_taken_over() -> None:
    """A device as they wrote it: a session that goes on is the same session still."""
    session = {**SESSIONS[0], "is_closed": 0, "version": 1}
    first_form = orjson.dumps({"current": session, "arrival": NOON, "profile": "ann", "link": 7, "ring": 3})
    assert heard_of(first_form) == (True, NOON)
    kept = decode_device(first_form)
    assert (kept.profile_id, kept.link_version, kept.filling) == ("ann", 7, 0)
    assert kept_sessions(kept, PROJECT, "device-1") == (session, None)
    state = {f"device/{PROJECT}/device-1".encode(): first_form}
    log = RawLog().send(NOON + MINUTE, track(time=NOON + MINUTE, event_id="later"))
    was, now = Partition(state=state).take([log.chunk()]).rows(topics.SESSIONS)
    assert (was["sign"], was["session_id"], was["event_count"]) == (-1, session["session_id"], session["event_count"])
    assert (now["sign"], now["session_id"], now["event_count"]) == (1, was["session_id"], was["event_count"] + 1)
