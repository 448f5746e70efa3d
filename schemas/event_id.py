"""What the sender meant by "this event": a UUID, whatever the sender's own notation was."""

import re
from collections.abc import Iterator
from hashlib import blake2b, sha1
from random import getrandbits
from uuid import UUID

_NAMESPACE = UUID("8a5edab2-6f1e-4b53-9d0c-7d2f1a3c5e10")


_CANONICAL = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")  # a repeated group takes twice
_DIGITS = 32
"""Of a UUID, however it is written."""


def canonical_event_id(project_id: str, given: str) -> str:
    """The sender's UUID in its canonical text, or UUIDv5 of the project and the sender's own string."""
    if _CANONICAL.fullmatch(given):
        return given
    if len(given) >= _DIGITS:
        try:
            return str(UUID(given))
        except ValueError:
            pass
    return _named(f"{project_id}:{given}")


def _named(text: str) -> str:
    """UUIDv5 of our namespace, at a third of what the class takes for it."""
    digits = sha1(_NAMESPACE.bytes + text.encode(), usedforsecurity=False).hexdigest()
    variant = _VARIANT[digits[16]]
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"


def event_id_at(epoch: int, partition: int, offset: int, line: int) -> str:
    """Id of a line that came without one: where it lies in the raw log, so a replay gives the same."""
    return _named(f"raw:{epoch}:{partition}:{offset}:{line}")


def derived_event_id(text: str) -> str:
    """The same UUID for the same text: version 8 (RFC 9562) over BLAKE2b, a tenth of the cost of a UUIDv5."""
    digits = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-8{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def new_event_id(time_ms: int) -> str:
    """A fresh id made by a gateway: UUIDv7 (RFC 9562), whose order follows ``time_ms`` and so compresses well. It need
    not be a secret, only unlike any other: asking the system each time would cost more than all the rest.
    """
    # Version 7 and the variant's two bits (8, 9, a or b) stand where RFC 9562 has them; the rest is random.
    random = getrandbits(80) & 0x0FFF_3FFF_FFFF_FFFF_FFFF | 0x7000_8000_0000_0000_0000
    digits = f"{(time_ms & 0xFFFFFFFFFFFF) << 80 | random:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def new_event_ids(time_ms: int) -> Iterator[str]:
    """Fresh ids without end for the events of one request, each as `new_event_id`; those after the first count up from
    it, which takes a tenth of the time.
    """
    first = new_event_id(time_ms)
    yield first
    begins, high, low = first[:-12], int(first[-12:-3], 16), int(first[-3:], 16)
    while True:
        stem = f"{begins}{high:09x}"
        for number in range(low + 1, 4_096):
            yield stem + _LAST_DIGITS[number]
        high, low = (high + 1) & 0xFFFFFFFFF, -1


_VARIANT = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}
_LAST_DIGITS = tuple(f"{number:03x}" for number in range(4_096))
"""Of an id; to write them anew each time costs more than all the rest of it."""
