"""The ring of event ids against a plain list of all that was ever added."""

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.ring import FULL_SEGMENTS, HASH_BYTES, SEGMENT_BYTES, SEGMENT_IDS, Ring

REMEMBERED = 1_000
"""The promise of ``DESIGN``: this many of a device's last ids are known."""


class Stored:
    """Slots as the changelog keeps them; each ``reopen`` is a new batch of a new owner."""

    def __init__(self) -> None:
        self.slots: dict[int, bytes] = {}
        self.filling = 0
        self.segment = b""

    def reopen(self, ring: Ring | None) -> Ring:
        if ring is not None:
            self.slots.update(ring.full)
            self.filling, self.segment = ring.filling, ring.segment
        return Ring(self.filling, self.segment, self.slots.get)


def id_hash(number: int) -> bytes:
    return number.to_bytes(HASH_BYTES, "big")


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_repeats_within_the_last_thousand_are_dropped_whatever_the_batches(data: st.DataObject) -> None:
    stored, ring = Stored(), None
    added: list[int] = []
    for _ in range(data.draw(st.integers(1, 8), "batches")):
        ring = stored.reopen(ring)
        for _ in range(data.draw(st.integers(0, 6), "runs")):
            fresh = data.draw(st.integers(0, 150), "new ids")
            for number in range(len(added), len(added) + fresh):
                assert ring.add(id_hash(number))
                added.append(number)
            if added:
                back = data.draw(st.integers(1, min(len(added), REMEMBERED)), "an id that many ago")
                assert not ring.add(id_hash(added[-back]))


def test_memory_is_bounded() -> None:
    stored = Stored()
    ring = stored.reopen(None)
    total = 5 * REMEMBERED
    for number in range(total):
        ring.add(id_hash(number))
    stored.reopen(ring)
    known = {number for number in range(total) if not stored.reopen(None).add(id_hash(number))}
    assert known == set(range(min(known), total))
    assert REMEMBERED <= len(known) <= (FULL_SEGMENTS + 1) * SEGMENT_IDS


def test_an_id_is_known_only_where_one_begins() -> None:
    """The bytes of two neighbours may spell a third id across their border; that one was never sent."""
    ring = Ring(0, b"", lambda slot: None)
    one, other = b"AAAABBBB", b"CCCCDDDD"
    across = b"BBBBCCCC"
    assert ring.add(one)
    assert ring.add(other)
    assert ring.add(across)
    assert not ring.add(across)


def test_only_what_was_filled_is_written_beside_the_device() -> None:
    stored = Stored()
    ring = stored.reopen(None)
    for number in range(10 * SEGMENT_IDS):
        ring.add(id_hash(number))
    assert set(ring.full) == set(range(9))
    ring = stored.reopen(ring)
    ring.add(id_hash(10 * SEGMENT_IDS))
    assert set(ring.full) == {9}
    assert not ring.add(id_hash(0))
    assert len(ring.segment) == HASH_BYTES


def test_slots_are_bounded_and_a_full_segment_takes_the_place_of_the_oldest() -> None:
    ring = Ring(0, b"", lambda slot: None)
    for number in range(3 * FULL_SEGMENTS * SEGMENT_IDS):
        ring.add(id_hash(number))
    assert set(ring.full) == set(range(FULL_SEGMENTS)) == set(ring.slots())
    assert all(len(segment) == SEGMENT_BYTES for segment in ring.full.values())
    assert len(ring.segment) <= SEGMENT_BYTES
