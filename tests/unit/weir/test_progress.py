"""How far a transfer is, for people."""

import io

import pytest

from weir.progress import Doing, Progress, amounts, readable_bytes


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 B"),
        (1023, "1,023 B"),
        (1536, "1.5 KiB"),
        (5 * 2**20, "5.0 MiB"),
        (3 * 2**30, "3.0 GiB"),
        (2**43, "8.0 TiB"),
    ],
)
def test_bytes_are_shown_in_their_unit(size: int, shown: str) -> None:
    assert readable_bytes(size) == shown


def test_rows_and_rate() -> None:
    assert amounts(1_000_000, 2**20, 4.0) == "1,000,000 rows, 1.0 MiB, 250,000 rows/s"


def test_bytes_that_are_not_known_are_not_shown() -> None:
    assert amounts(10, 0, 1.0) == "10 rows, 10 rows/s"


def test_nobody_is_told_without_a_terminal() -> None:
    out = io.StringIO()
    progress = Progress("events", out)
    progress(5, 100)
    assert progress.end() >= 0
    assert out.getvalue() == ""


class Terminal(io.StringIO):
    """A stream that somebody looks at."""

    def isatty(self) -> bool:
        return True


def test_a_line_is_written_over_and_gone_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("weir.progress.time.monotonic", lambda: now[0])
    out = Terminal()
    progress = Progress("events", out)
    progress(1, 1)
    assert out.getvalue() == ""
    now[0] += 1
    progress(2_000, 2048, ", 1 refused")
    assert out.getvalue() == "\r\x1b[Kevents: 2,000 rows, 2.0 KiB, 2,000 rows/s, 1 refused"
    progress.end()
    assert out.getvalue().endswith("\r\x1b[K")


def test_what_is_done_is_one_line_on_a_terminal_and_few_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr("weir.progress.time.monotonic", lambda: now[0])
    shown, logged = Terminal(), io.StringIO()
    for out in (shown, logged):
        with Doing(out) as doing:
            for number in range(25):
                now[0] += 1
                doing(f"day {number}")
            doing.say("done")
    assert logged.getvalue() == "day 9 …\nday 19 …\n"
    assert shown.getvalue().count("\n") == 0
    assert shown.getvalue().endswith("\r\x1b[Kday 24 …\r\x1b[K\r\x1b[K")
    assert capsys.readouterr().out == "done\ndone\n"
