"""Several gateway processes on one port: started, watched, restarted, and stopped together."""

import logging
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from prometheus_client import multiprocess

from ingest.settings import GatewaySettings, child_environment

log = logging.getLogger(__name__)

_CHECK_SECONDS = 0.2
_RESTART_SECONDS = 1.0
_SETTLE_SECONDS = 4.5
"""What a process may take beside its draining; one that takes longer is killed, and has answered nobody meanwhile."""


def run_processes(settings: GatewaySettings) -> int:
    """Keep ``settings.gateway_processes`` processes serving until SIGTERM or SIGINT; blocks, main thread only."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with tempfile.TemporaryDirectory(prefix="weir-gateway-") as directory:
        children = [_start(settings, Path(directory)) for _ in range(settings.gateway_processes)]
        while not stop.wait(_CHECK_SECONDS):
            for place, child in enumerate(children):
                if child.poll() is not None:
                    children[place] = _restart(settings, Path(directory), child, stop)
        for child in children:
            child.terminate()
        _wait(children, settings.gateway_drain_seconds + _SETTLE_SECONDS)
    return 0


def _start(settings: GatewaySettings, directory: Path) -> subprocess.Popen[bytes]:
    # The pipe is never written to: its end tells the child that this process is gone, even by SIGKILL.
    return subprocess.Popen(
        [sys.executable, "-m", "ingest"], env=child_environment(settings, directory), stdin=subprocess.PIPE
    )


def _restart(
    settings: GatewaySettings, directory: Path, child: subprocess.Popen[bytes], stop: threading.Event
) -> subprocess.Popen[bytes]:
    log.error("a gateway process ended with status %s and is started again", child.returncode)
    multiprocess.mark_process_dead(child.pid, str(directory))  # type: ignore[no-untyped-call]  # the library has no types here
    stop.wait(_RESTART_SECONDS)
    return _start(settings, directory)


def _wait(children: list[subprocess.Popen[bytes]], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    for child in children:
        try:
            child.wait(max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
