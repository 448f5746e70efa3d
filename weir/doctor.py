"""What must be true of the machine before a stack can start; each problem is one sentence with its remedy."""

import errno
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from weir.local import geo, page
from weir.local.broker import LocalBroker
from weir.local.home import make_home
from weir.local.jars import jars_present
from weir.local.ports import is_taken
from weir.local.state import ServiceStatus, StackState
from weir.services import PATIENT_SECONDS, ask, local_broker, worker_name, worker_port
from weir.settings import Settings

JAVA = 17
NODE = 20
NEEDED_BYTES = 2 * 1024**3
_VERSION = re.compile(r"(\d+)(?:\.(\d+))?")
_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@dataclass(frozen=True)
class Check:
    """One look at the machine. ``problem`` is None when all is well, else a sentence with the remedy."""

    name: str
    found: str
    problem: str | None = None


def first_problem(settings: Settings) -> str | None:
    """The first problem that keeps the local stack from starting, or None."""
    return next((check.problem for check in examine(settings) if check.problem), None)


def examine(settings: Settings, running: StackState | None = None) -> Iterator[Check]:
    """All checks, cheapest first. ``running``: the stack that is up, whose services hold the ports."""
    yield check_home(settings.home)
    yield check_disk(settings.home)
    yield check_broker_data(local_broker(settings))
    yield check_java()
    yield Check("Maven", "not needed, the broker is there") if jars_present(settings.jars) else check_maven()
    if not settings.page_build:
        yield Check("Node", "not needed, the page is not built here")
    else:
        yield check_node() if page.must_be_built() else Check("Node", "not needed, the page is built")
    yield check_geo(settings, up=running is not None)
    if running is None:
        yield from _free_ports(settings)
        return
    yield from map(check_service, running.services.items())
    controller = settings.controller_port
    yield Check(f"port {controller} (broker's controller)", "used by this stack" if is_taken(controller) else "free")


def check_service(service: tuple[str, ServiceStatus]) -> Check:
    """Whether a service of the stack that is up answers at its port."""
    name, status = service
    address = status.address or ""
    label = f"port {address.rpartition(':')[2]} ({name.replace('_', ' ')})"
    if status.state != "up":
        return Check(label, status.state, f"The {name} is not at work ({status.state}): weir status says why.")
    condition = ask(name, address, PATIENT_SECONDS)
    if condition == "up":
        return Check(label, "used by this stack, up")
    remedy = f"see weir logs {name}" if condition == "not ready" else "end its process, it is started again by itself"
    return Check(label, f"used by this stack, {condition}", f"The {name} at {address} is {condition}: {remedy}.")


def _free_ports(settings: Settings) -> Iterator[Check]:
    users: dict[int, str] = {}
    for name, port, variable in named_ports(settings):
        other = users.setdefault(port, name)
        yield check_port(name, port, variable) if other == name else shared_port(name, other, port, variable)


def named_ports(settings: Settings) -> list[tuple[str, int, str]]:
    """Who listens where, and the variable that moves it."""
    return [
        ("broker", settings.broker_port, "WEIR_BROKER_PORT"),
        ("broker's controller", settings.controller_port, "WEIR_CONTROLLER_PORT"),
        ("store", settings.store_port, "WEIR_STORE_PORT"),
        ("gateway", settings.gateway_port, "WEIR_GATEWAY_PORT"),
        ("query API", settings.query_api_port, "WEIR_QUERY_API_PORT"),
        *(
            (worker_name(number).replace("_", " "), worker_port(settings, number), "WEIR_WORKER_METRICS_PORT")
            for number in range(1, settings.workers + 1)
        ),
        *([("auditor", settings.auditor_metrics_port, "WEIR_AUDITOR_METRICS_PORT")] if settings.auditor else []),
    ]


def shared_port(name: str, other: str, port: int, variable: str) -> Check:
    """Two of our own services cannot listen on one port."""
    sentence = f"Port {port} is given to both the {other} and the {name}: set {variable} to another port."
    return Check(f"port {port} ({name})", "taken", sentence)


def check_port(name: str, port: int, variable: str) -> Check:
    """Whether nobody listens on the port."""
    label = f"port {port} ({name})"
    if not is_taken(port):
        return Check(label, "free")
    who = _listener(port)
    return Check(
        label,
        "taken",
        f"Port {port} of the {name} is taken{f' by {who}' if who else ''}: stop what listens there, "
        f"or set {variable} to another port.",
    )


def check_java() -> Check:
    """Java 17 or later is on the path."""
    remedy = f"install Java {JAVA} or later (a JRE is enough) and put `java` on the PATH"
    text = _output(["java", "-version"])
    if text is None:
        return Check("Java", "missing", f"Java is missing: {remedy}.")
    # "1.8.0" is Java 8; since then the first number is the version.
    match = re.search(r'version "(?:1\.)?(\d+)', text)
    if match is None or int(match.group(1)) < JAVA:
        found = match.group(1) if match else "of an unknown version"
        return Check("Java", found, f"Java is {found}, which is too old for the broker: {remedy}.")
    return Check("Java", match.group(1))


