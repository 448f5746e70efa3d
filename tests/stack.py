"""The whole of Weir for a test: every service a process of its own, on free ports, with a home of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.broker import REPOSITORY, SHARED_JARS, prepare_java
from weir.local.demo_project import DemoProject
from weir.local.ports import free_ports, free_row
from weir.local.processes import is_alive
from weir.local.state import StackState, read_state
from weir.services import ask

SERVICES = ("broker", "store", "gateway", "worker", "query_api")


class Stack:
    """A local stack as people start it: `weir up --detach`, `weir down`, and a kill in between."""

    def __init__(self, home: Path, environment: Mapping[str, str] | None = None, *, page: bool = False) -> None:
        prepare_java()
        broker, controller, store, gateway, query_api = free_ports(5)
        self.home = home
        self.bootstrap = f"127.0.0.1:{broker}"
        self.gateway_url = f"http://127.0.0.1:{gateway}"
        self.query_api_url = f"http://127.0.0.1:{query_api}"
        self.store_url = f"http://127.0.0.1:{store}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("WEIR_")},
            "WEIR_HOME": str(home),
            "WEIR_KAFKA_JARS": str(SHARED_JARS),
            "WEIR_BROKER_PORT": str(broker),
            "WEIR_CONTROLLER_PORT": str(controller),
            "WEIR_STORE_PORT": str(store),
            "WEIR_GATEWAY_PORT": str(gateway),
            "WEIR_QUERY_API_PORT": str(query_api),
            "WEIR_WORKER_METRICS_PORT": str(free_row(4)),
            "WEIR_PAGE_BUILD": "true" if page else "false",
            "WEIR_GEO_DOWNLOAD": "false",
            "WEIR_AUDITOR": "false",
            "PYTHONPATH": str(REPOSITORY),
            **(environment or {}),
        }

    def weir(self, *arguments: str, check: bool = True, seconds: float = 240) -> "subprocess.CompletedProcess[str]":
        """Run the command `weir` for this stack; with ``check`` a failure shows the logs."""
        done = subprocess.run(
            [sys.executable, "-m", "weir", *arguments],
            env=self.environment,
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"weir {' '.join(arguments)}: {done.stdout}{done.stderr}\n{self.log_ends()}")
        return done

    def start(self) -> None:
        """Start everything and wait until it serves."""
        self.weir("up", "--detach")

    def stop(self) -> None:
        """Stop everything in order."""
        self.weir("down")

    def status(self) -> dict[str, Any]:
        """What `weir status --json` says."""
        found: dict[str, Any] = json.loads(self.weir("status", "--json").stdout)
        return found

    def audit(self, *, seconds: float = 60) -> dict[str, Any]:
        """What `weir audit --json` says, clean or not; its ``findings`` are empty when it is clean."""
        done = self.weir("audit", "--json", "--wait", str(seconds), check=False)
        try:
            found: dict[str, Any] = json.loads(done.stdout)
        except json.JSONDecodeError:
            raise AssertionError(f"weir audit: {done.stdout}{done.stderr}\n{self.log_ends()}") from None
        return found

    @property
    def has_auditor(self) -> bool:
        """Whether an auditor is one of the services."""
        return self.environment["WEIR_AUDITOR"] == "true"

    @property
    def demo(self) -> DemoProject:
        """The demo project's id and clients."""
        return DemoProject.model_validate_json((self.home / "demo.json").read_bytes())

    def pid(self, service: str) -> int:
        """The process of a service (``worker_2`` is the second worker, ``supervisor`` the supervisor)."""
        seen = self._seen()
        if service == "supervisor":
            return seen.supervisor
        process = seen.services[service].process
        assert process is not None
        return process.pid

    def kill(self, service: str) -> int:
        """SIGKILL a service as a crash would, children of it included; returns the process that was killed."""
        pid = self.pid(service)
        if service == "supervisor":
            os.kill(pid, signal.SIGKILL)
        else:
            os.killpg(pid, signal.SIGKILL)
        return pid

    def signal(self, service: str, number: signal.Signals) -> None:
        """Send a signal to a service and its children (SIGSTOP, SIGCONT, SIGTERM …)."""
        os.killpg(self.pid(service), number)

    def wait_back(self, service: str, old_pid: int, seconds: float = 60) -> None:
        """Wait until another process than ``old_pid`` runs the service and serves."""

        def back() -> bool:
            seen = self._seen().services[service]
            return seen.state == "up" and seen.process is not None and seen.process.pid != old_pid

        self.wait_for(back, f"{service} is back", seconds)

    def wait_ready(self, seconds: float = 60) -> None:
        """Wait until every service is up and says so itself."""
        # Not by `weir status`: a process that starts over and over takes the time from those that are waited for.
        self.wait_for(
            lambda: all(
                service.state == "up" and service.address is not None and ask(name, service.address) == "up"
                for name, service in self._seen().services.items()
            ),
            "every service is up",
            seconds,
        )

    def wait_for(self, condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
        """Ask until it is so; the failure shows the logs' ends."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds:.0f} s: {what}\n{self.log_ends()}")
            time.sleep(0.1)

    def log_ends(self, lines: int = 15) -> str:
        """The last lines of each service's log."""
        ends = []
        for path in sorted((self.home / "logs").glob("*.log")):
            last = path.read_text(errors="replace").splitlines()[-lines:]
            ends.append("\n".join([f"--- {path.name}", *last]))
        return "\n".join(ends)

    def leftovers(self) -> list[str]:
        """Services that run at the moment, whoever watches them."""
        state = read_state(self.home)
        if state is None:
            return []
        return [
            name
            for name, service in state.services.items()
            if service.process is not None and is_alive(service.process)
        ]

    def _seen(self) -> StackState:
        """What the supervisor saw last."""
        state = read_state(self.home)
        assert state is not None
        return state


@contextmanager
def running_stack(home: Path, environment: Mapping[str, str] | None = None, *, page: bool = False) -> Iterator[Stack]:
    """A stack that serves, taken down at the end whatever happened."""
    stack = Stack(home, environment, page=page)
    try:
        stack.start()
        yield stack
    finally:
        stack.weir("down", check=False)
