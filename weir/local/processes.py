"""Telling a process that is ours from another that got its number later, and stopping it."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict

_PROC = Path("/proc/self/stat")


class ProcessId(BaseModel):
    """A process, unmistakably: its number and when it was started."""

    model_config = ConfigDict(frozen=True)

    pid: int
    started: str


def identify(pid: int) -> ProcessId | None:
    """The process with this number, or None when there is none (a zombie counts as none)."""
    started = _started_by_proc(pid) if _PROC.exists() else _started_by_ps(pid)
    return ProcessId(pid=pid, started=started) if started else None


def is_alive(process: ProcessId) -> bool:
    """Whether exactly this process still runs."""
    return identify(process.pid) == process


def stop(process: ProcessId, seconds: float) -> bool:
    """SIGTERM, wait, and SIGKILL for the whole process group when the time is over; blocks.

    :returns: whether it went by itself.
    """
    if is_alive(process):
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGTERM)
            # A stopped process does not notice the signal before it goes on.
            os.kill(process.pid, signal.SIGCONT)
    deadline = time.monotonic() + seconds
    while is_alive(process):
        if time.monotonic() > deadline:
            kill_group(process.pid)
            while is_alive(process):
                time.sleep(0.02)
            return False
        time.sleep(0.05)
    kill_group(process.pid)
    return True


def kill_group(pid: int) -> None:
    """SIGKILL whatever is left of the group a service led; its children must not outlive it."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _started_by_proc(pid: int) -> str | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The command's name, in parentheses, may hold anything; fields are counted after it.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]


def _started_by_ps(pid: int) -> str | None:
    done = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, started = done.stdout.strip().partition(" ")
    return None if not state or state.startswith("Z") else started.strip()
