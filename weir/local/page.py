"""Building the web page when its sources are newer than what was built."""

import shutil
import subprocess
import threading
from concurrent.futures import Future
from pathlib import Path

from weir.errors import WeirError

DASHBOARD = Path(__file__).resolve().parents[2] / "dashboard"
_SKIPPED = {"node_modules", "dist", ".vite", "coverage"}


def must_be_built(dashboard: Path = DASHBOARD) -> bool:
    """Whether the page's sources are here and some are newer than what was built of them."""
    if not (dashboard / "package.json").is_file():
        return False
    built = dashboard / "dist" / "index.html"
    return not built.is_file() or _newest(dashboard) > built.stat().st_mtime


def build(log: Path, dashboard: Path = DASHBOARD) -> None:
    """Install the page's packages as pinned and build it; blocks for up to a minute. Safe to repeat.

    :raises WeirError: npm is missing or failed; the log says why.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise WeirError("Node is needed to build the page: install Node 20 or later (node, npm).")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        for arguments in ([] if _is_installed(dashboard) else [["ci", "--no-audit", "--no-fund"]]) + [["run", "build"]]:
            done = subprocess.run(
                [npm, *arguments],
                cwd=dashboard,
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                check=False,
            )
            if done.returncode != 0:
                command = arguments[0] if arguments[0] != "run" else "run build"
                raise WeirError(f"The page is not built, because `npm {command}` failed: see {log}, then start again.")


def build_in_background(log: Path, dashboard: Path = DASHBOARD) -> Future[None]:
    """`build` in a thread that does not keep the process alive; the future has its outcome."""
    outcome: Future[None] = Future()

    def work() -> None:
        try:
            build(log, dashboard)
        except (WeirError, OSError) as error:
            outcome.set_exception(error)
        else:
            outcome.set_result(None)

    threading.Thread(target=work, name="page", daemon=True).start()
    return outcome


def _is_installed(dashboard: Path) -> bool:
    """Whether npm has installed the packages as they are pinned now."""
    installed, pinned = dashboard / "node_modules" / ".package-lock.json", dashboard / "package-lock.json"
    return installed.is_file() and installed.stat().st_mtime >= pinned.stat().st_mtime


def _newest(dashboard: Path) -> float:
    sources = (path for top in dashboard.iterdir() if top.name not in _SKIPPED for path in (top, *top.rglob("*")))
    return max(path.stat().st_mtime for path in sources if path.is_file())
