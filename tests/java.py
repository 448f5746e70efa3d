"""Brokers that start in a third of the time: what the JVM needs for that, made once per checkout.

A run of the tests starts some fifty brokers, each for seconds, on which a JVM spends more work than on everything
that a test asks of it: it reads four thousand classes out of jars and compiles for a long life. The broker remains
the one that `weir up` runs, with the same configuration. Only tests ask for this: what is measured (`make bench`)
runs on a JVM as it is.
"""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

OPTIONS = "JDK_JAVA_OPTIONS"
_QUICK_COMPILER = "-XX:TieredStopAtLevel=1"
_given = os.environ.get(OPTIONS, "")
_wanted = False


def want_quick_starts() -> None:
    """From now on `start_quickly` does something."""
    global _wanted
    _wanted = True


def start_quickly(jars: Path, run_a_broker: Callable[[Path], None]) -> None:
    """Let every JVM that this process and its children start from now on use the class archive of these jars, if that
    is wanted.

    ``run_a_broker`` starts and stops a broker in a directory; it is called when there is no archive yet. Processes
    that ask at the same time wait for the one that makes it.
    """
    archive = jars.with_name(f"classes-{_version(jars)}.jsa")
    if not _wanted or os.environ.get(OPTIONS) == _options(archive):
        return
    with archive.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.exists():
            _make(archive, run_a_broker)
    os.environ[OPTIONS] = _options(archive)


def _make(archive: Path, run_a_broker: Callable[[Path], None]) -> None:
    for old in archive.parent.glob("classes-*.jsa"):
        old.unlink()
    with tempfile.TemporaryDirectory() as home:
        made = Path(home) / archive.name
        os.environ[OPTIONS] = f"{_given} {_QUICK_COMPILER} -XX:ArchiveClassesAtExit={made}"
        run_a_broker(Path(home) / "kafka")
        partial = archive.with_suffix(".partial")
        shutil.copyfile(made, partial)
        partial.rename(archive)


def _options(archive: Path) -> str:
    return f"{_given} {_QUICK_COMPILER} -XX:SharedArchiveFile={archive}"


def _version(jars: Path) -> str:
    """Changes with the jars and with Java: an archive fits one JVM and one class path."""
    java = Path(shutil.which("java") or "java").resolve()
    found = [f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in sorted(jars.glob("*.jar"))]
    found.append(f"{jars} {java} {java.stat().st_mtime_ns if java.exists() else 0}")
    return hashlib.sha256("\n".join(found).encode()).hexdigest()[:16]
