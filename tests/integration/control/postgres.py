"""A real PostgreSQL for tests, from the binaries of this machine."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from weir.local.ports import free_ports

_PASSWORD = "only-for-tests"
_UNPRIVILEGED = ("postgres", "nobody")
"""Whoever runs the server when the tests run as root: PostgreSQL refuses to be root."""


def binaries() -> Path | None:
    """The folder of ``initdb`` and ``postgres``, or None when no server is installed."""
    on_path = shutil.which("postgres")
    places = [Path(on_path).resolve().parent] if on_path else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    places += [Path("/opt/homebrew/bin"), Path("/usr/local/bin")]
    return next((place for place in places if (place / "initdb").exists() and (place / "postgres").exists()), None)


@contextmanager
def running_postgres(folder: Path) -> Iterator[str]:
    """A server with an empty database of its own on loopback; yields its SQLAlchemy URL."""
    (port,) = free_ports(1)
    user = _user()
    # Not below pytest's folder, which the server's user may not enter.
    with tempfile.TemporaryDirectory(prefix="weir-postgres-") as home:
        password = Path(home) / "password"
        password.write_text(_PASSWORD)
        if user is not None:
            for path in (home, password):
                os.chown(path, user.pw_uid, user.pw_gid)
        run = _Runner(Path(home), user)
        data = Path(home) / "data"
        encoding = ("--encoding=UTF8", "--no-locale", "--no-sync")
        login = ("-U", "weir", "--auth=scram-sha-256", f"--pwfile={password}")
        run.wait([str(folder / "initdb"), "-D", str(data), *encoding, *login])
        options = {"listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": "", "fsync": "off"}
        server = run.start(
            [str(folder / "postgres"), "-D", str(data), *(f"--{name}={value}" for name, value in options.items())]
        )
        try:
            url = f"postgresql+pg8000://weir:{_PASSWORD}@127.0.0.1:{port}/postgres"
            _wait(url, server)
            yield url
        finally:
            server.send_signal(signal.SIGINT)  # its fast way to stop: without waiting for clients
            server.wait(60)


class _Runner:
    def __init__(self, home: Path, user: pwd.struct_passwd | None) -> None:
        self._home = home
        self._log = home / "postgres.log"
        self._user = user

    def start(self, command: list[str]) -> "subprocess.Popen[bytes]":
        """Start it as the unprivileged user, where there must be one."""
        with self._log.open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=self._home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                user=self._user.pw_uid if self._user else None,
                group=self._user.pw_gid if self._user else None,
                extra_groups=[] if self._user else None,
            )

    def wait(self, command: list[str]) -> None:
        """Run it to its end; raises AssertionError with its output when it fails."""
        status = self.start(command).wait(120)
        assert status == 0, self._log.read_text()


def _user() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    return next(known[name] for name in _UNPRIVILEGED if name in known)


def _wait(url: str, server: "subprocess.Popen[bytes]") -> None:
    engine = create_engine(url)
    deadline = time.monotonic() + 60
    while True:
        assert server.poll() is None, "PostgreSQL ended while it started"
        try:
            with engine.connect() as connection:
                connection.execute(text("select 1"))
            break
        except SQLAlchemyError:
            assert time.monotonic() < deadline, "PostgreSQL does not answer"
            time.sleep(0.1)
    engine.dispose()
