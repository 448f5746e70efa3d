"""The supervisor: starts the local stack in order, watches it, restarts what dies, stops it in order.

It runs as a process of its own (`weir supervise`, started by `weir up`) and tells its state through a file.
Services write to their own log files and outlive a supervisor that is killed; the next one stops them in
order before it starts anything.
"""

import logging
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import FrameType

from weir.doctor import first_problem
from weir.errors import RESTORE_UNDER_WAY, WeirError
from weir.local import broker, geo, page
from weir.local.jars import fetch_jars
from weir.local.state import Phase, StackState, Step, read_state, take_lock, write_state
from weir.orphans import stop_orphans
from weir.running import Running
from weir.services import STOP_ORDER, local_broker, local_services, weir_command
from weir.settings import Settings, in_force, service_environment

log = logging.getLogger(__name__)

_TICK_SECONDS = 0.1
_START_SECONDS = 120.0
_TRIES = 4


class _StopAsked(Exception):
    """Somebody asked the supervisor to stop."""


class Supervisor:
    """One run of the local stack, from checks to the last service's end."""

    def __init__(self, settings: Settings, pid: int) -> None:
        self._settings = settings
        self._home = settings.home.resolve()
        self._state = StackState(supervisor=pid, settings=in_force(settings))
        self._running: list[Running] = []
        self._asked_to_stop = False
        self._probes = ThreadPoolExecutor(max_workers=8, thread_name_prefix="probe")

    def run(self) -> int:
        """Run until asked to stop (SIGTERM, SIGINT); returns the exit status. One per home directory.

        Returns 0 at once when another one is at work.
        """
        lock = take_lock(self._home)
        if lock is None:
            return 0
        with lock:
            signal.signal(signal.SIGTERM, self._on_signal)
            signal.signal(signal.SIGINT, self._on_signal)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            return self._run()

    def _run(self) -> int:
        status = 0
        try:
            self._start()
            self._enter("ready")
            if self._settings.geo_download:
                geo.fetch_in_background(self._settings.geo)
            self._watch()
        except _StopAsked:
            log.info("stopping as asked")
        except WeirError as error:
            self._fail(str(error))
            status = 1
        except BaseException as error:
            # Whatever it is, the services are stopped in order before the process ends with it.
            self._fail(f"The supervisor failed ({error!r}): see {self._home / 'logs' / 'supervisor.log'}.")
            raise
        finally:
            self._stop()
        return status

    def _start(self) -> None:
        old = read_state(self._home)
        write_state(self._home, self._state)
        if old is not None:
            stop_orphans(old, self._step)
        with self._step("checks", "Java, ports, disk, data directory"):
            problem = first_problem(self._settings)
            if problem is not None:
                raise WeirError(problem)
        wanted = self._settings.page_build and page.must_be_built()
        building = page.build_in_background(self._home / "logs" / "page.log") if wanted else None
        services = {service.name: service for service in local_services(self._settings)}
        environment, logs = service_environment(self._settings), self._home / "logs"
        self._running = [Running(service, logs, environment, self._probes) for service in services.values()]
        self._state.services = {running.service.name: running.status for running in self._running}
        with self._step("broker", f"Kafka on {self._settings.bootstrap}"):
            fetch_jars(self._settings.jars)
            broker.prepare(local_broker(self._settings))
            self._launch("broker")
            self._await_up("broker")
        with self._step("topics", "topics, their epochs, the demo project"):
            self._do("topics", "--demo")
        # The store not before the topics: a table of a topic that is not there yet does not start. The others take
        # a while to start, and need no tables for it.
        others = [name for name in services if name not in ("broker", "store")]
        self._launch("store", *others)
        with self._step("store", f"ClickHouse on {self._settings.store_url}"):
            self._await_up("store")
        with self._step("tables", "tables and views"):
            self._migrate()
        with self._step("services", "gateway, worker, query API"):
            self._await_up(*others)
        if building is not None:
            with self._step("page", "building the page"):
                self._wait_for_page(building)

    def _launch(self, *names: str) -> None:
        for running in self._running:
            if running.service.name in names:
                running.start()
        self._changed()

    def _await_up(self, *names: str) -> None:
        wanted = [running for running in self._running if running.service.name in names]
        deadline = time.monotonic() + _START_SECONDS
        while waiting := [running for running in wanted if running.status.state != "up"]:
            self._tick()
            for running in waiting:
                late = running.failures_in_a_row >= _TRIES or time.monotonic() > deadline
                if late and running.service.kind in ("worker", "auditor"):
                    # One that refuses to go on is mended with the broker running, and events can be taken meanwhile.
                    wanted.remove(running)
                elif late and running.status.state != "up":
                    raise WeirError(
                        f"The {running.service.name} does not come up ({running.last_words()}): see {running.log_file}."
                    )

    def _migrate(self) -> None:
        """Bring the tables up to date, unless a restore was broken off: to run it again, all else has to be up."""
        try:
            self._do("migrate")
        except WeirError as error:
            if error.status != RESTORE_UNDER_WAY:
                raise
            log.warning("%s", error)
            self._state.warnings.append(str(error))

    def _do(self, command: str, *arguments: str) -> None:
        """Run one of our commands to its end. Not in this process: Kafka's client can end the process it is in.

        :raises WeirError: it failed; its own sentence.
        """
        with subprocess.Popen(
            weir_command(command, *arguments),
            env=service_environment(self._settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                while process.poll() is None:
                    self._tick()
            except BaseException:
                process.kill()
                raise
            said = process.stderr.read().strip().splitlines() if process.stderr else []
        if process.returncode != 0:
            why = said[-1] if said else f"`weir {command}` ended with status {process.returncode}."
            raise WeirError(why, status=process.returncode)

    def _watch(self) -> None:
        while True:
            self._tick()

    def _tick(self) -> None:
        if self._asked_to_stop:
            raise _StopAsked
        changes = [self._look_at(running) for running in self._running if running.status.state != "down"]
        if any(changes):
            self._changed()
        time.sleep(_TICK_SECONDS)

    def _look_at(self, running: Running) -> bool:
        # A worker cannot do anything without the broker: it would only fail again and wait longer each time.
        needs_broker = running.service.kind == "worker"
        return running.watch(may_start=not needs_broker or self._broker_is_up())

    def _broker_is_up(self) -> bool:
        return all(running.status.state == "up" for running in self._running if running.service.kind == "broker")

    def _stop(self) -> None:
        failed = self._state.phase == "failed"
        if not failed:
            self._enter("stopping")
        for kind in STOP_ORDER:
            group = [running for running in self._running if running.service.kind == kind]
            if not any(running.status.process for running in group):
                continue
            with self._step(f"stop {kind}", f"stopping {kind.replace('_', ' ')}"):
                for running in group:
                    running.begin_stop()
                self._changed()
                for running in group:
                    running.end_stop()
        if not failed:
            self._enter("stopped")

    def _wait_for_page(self, building: Future[None]) -> None:
        while not building.done():
            self._tick()
        problem = building.exception()
        if problem is not None:
            # Everything but the page works without it.
            log.warning("%s", problem)
            self._state.warnings.append(str(problem))

    @contextmanager
    def _step(self, name: str, text: str) -> Iterator[None]:
        step = Step(name=name, text=text)
        self._state.steps.append(step)
        self._changed()
        began = time.monotonic()
        log.info("%s: %s", name, text)
        yield
        step.seconds = time.monotonic() - began
        self._changed()

    def _enter(self, phase: Phase) -> None:
        self._state.phase = phase
        log.info("the stack is %s", phase)
        self._changed()

    def _fail(self, error: str) -> None:
        log.error("%s", error)
        self._state.error = error
        self._enter("failed")

    def _changed(self) -> None:
        write_state(self._home, self._state)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        log.info("asked to stop by %s", signal.Signals(number).name)
        self._asked_to_stop = True
