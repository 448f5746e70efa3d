"""Device hashes and event ids."""

from hashlib import blake2b
from itertools import islice
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.device_id import device_hash
from schemas.event_id import canonical_event_id, derived_event_id, event_id_at, new_event_id, new_event_ids

SALT = bytes(range(32))


def test_device_hash_is_the_documented_one() -> None:
    parts = (b"project-1", b"203.0.113.7", b"Mozilla/5.0")
    framed = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    expected = blake2b(framed, digest_size=16, key=SALT).hexdigest()
    assert device_hash(SALT, "project-1", "203.0.113.7", "Mozilla/5.0") == expected
    assert len(expected) == 32


@given(st.text(max_size=6), st.text(max_size=6), st.text(max_size=6), st.integers(0, 6))
def test_moving_text_between_fields_makes_another_device(project: str, ip: str, agent: str, by: int) -> None:
    moved = (project + ip[:by], ip[by:], agent)
    assert (device_hash(SALT, *moved) == device_hash(SALT, project, ip, agent)) == (moved == (project, ip, agent))


def test_another_salt_makes_another_device() -> None:
    assert device_hash(SALT, "p", "1", "a") != device_hash(bytes(32), "p", "1", "a")


def test_lone_surrogates_do_no_harm() -> None:
    assert len(device_hash(SALT, "p", "1", "\ud800")) == 32


@pytest.mark.parametrize(
    "given_id",
    [
        "0190b6f2-7c3a-7d10-8a55-3f1f2f6f9a01",
        "0190B6F2-7C3A-7D10-8A55-3F1F2F6F9A01",
        "{0190b6f2-7c3a-7d10-8a55-3f1f2f6f9a01}",
        "urn:uuid:0190b6f2-7c3a-7d10-8a55-3f1f2f6f9a01",
        "0190b6f27c3a7d108a553f1f2f6f9a01",
    ],
)
def test_any_notation_of_a_uuid_is_the_same_event(given_id: str) -> None:
    assert canonical_event_id("p", given_id) == "0190b6f2-7c3a-7d10-8a55-3f1f2f6f9a01"


@given(st.text(min_size=1, max_size=40))
def test_every_id_becomes_a_uuid(given_id: str) -> None:
    event_id = canonical_event_id("p", given_id)
    assert str(UUID(event_id)) == event_id
    assert canonical_event_id("p", given_id) == event_id


def test_ids_that_are_no_uuids_belong_to_their_project() -> None:
    assert canonical_event_id("p", "order-1") != canonical_event_id("q", "order-1")
    assert canonical_event_id("p", "order-1") != canonical_event_id("p", "order-2")


def test_place_names_what_came_without_an_id() -> None:
    places = {event_id_at(*place) for place in [(1, 2, 3, 4), (2, 2, 3, 4), (1, 3, 3, 4), (1, 2, 4, 4), (1, 2, 3, 5)]}
    assert len(places) == 5
    assert event_id_at(1, 2, 3, 4) in places


def test_derived_ids_are_valid_uuids_of_version_8() -> None:
    derived = UUID(derived_event_id("p:session:session_end"))
    assert (derived.version, derived.variant) == (8, "specified in RFC 4122")
    assert str(derived) == derived_event_id("p:session:session_end")
    assert str(derived) != derived_event_id("p:session:session_start")


@given(st.lists(st.integers(0, 2**48 - 1), min_size=2, max_size=20, unique=True))
def test_new_ids_follow_time(times: list[int]) -> None:
    ids = [new_event_id(time) for time in sorted(times)]
    assert ids == sorted(ids)
    assert all(UUID(made).version == 7 for made in ids)
    assert UUID(ids[0]).int >> 80 == min(times)


@given(st.integers(0, 2**48 - 1))
def test_new_ids_of_one_request_are_ids_of_its_time(time: int) -> None:
    ids = list(islice(new_event_ids(time), 3_000))
    assert len(set(ids)) == 3_000
    made = [UUID(text) for text in ids]
    assert {one.version for one in made} == {7}
    assert {one.variant for one in made} == {"specified in RFC 4122"}
    assert {one.int >> 80 for one in made} == {time}
    assert [str(one) for one in made] == ids


@given(st.text(max_size=80))
def test_ids_that_are_no_uuids_are_uuid_5(given_id: str) -> None:
    made = UUID(canonical_event_id("p", f"order {given_id}"))
    assert made == uuid5(UUID("8a5edab2-6f1e-4b53-9d0c-7d2f1a3c5e10"), f"p:order {given_id}")
