"""Session ids: what gateway and worker must compute alike without asking each other."""

from base64 import urlsafe_b64decode
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.session_id import BUCKET_GRACE_MS, SESSION_TIMEOUT_MS, session_bucket, session_id, session_month

TIMES = st.integers(0, 4_000_000_000_000)


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def test_id_is_the_documented_hash() -> None:
    name = session_id("project-1", "device-1", 987_654)
    digest = sha256(b"sess:v1:project-1:device-1:987654").digest()
    assert len(name) == 22
    assert urlsafe_b64decode(name + "==") == digest[:16]


def test_id_of_a_repeat_is_another() -> None:
    names = {session_id("p", "d", 1, repeat) for repeat in range(10)}
    assert len(names) == 10
    assert session_id("p", "d", 1, 3) == session_id("p", "d", 1, 3)


def test_project_device_and_bucket_all_count() -> None:
    assert (
        len({session_id("p", "d", 1), session_id("q", "d", 1), session_id("p", "e", 1), session_id("p", "d", 2)}) == 4
    )


@pytest.mark.parametrize(
    ("into_ms", "same_as_before"),
    [(0, True), (BUCKET_GRACE_MS - 1, True), (BUCKET_GRACE_MS, False), (SESSION_TIMEOUT_MS - 1, False)],
    ids=["first ms", "last of the grace", "after the grace", "last ms"],
)
def test_first_seconds_of_a_half_hour_belong_to_the_one_before(into_ms: int, same_as_before: bool) -> None:
    begin = at("2026-03-01T10:30:00")
    before = session_bucket(begin - 1)
    assert session_bucket(begin + into_ms) == before + (not same_as_before)


@given(TIMES, st.integers(SESSION_TIMEOUT_MS + 1, 10 * SESSION_TIMEOUT_MS))
def test_a_session_after_a_gap_has_another_bucket(time: int, gap: int) -> None:
    assert session_bucket(time + gap) > session_bucket(time)


@pytest.mark.parametrize(
    ("moment", "month"),
    [
        ("2026-01-31T23:59:59", 202601),
        ("2026-02-01T00:00:04.999", 202601),
        ("2026-02-01T00:00:05", 202602),
        ("2025-12-31T23:45:00", 202512),
        ("2026-01-01T00:30:00", 202601),
    ],
)
def test_month_is_the_buckets(moment: str, month: int) -> None:
    assert session_month(session_bucket(at(moment))) == month
