"""Building what browsers load, the page and the tracker script, when sources are newer than what was built."""

import shutil
import subprocess
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from weir.errors import WeirError

_REPOSITORY = Path(__file__).resolve().parents[2]
_SKIPPED = {"node_modules", "dist", ".vite", "coverage"}


@dataclass(frozen=True)
class Part:
    """A folder with an npm package whose script ``build`` makes ``product``; ``name`` is what people call it."""

    name: str
    folder: Path
    product: str


TRACKER = Part("tracker script", _REPOSITORY / "sdks" / "tracker", "dist/op1.js")
DASHBOARD = Part("page", _REPOSITORY / "dashboard", "dist/index.html")
PARTS = (TRACKER, DASHBOARD)
"""The quick one first."""


def must_be_built(parts: Sequence[Part] = PARTS) -> bool:
    """Whether sources are here and some are newer than what was built of them."""
    return any(map(_is_stale, parts))


def build(log: Path, parts: Sequence[Part] = PARTS) -> None:
    """Install the packages of what is stale, as pinned, and build it; blocks for up to a minute. Safe to repeat.

    :raises WeirError: npm is missing or failed; the log says why.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise WeirError("Node is needed to build the page: install Node 20 or later (node, npm).")
    log.parent.mkdir(parents=True, exist_ok=True)
    for part in filter(_is_stale, parts):
        _build_part(npm, log, part)


def _build_part(npm: str, log: Path, part: Part) -> None:
    install = [] if _is_installed(part.folder) else [["ci", "--no-audit", "--no-fund"]]
    with log.open("ab") as out:
        for arguments in [*install, ["run", "build"]]:
            done = subprocess.run(
                [npm, *arguments],
                cwd=part.folder,
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                check=False,
            )
            if done.returncode != 0:
                command = " ".join(arguments if arguments[0] == "run" else arguments[:1])
                raise WeirError(
                    f"The {part.name} is not built, because `npm {command}` failed: see {log}, then start again."
                )


def build_in_background(log: Path, parts: Sequence[Part] = PARTS) -> Future[None]:
    """`build` in a thread that does not keep the process alive; the future has its outcome."""
    outcome: Future[None] = Future()

    def work() -> None:
        try:
            build(log, parts)
        except (WeirError, OSError) as error:
            outcome.set_exception(error)
        else:
            outcome.set_result(None)

    threading.Thread(target=work, name="page", daemon=True).start()
    return outcome


def _is_stale(part: Part) -> bool:
    if not (part.folder / "package.json").is_file():
        return False
    built = part.folder / part.product
    return not built.is_file() or _newest(part.folder) > built.stat().st_mtime


def _is_installed(folder: Path) -> bool:
    """Whether npm has installed the packages as they are pinned now."""
    installed, pinned = folder / "node_modules" / ".package-lock.json", folder / "package-lock.json"
    return installed.is_file() and installed.stat().st_mtime >= pinned.stat().st_mtime


def _newest(folder: Path) -> float:
    sources = (path for top in folder.iterdir() if top.name not in _SKIPPED for path in (top, *top.rglob("*")))
    return max(path.stat().st_mtime for path in sources if path.is_file())
