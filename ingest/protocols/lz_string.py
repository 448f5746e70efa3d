"""lz-string's base64 form, in which posthog-js sent its events before 2022.

The text is a row of numbers, lowest bit first: entries of a dictionary that grows with each of them, or 0 and 1 before
a new character of 8 or 16 bits, or 2 at the end. The dictionary starts with these three, and a number has as many bits
as the largest that may come.
"""

from ingest.limits import too_large

MAX_PACKED = 128 * 1024
"""Characters, which take 0.1 s to unpack at most while all else waits; those libraries sent a few at a time."""
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BITS = {ord(character): f"{value:06b}" for value, character in enumerate(_ALPHABET)} | {ord("="): ""}
_END, _CHARACTER_BITS = 2, {0: 8, 1: 16}


def unpack_lz_string(packed: str, limit: int) -> str:
    """The text of ``compressToBase64``.

    :raises ValueError: it is none.
    :raises Refusal: 413 ``too_large``, as soon as it has more than ``limit`` characters.
    """
    if len(packed) > MAX_PACKED:
        raise too_large(MAX_PACKED)
    if not set(packed) <= set(map(chr, _BITS)):
        raise ValueError("not base64")
    bits, position = packed.translate(_BITS), 0
    entries = ["", "", ""]
    parts: list[str] = []
    before, size, width = "", 0, 2
    while True:
        number, position = _number(bits, position, width)
        if number == _END:
            # Halves of surrogate pairs may have come as characters of their own.
            return "".join(parts).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        if number in _CHARACTER_BITS:
            code, position = _number(bits, position, _CHARACTER_BITS[number])
            entry = chr(code)
            entries.append(entry)
        elif number < len(entries):
            entry = entries[number]
        elif number == len(entries) and before:
            entry = before + before[0]
        else:
            raise ValueError("no such entry")
        size += len(entry)
        if size > limit:
            raise too_large(limit)
        parts.append(entry)
        if before:
            entries.append(before + entry[0])
        before = entry
        width = len(entries).bit_length()


def _number(bits: str, position: int, width: int) -> tuple[int, int]:
    """The number at the position, and where the next begins."""
    end = position + width
    if end > len(bits):
        raise ValueError("it ends too early")
    return int(bits[position:end][::-1], 2), end
