"""Ends a worker that is alive without doing its work: Faust's own detectors only log."""

import faulthandler
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

from streams.lanes import Lanes

CHECK_SECONDS = 0.5
PAUSE_SECONDS = 5.0
"""A thread that sleeps half a second and wakes this much later was stopped with its process: others took over."""
UNASSIGNED_SECONDS = 30.0
STUCK_SECONDS = 45.0


def watch(app: Any, lanes: Lanes, fail: Callable[[str], None]) -> threading.Thread:
    """Start watching in a daemon thread. ``fail`` is called once, with a sentence, and must end the process."""
    thread = threading.Thread(target=_watch, args=(app, lanes, fail), name="watchdog", daemon=True)
    thread.start()
    return thread


def _watch(app: Any, lanes: Lanes, fail: Callable[[str], None]) -> None:
    stop = threading.Event()
    woke, without_work_since = monotonic(), None
    while not stop.wait(CHECK_SECONDS):
        now = monotonic()
        if now - woke > PAUSE_SECONDS:
            return fail(f"The process stood still for {now - woke:.1f} s; its partitions may be others' now.")
        woke = now
        if not _without_work(app) or lanes.loading():
            without_work_since = None
        else:
            without_work_since = without_work_since or now
            if now - without_work_since > UNASSIGNED_SECONDS:
                return fail(f"No assignment for {UNASSIGNED_SECONDS:.0f} s.")
        if lanes.stuck_seconds() > STUCK_SECONDS:
            faulthandler.dump_traceback()
            return fail(f"Messages wait, and nothing was committed for {STUCK_SECONDS:.0f} s.")
    return None


def is_ready(app: Any, lanes: Lanes) -> bool:
    """Whether the worker has an assignment and every lane of it has loaded its state. From any thread."""
    return not _without_work(app) and bool(lanes.all) and not lanes.loading()


def _without_work(app: Any) -> bool:
    """Whether the worker holds no partition: rebalancing, unassigned, or its coordination task has died."""
    consumer = getattr(app.consumer._thread, "_consumer", None) if app._consumer is not None else None
    coordinator = consumer._coordinator if consumer is not None else None
    if consumer is None or coordinator is None:
        return True
    task = coordinator._coordination_task
    return bool(app.rebalancing or not consumer.assignment() or (task is not None and task.done()))
