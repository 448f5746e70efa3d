"""Starting, finding and stopping the local stack from the outside; the supervisor does the work."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from weir.errors import WeirError
from weir.local.home import make_home
from weir.local.processes import ProcessId, identify, is_alive
from weir.local.state import StackState, Step, read_state, supervisor_pid
from weir.orphans import orphans, stop_orphans
from weir.settings import Settings, service_environment

_POLL_SECONDS = 0.05

Watcher = Callable[[StackState], None]
"""Is shown each state seen while waiting."""


def running_state(home: Path) -> StackState | None:
    """The state of the stack whose supervisor lives, or None."""
    pid = supervisor_pid(home)
    state = read_state(home) if pid is not None else None
    return state if state is not None and state.supervisor == pid else None


def spawn_supervisor(settings: Settings) -> ProcessId:
    """Start the supervisor as a process of its own, which outlives this one."""
    log = settings.home.resolve() / "logs" / "supervisor.log"
    try:
        make_home(settings.home)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "weir.commands.supervise"],
                env=service_environment(settings),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except OSError as error:
        raise WeirError(
            f"The data directory {settings.home.resolve()} cannot be written ({error.strerror}): make it writable, "
            "or set WEIR_HOME to another directory."
        ) from error
    started = identify(process.pid)
    return started or ProcessId(pid=process.pid, started="")


def wait_until_ready(home: Path, spawned: ProcessId | None, watch: Watcher) -> StackState:
    """Return when the stack is ready, showing each state on the way; blocks.

    :param spawned: the supervisor just started, which may have to give way to another.
    :raises WeirError: the start failed; the sentence says what to do.
    """
    shown: StackState | None = None
    while True:
        state = running_state(home)
        if state is None:
            last = read_state(home)
            if last is not None and last.phase == "failed" and (spawned is None or last.supervisor == spawned.pid):
                watch(last)
                raise WeirError(last.error or "The stack did not start.")
            if spawned is None or not is_alive(spawned):
                raise WeirError(f"The supervisor ended while starting: see {home / 'logs' / 'supervisor.log'}.")
        else:
            if state != shown:
                watch(state)
                shown = state
            if state.phase == "ready":
                return state
            if state.phase in ("stopping", "stopped"):
                raise WeirError("The stack is being stopped: wait for it, then start it again.")
        time.sleep(_POLL_SECONDS)


def stop_stack(home: Path, watch: Watcher) -> bool:
    """Stop everything in order and wait; returns whether there was anything to stop. Safe to repeat.

    What a supervisor left that was killed is stopped too, in the same order.
    """
    pid = supervisor_pid(home)
    found = pid is not None
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
            os.kill(pid, signal.SIGCONT)
        while supervisor_pid(home) == pid:
            state = read_state(home)
            if state is not None:
                watch(state)
            time.sleep(_POLL_SECONDS)
    last = read_state(home)
    if last is not None and found:
        watch(last)
    if last is not None and orphans(last):
        found = True
        _stop_left_over(last, watch)
    return found


def _stop_left_over(state: StackState, watch: Watcher) -> None:
    shown = state.model_copy(update={"phase": "stopping", "steps": []})

    @contextmanager
    def step(name: str, text: str) -> Iterator[None]:
        doing = Step(name=name, text=text)
        shown.steps.append(doing)
        watch(shown)
        began = time.monotonic()
        yield
        doing.seconds = time.monotonic() - began
        watch(shown)

    stop_orphans(state, step)
