"""Running the official clients' node libraries against a gateway."""

import fcntl
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).parent


def install(folder: Path = HERE) -> None:
    """Have the npm packages of a folder; safe to call from several tests and runs."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        mark, lock_file = folder / "node_modules" / ".installed", folder / "package-lock.json"
        if mark.exists() and mark.stat().st_mtime >= lock_file.stat().st_mtime:
            return
        # Not "ci": that wants packages of every platform in the lock, and a registry need not have them all.
        subprocess.run(["npm", "install", "--no-save"], cwd=folder, check=True, timeout=300)
        mark.touch()


def run(script: str, environment: Mapping[str, str], seconds: float = 60) -> str:
    """Run ``<script>.mjs`` of this folder with these variables and return what it printed; fails if it fails."""
    install()
    done = subprocess.run(
        ["node", str(HERE / f"{script}.mjs")],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
