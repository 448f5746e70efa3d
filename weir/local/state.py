"""What the supervisor tells everybody else: one small file, and a lock that says whether it lives."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import IO, Literal

from pydantic import BaseModel, ValidationError

from weir.local.home import make_home
from weir.local.processes import ProcessId

Phase = Literal["starting", "ready", "stopping", "stopped", "failed"]
ServiceState = Literal["down", "starting", "up", "restarting", "stopping"]


class ServiceStatus(BaseModel):
    """One service as the supervisor sees it. ``process`` is the last one started; ``problem`` says why the one before
    it ended, until it has been up for a while.
    """

    state: ServiceState = "down"
    address: str | None = None
    process: ProcessId | None = None
    restarts: int = 0
    problem: str | None = None


class Step(BaseModel):
    """One step of a start or a stop, for people to look at. ``seconds`` is None while it goes on."""

    name: str
    text: str
    seconds: float | None = None


class StackState(BaseModel):
    """The whole file. ``error`` is a sentence with a remedy when the phase is ``failed``; ``warnings`` are
    sentences about what a stack that is ready must do without. ``settings``: `weir.settings.in_force` when it began;
    empty where nobody told.
    """

    supervisor: int
    phase: Phase = "starting"
    steps: list[Step] = []
    services: dict[str, ServiceStatus] = {}
    error: str | None = None
    warnings: list[str] = []
    settings: dict[str, str] = {}

    def problems(self) -> list[str]:
        """Why services are not at work though the stack is up, a sentence each."""
        return [
            f"The {name.replace('_', ' ')} is not at work: {status.problem}"
            for name, status in self.services.items()
            if status.state != "up" and status.problem
        ]


def state_file(home: Path) -> Path:
    """Where the state is."""
    return home / "run" / "state.json"


def read_state(home: Path) -> StackState | None:
    """The last state written, whether or not its supervisor lives; None when there is none to be read."""
    try:
        return StackState.model_validate_json(state_file(home).read_bytes())
    except (OSError, ValidationError):
        return None


def write_state(home: Path, state: StackState) -> None:
    """Replace the file as a whole; nobody ever reads half of it."""
    target = state_file(home)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(f".{os.getpid()}")
    partial.write_text(state.model_dump_json(indent=1))
    partial.replace(target)


def _lock_file(home: Path) -> Path:
    return home / "run" / "supervisor.lock"


def take_lock(home: Path) -> IO[str] | None:
    """Become the supervisor of this home, as long as the returned file is open; None when there is one."""
    make_home(home)
    _lock_file(home).parent.mkdir(parents=True, exist_ok=True)
    handle = _lock_file(home).open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        return None
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()
    return handle


def supervisor_pid(home: Path) -> int | None:
    """The living supervisor's process number; None when there is none."""
    try:
        with _lock_file(home).open("r") as handle:
            with suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return None
            return int(handle.read() or 0) or None
    except (OSError, ValueError):
        return None
