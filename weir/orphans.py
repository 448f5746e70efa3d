"""Services that outlived their supervisor: found by its last state, and stopped in order."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from weir.local.processes import is_alive, stop
from weir.local.state import StackState
from weir.services import STOP_ORDER, service_kind

_SECONDS = 30.0

StepContext = Callable[[str, str], AbstractContextManager[None]]
"""Takes a step's name and text; the step goes on until the context is left."""


def orphans(state: StackState) -> list[str]:
    """Names of the services of this state that still run, in the order in which they are stopped."""
    alive = [name for name, status in state.services.items() if status.process and is_alive(status.process)]
    return sorted(alive, key=lambda name: (STOP_ORDER.index(service_kind(name)), name))


def stop_orphans(state: StackState, step: StepContext) -> None:
    """Stop what is left of a stack whose supervisor is dead; blocks. Safe to repeat."""
    for name in orphans(state):
        process = state.services[name].process
        if process is not None:
            with step(f"stop {name}", f"stopping {name.replace('_', ' ')}, left over from before"):
                stop(process, _SECONDS)
