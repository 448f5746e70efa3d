"""How far a long transfer is, on a terminal: one line, written over."""

import sys
import time
from typing import Self, TextIO

import click

_EVERY_SECONDS = 0.5
_LINE_SECONDS = 10.0


class Progress:
    """Rows, bytes and rate of something under way. Silent where nobody looks at a terminal."""

    def __init__(self, what: str, stream: TextIO | None = None) -> None:
        self._what = what
        self._stream = stream or sys.stderr
        self._is_shown = self._stream.isatty()
        self._began = self._told = time.monotonic()

    def __call__(self, rows: int, size: int, more: str = "") -> None:
        """So far it is so many rows and bytes."""
        now = time.monotonic()
        if self._is_shown and now - self._told >= _EVERY_SECONDS:
            self._told = now
            self._stream.write(f"\r\x1b[K{self._what}: {amounts(rows, size, now - self._began)}{more}")
            self._stream.flush()

    def end(self) -> float:
        """Nothing more is told; the seconds it took."""
        if self._is_shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
        return time.monotonic() - self._began


class Doing:
    """What is being done of something long: on a terminal a line written over, elsewhere one every ten seconds."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._is_shown = self._stream.isatty()
        self._told = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._clear()

    def __call__(self, doing: str) -> None:
        """This is being done now."""
        now = time.monotonic()
        if self._is_shown:
            self._clear()
            self._stream.write(f"{doing} …")
        elif now - self._told >= _LINE_SECONDS:
            self._told = now
            self._stream.write(f"{doing} …\n")
        self._stream.flush()

    def say(self, text: str) -> None:
        """A line that stays, on standard output."""
        self._clear()
        click.echo(text)

    def _clear(self) -> None:
        if self._is_shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def amounts(rows: int, size: int, seconds: float) -> str:
    """Rows, bytes (0: not known), and rows a second, as people read them."""
    known = f"{readable_bytes(size)}, " if size else ""
    return f"{rows:,} rows, {known}{rows / max(seconds, 0.001):,.0f} rows/s"


def readable_bytes(size: float) -> str:
    """Bytes in the unit that suits them."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
        size /= 1024
    return f"{size:,.1f} TiB"
