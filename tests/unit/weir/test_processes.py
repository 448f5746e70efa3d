"""A process is told from another with its number, and stopped with its children."""

import os
import signal
import subprocess
import sys
import time

from weir.local.processes import ProcessId, identify, is_alive, stop

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
WITH_CHILD = (
    "import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
    "print(p.pid, flush=True); time.sleep(600)"
)


def _run(program: str) -> tuple["subprocess.Popen[bytes]", ProcessId, int]:
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    said = int(process.stdout.readline())
    process.stdout.close()
    found = identify(process.pid)
    assert found is not None
    return process, found, said


def _wait_gone(pid: int) -> None:
    deadline = time.monotonic() + 30
    while identify(pid) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_number_given_again_is_not_the_same_process() -> None:
    me = identify(os.getpid())
    assert me is not None
    assert is_alive(me)
    assert not is_alive(ProcessId(pid=me.pid, started=me.started + "1"))
    assert identify(2**22 + 1) is None


def test_stop_waits_and_takes_the_children_along() -> None:
    process, found, child = _run(WITH_CHILD)
    assert stop(found, 30)
    _wait_gone(child)
    assert process.wait(30) == -signal.SIGTERM
    # Again, when it is gone already.
    assert stop(found, 30)


def test_who_does_not_go_is_killed() -> None:
    process, found, _ = _run(STUBBORN)
    assert not stop(found, 0.2)
    assert process.wait(30) == -signal.SIGKILL


def test_who_is_stopped_by_a_signal_is_woken_to_go() -> None:
    process, found, _ = _run(WITH_CHILD)
    os.kill(process.pid, signal.SIGSTOP)
    assert stop(found, 30)
    assert process.wait(30) == -signal.SIGTERM
