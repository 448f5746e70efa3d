"""One service and the process that runs it at the moment: started, asked, restarted with backoff, stopped."""

import logging
import re
import signal
import subprocess
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from weir.local.processes import identify, kill_group
from weir.local.state import ServiceStatus
from weir.services import Service

log = logging.getLogger(__name__)

BACKOFF_SECONDS = (0.3, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Waits before the restarts that follow one another; a service that was up for a while begins anew."""
SETTLED_SECONDS = 5.0
_REASON = re.compile(r"[\w.]*(Error|Exception)\b.*: |weir [\w-]+: |The \w+")
_LARGEST_LOG = 64 * 1024 * 1024


class Running:
    """A service under supervision. Not safe to share between threads."""

    def __init__(self, service: Service, logs: Path, environment: dict[str, str], probes: ThreadPoolExecutor) -> None:
        self.service = service
        self.log_file = logs / service.log_name
        self.status = ServiceStatus(address=service.address)
        self.failures_in_a_row = 0
        self._probes = probes
        self._environment = {**environment, **service.environment}
        self._process: subprocess.Popen[bytes] | None = None
        self._due = 0.0
        self._probe: Future[bool] | None = None
        self._up_since = 0.0

    def start(self) -> None:
        """Start the process as the leader of a group of its own, so that Ctrl-C reaches the supervisor only."""
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        if self.log_file.exists() and self.log_file.stat().st_size > _LARGEST_LOG:
            self.log_file.replace(self.log_file.with_suffix(".1.log"))
        with self.log_file.open("ab") as out:
            self._process = subprocess.Popen(
                self.service.command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.status.state = "starting"
        self.status.process = identify(self._process.pid)

    def watch(self, *, may_start: bool = True) -> bool:
        """Notice what happened since the last call, restart what is due; returns whether the status changed.

        :param may_start: whether what the service needs is there; until then no restart is due.
        """
        now = time.monotonic()
        before = self.status.model_copy()
        if self._process is not None and self._process.poll() is not None:
            self._died(self._process, now)
        if self.status.state == "restarting" and now >= self._due and may_start:
            self.start()
        if self.status.state == "starting" and self._is_ready():
            self.status.state = "up"
            self._up_since = now
        if self.status.state == "up" and now - self._up_since > SETTLED_SECONDS:
            self.failures_in_a_row = 0
            self.status.problem = None
        return self.status != before

    def begin_stop(self) -> None:
        """Ask it to go."""
        if self._process is not None:
            self.status.state = "stopping"
            self._process.terminate()

    def end_stop(self) -> bool:
        """Wait until it is gone, killing it when its time is over; returns whether it went by itself."""
        process, self._process = self._process, None
        by_itself = True
        if process is not None:
            try:
                process.wait(self.service.stop_seconds)
            except subprocess.TimeoutExpired:
                log.warning("%s did not stop within %.0f s", self.service.name, self.service.stop_seconds)
                by_itself = False
            kill_group(process.pid)
            process.wait()
        self.status.state = "down"
        self.status.process = None
        return by_itself

    def last_words(self) -> str:
        """The line of its log that says best why it ended: its own sentence or an exception, else the last one."""
        try:
            with self.log_file.open("rb") as log_file:
                log_file.seek(max(0, self.log_file.stat().st_size - 8_192))
                lines = log_file.read().decode(errors="replace").splitlines()
        except OSError:
            return ""
        said = [line.strip() for line in reversed(lines) if line.strip()]
        return next((line for line in said if _REASON.match(line)), said[0] if said else "")

    def _is_ready(self) -> bool:
        """What the service said when last asked. Asking may take a second; meanwhile another one may die."""
        if self._probe is not None and not self._probe.done():
            return False
        answer = self._probe is not None and self._probe.result()
        self._probe = None if answer else self._probes.submit(self.service.ready)
        return answer

    def _why(self, status: int) -> str:
        if status < 0:
            return f"it was ended by {signal.Signals(-status).name}."
        return self.last_words() or f"it ended with status {status}."

    def _died(self, process: subprocess.Popen[bytes], now: float) -> None:
        kill_group(process.pid)
        self.status.problem = self._why(process.returncode)
        wait = BACKOFF_SECONDS[min(self.failures_in_a_row, len(BACKOFF_SECONDS) - 1)]
        log.warning("%s ended with status %s, starting it again in %.1f s", self.service.name, process.returncode, wait)
        self._process = None
        self._probe = None
        self.failures_in_a_row += 1
        self.status.restarts += 1
        self.status.state = "restarting"
        self._due = now + wait
