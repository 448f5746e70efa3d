"""The local broker's jars: copied once by Maven from the list in deploy/local/pom.xml."""

import fcntl
import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from weir.errors import WeirError

POM = Path(__file__).resolve().parents[2] / "deploy" / "local" / "pom.xml"
LOG_CONFIG = POM.with_name("log4j2.properties")
_MARK = ".complete"


def jars_present(jars: Path) -> bool:
    """Whether the folder holds every jar of the present list (a changed list counts as absent)."""
    mark = jars / _MARK
    return mark.is_file() and mark.read_text() == _fingerprint()


def fetch_jars(jars: Path) -> None:
    """Copy the jars into the folder unless they are there; blocks for seconds to minutes.

    Safe to call again after an interruption (Maven keeps what it has already fetched) and from several
    processes at once (one fetches, the others wait).

    :raises WeirError: Maven is missing or failed.
    """
    if jars_present(jars):
        return
    jars.parent.mkdir(parents=True, exist_ok=True)
    with _only_one(jars.with_name(jars.name + ".lock")):
        if jars_present(jars):
            return
        partial = jars.with_name(jars.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        _copy(partial)
        (partial / _MARK).write_text(_fingerprint())
        shutil.rmtree(jars, ignore_errors=True)
        partial.rename(jars)


def _copy(target: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise WeirError("Maven is needed once, to fetch the local broker: install Maven 3.6 or later (mvn).")
    done = subprocess.run(
        [
            *(maven, "-B", "-q", "-f", str(POM), "dependency:copy-dependencies"),
            *("-DincludeScope=runtime", f"-DoutputDirectory={target}"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        problems = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line]
        why = problems[0] if problems else f"status {done.returncode}"
        raise WeirError(
            f"Maven could not fetch the local broker ({why.strip()}): check the network and Maven's "
            "settings, then run it again; what was fetched is kept."
        )


def _fingerprint() -> str:
    return hashlib.sha256(POM.read_bytes()).hexdigest()


@contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