def check_maven() -> Check:
    """Maven is on the path; needed only while the broker's jars are missing."""
    text = _output(["mvn", "-version"])
    if text is None:
        return Check(
            "Maven",
            "missing",
            "Maven is missing, which fetches the broker once: install Maven 3.6 or later and put `mvn` on the PATH.",
        )
    return Check("Maven", text.strip().splitlines()[0] if text.strip() else "found")


def check_node() -> Check:
    """Node 20 or later with npm is on the path; needed only when the page must be built."""
    remedy = f"install Node {NODE} or later with npm and put `node` and `npm` on the PATH"
    text = _output(["node", "--version"])
    if text is None or shutil.which("npm") is None:
        return Check("Node", "missing", f"Node is missing, which builds the page: {remedy}.")
    match = _VERSION.search(text)
    if match is None or int(match.group(1)) < NODE:
        return Check("Node", text.strip(), f"Node is {text.strip()}, which is too old for the page: {remedy}.")
    return Check("Node", text.strip())


def check_geo(settings: Settings, *, up: bool) -> Check:
    """Where the city database is. Without it everything works, so its absence is no problem."""
    name, without = "city database", "countries and cities stay empty"
    if settings.geo.exists():
        return Check(name, str(settings.geo))
    if up and geo.is_coming(settings.geo):
        return Check(name, f"on its way ({geo.SIZE}), {without} until it is there")
    if not settings.geo_download:
        return Check(name, f"none at {settings.geo}, and WEIR_GEO_DOWNLOAD is off: {without}")
    if up:
        return Check(name, f"not there, {without}: weir logs supervisor says why, the next start tries again")
    return Check(name, f"not there yet, the first start fetches it in the background ({geo.SIZE}, with npm)")


def check_home(home: Path) -> Check:
    """The data directory exists or can be made, and is writable."""
    place = home.resolve()
    remedy = "make it writable, or set WEIR_HOME to another directory"
    try:
        make_home(home)
        probe = place / f".probe-{os.getpid()}"
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        if error.errno == errno.ENOSPC:
            return Check("data directory", "full", _disk_sentence(place, 0))
        return Check(
            "data directory", "unusable", f"The data directory {place} cannot be written ({error.strerror}): {remedy}."
        )
    return Check("data directory", str(place))


def check_disk(home: Path, needed: int = NEEDED_BYTES) -> Check:
    """There is room for the log and the tables to begin with."""
    place = home.resolve()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    label = f"{free / 1024**3:.1f} GB free"
    return Check("disk", label, _disk_sentence(place, free) if free < needed else None)


def check_broker_data(broker: LocalBroker) -> Check:
    """The broker's data directory is empty, or one the broker can open."""
    name = "broker's data"
    if not broker.data.exists() or not any(broker.data.iterdir()):
        return Check(name, "none yet")
    move = f"move {broker.home} away to start with an empty log, or restore it from a backup"
    try:
        meta = (broker.data / "meta.properties").read_text()
    except OSError:
        return Check(name, "broken", f"The broker's data in {broker.data} has lost its meta.properties: {move}.")
    if "cluster.id=" not in meta or "node.id=1" not in meta:
        return Check(name, "broken", f"The broker's data in {broker.data} is not of this stack: {move}.")
    partitions = {path.name for path in broker.data.glob("*-[0-9]*") if path.is_dir()}
    if partitions and "__cluster_metadata-0" not in partitions:
        return Check(name, "broken", f"The broker's data in {broker.data} has lost its metadata log: {move}.")
    return Check(name, str(broker.data))


def _disk_sentence(place: Path, free: int) -> str:
    return (
        f"The disk of {place} has {free / 1024**3:.1f} GB left, which is too little for the local stack "
        f"({NEEDED_BYTES / 1024**3:.0f} GB): free some space, or set WEIR_HOME to a directory on another disk."
    )


def _output(command: list[str]) -> str | None:
    """What the program says, or None when it is not there or fails."""
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    # Maven writes in bold, whoever reads it.
    return _ESCAPES.sub("", done.stdout + done.stderr) if done.returncode == 0 else None


def _listener(port: int) -> str | None:
    """The name of the process that listens, where Linux tells it."""
    inode = next(_listening_inodes(port), None)
    if inode is None:
        return None
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(descriptor) == f"socket:[{inode}]":
                process = descriptor.parents[1]
                return f"{(process / 'comm').read_text().strip()} (process {process.name})"
        except OSError:
            continue
    return None


def _listening_inodes(port: int) -> Iterator[str]:
    listening = "0A"
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == listening and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]
