"""What others have sent, on a terminal."""

import pytest

from weir.screen import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("shop", "shop"),
        ("größe 大 ☕ x", "größe 大 ☕ x"),
        ("\x1b[2J", r"\x1b[2J"),
        ("\x9b31m", r"\x9b31m"),
        ("a\nb\tc\0", r"a\nb\tc\x00"),
        ("\u202egnp", r"\u202egnp"),
        ("\udc80", r"\udc80"),
        ("", ""),
    ],
    ids=["word", "letters", "escape", "control", "lines", "backwards", "surrogate", "nothing"],
)
def test_what_would_steer_a_terminal_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
