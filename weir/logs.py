"""The combined view: what all services write, line by line, each with its name in its colour."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from rich.console import Console
from rich.text import Text

COLOURS = {
    "supervisor": "bright_black",
    "broker": "magenta",
    "store": "yellow",
    "gateway": "green",
    "worker": "cyan",
    "query-api": "blue",
    "page": "white",
}
_POLL_SECONDS = 0.15
_WIDTH = 11


class _Tail:
    """One log file being followed; a file that was replaced is followed anew."""

    def __init__(self, path: Path, *, last_bytes: int) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._inode = 0
        self._rest = b""
        self._open(last_bytes)

    def lines(self) -> Iterator[str]:
        """The whole lines written since the last call."""
        if self._path.exists() and self._path.stat().st_ino != self._inode:
            yield from self._read()
            self._open(last_bytes=-1)
        yield from self._read()

    def _read(self) -> Iterator[str]:
        if self._file is None:
            return
        *whole, self._rest = (self._rest + self._file.read()).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace")

    def _open(self, last_bytes: int) -> None:
        if self._file is not None:
            self._file.close()
        self._file = self._path.open("rb")
        stat = self._path.stat()
        self._inode = stat.st_ino
        if 0 <= last_bytes < stat.st_size:
            # From the next beginning of a line.
            self._file.seek(stat.st_size - last_bytes - 1)
            self._file.readline()


def show_logs(
    console: Console, folder: Path, *, follow: bool, last_bytes: int = 4_000, until: Callable[[], bool] = lambda: False
) -> None:
    """Show the end of each log, and with ``follow`` what comes, until interrupted or ``until`` says so."""
    tails: dict[Path, _Tail] = {}
    first = True
    while True:
        for path in sorted(folder.glob("*.log")):
            if path.stem.endswith(".1"):
                continue
            if path not in tails:
                # A log that appears later is shown from its beginning.
                tails[path] = _Tail(path, last_bytes=last_bytes if first else 1 << 60)
            for line in tails[path].lines():
                console.print(_line(path.stem, line), soft_wrap=True)
        first = False
        if not follow or until():
            return
        time.sleep(_POLL_SECONDS)


def _line(name: str, line: str) -> Text:
    base = "worker" if name.startswith("worker") else name
    return Text.assemble(
        (f"{name:<{_WIDTH}}", COLOURS.get(base, "white")), (" │ ", "bright_black"), Text.from_ansi(line)
    )
