"""Ids of devices that did not bring one: a keyed hash that nobody can undo once the day's salt is destroyed."""

from hashlib import blake2b

MAX_DEVICE_ID = 128
"""Longest device id, in characters, that a sender may give."""


def device_hash(salt: bytes, project_id: str, ip: str, user_agent: str) -> str:
    """Device id of one day: 32 hexadecimal digits, BLAKE2b keyed with the day's ``salt`` (16 to 64 bytes).

    Fields are length-prefixed, so that no two different triples make the same text.
    """
    digest = blake2b(digest_size=16, key=salt)
    for part in (project_id, ip, user_agent):
        raw = part.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(4, "big"))
        digest.update(raw)
    return digest.hexdigest()
