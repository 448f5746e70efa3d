"""How much the gateway takes: single events, durable in Kafka, against a bare route with the same producer.

``python -m bench.gateway [SECONDS]`` starts a broker of its own and prints one line of JSON per measurement.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from schemas.control import ClientRecord, ClientType, ProjectRecord, SaltRecord, control_key
from schemas.topics import CONTROL, DEFAULT_PARTITIONS, RAW, SESSIONS
from weir.local import broker as local
from weir.local.jars import fetch_jars
from weir.local.ports import free_ports

JARS = Path(__file__).resolve().parents[1] / ".weir" / "kafka" / "jars"
CLIENT = "6f0c7e5a-3b1d-4c2e-9f8a-1d2c3b4a5e6f"
SECRET = "sec_0123456789abcdef0123"
BATCH = 100
WARM_UP_SECONDS = 4.0
"""The broker's and the interpreter's compilers need about as long."""
_OTHERS_SECONDS = 1.0


@contextmanager
def running_broker(home: Path) -> Iterator[str]:
    """A broker with the topics and control records the gateway needs; gives its address."""
    fetch_jars(JARS)
    port, controller_port = free_ports(2)
    place = local.LocalBroker(home, JARS, port, controller_port)
    local.prepare(place)
    with (home / "broker.log").open("wb") as log:
        process = subprocess.Popen(local.command(place), stdout=log, stderr=log)
    try:
        local.wait_until_it_answers(place.bootstrap, process)
        _prepare_topics(place.bootstrap)
        yield place.bootstrap
    finally:
        process.terminate()
        process.wait(60)


def _prepare_topics(bootstrap: str) -> None:
    sizes = {RAW: DEFAULT_PARTITIONS, SESSIONS: DEFAULT_PARTITIONS, CONTROL: 1}
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for created in admin.create_topics([NewTopic(name, count, 1) for name, count in sizes.items()]).values():
        created.result(30)
    day = datetime.now(UTC).strftime("%Y-%m-%d")
    digest = hashlib.sha256(SECRET.encode()).hexdigest()
    records: list[ProjectRecord | ClientRecord | SaltRecord] = [
        ProjectRecord(id="bench", organization_id="bench", name="Bench"),
        ClientRecord(
            id=CLIENT,
            organization_id="bench",
            project_id="bench",
            type=ClientType.WRITE,
            secret_hash=f"sha256:{digest}",
        ),
        SaltRecord(day=day, salt="5a" * 32),
    ]
    producer = Producer({"bootstrap.servers": bootstrap})
    for record in records:
        producer.produce(CONTROL, record.model_dump_json(), key=control_key(record))
    producer.flush(30)


@contextmanager
def running_server(command: list[str], environment: dict[str, str], probe: str) -> Iterator[int]:
    """A server process that answers at the address ``probe``, with whatever status below 500; gives its id."""
    process = subprocess.Popen([sys.executable, "-m", *command], env={**os.environ, **environment})
    try:
        deadline = time.monotonic() + 60
        while not _answers(probe):
            if time.monotonic() > deadline or process.poll() is not None:
                raise SystemExit(f"{command} does not answer")
            time.sleep(0.1)
        # Of several processes that share a port the slowest has to listen, too.
        time.sleep(_OTHERS_SECONDS)
        yield process.pid
    finally:
        process.terminate()
        process.wait(60)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, b"{}" if url.endswith("/bare") else None, timeout=5):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False


def load(pid: int, port: int, path: str, connections: int, seconds: float, batch: int = 0) -> dict[str, object]:
    """Run the load generator in its own process and give what it measured; ``batch`` events a request, or single ones.

    The processor time the server took for a request says more than the rate when the machine has other things to do;
    what the load generator took tells how slow the machine is at the moment.
    """
    before = _cpu_seconds(pid)
    numbers = [port, path, connections, seconds, WARM_UP_SECONDS, CLIENT, SECRET, batch]
    command = [sys.executable, "-m", "bench.http_load", *map(str, numbers)]
    result: dict[str, object] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    spent = _cpu_seconds(pid) - before
    answers = int(str(result.pop("answers")))
    result["server_cpu_us"] = round(spent / max(answers, 1) * 1e6, 1)
    if batch:
        result["events_per_second"] = int(str(result["requests_per_second"])) * batch
        result["server_cpu_us_per_event"] = round(spent / max(answers * batch, 1) * 1e6, 1)
    return result


def _cpu_seconds(pid: int) -> float:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own + sum(_cpu_seconds(int(child)) for child in children)


def measure_bare(bootstrap: str, processes: int, connections: int, seconds: float) -> dict[str, object]:
    """The baseline."""
    (port,) = free_ports(1)
    command = ["bench.bare_route", str(port), bootstrap, str(processes)]
    with running_server(command, {}, f"http://127.0.0.1:{port}/bare") as pid:
        return {"what": "bare route", "processes": processes, **load(pid, port, "/bare", connections, seconds)}


def measure_gateway(
    bootstrap: str, processes: int, connections: int, seconds: float, batch: int = 0
) -> dict[str, object]:
    """The gateway, with single events or batches."""
    (port,) = free_ports(1)
    environment = {
        "WEIR_KAFKA_BOOTSTRAP": bootstrap,
        "WEIR_GATEWAY_PORT": str(port),
        "WEIR_GATEWAY_PROCESSES": str(processes),
    }
    with (
        tempfile.TemporaryDirectory() as spool,
        running_server(
            ["ingest"], {**environment, "WEIR_GATEWAY_SPOOL_DIRECTORY": spool}, f"http://127.0.0.1:{port}/readyz"
        ) as pid,
    ):
        what, path = (f"gateway, batches of {batch}", "/track/batch") if batch else ("gateway", "/track")
        return {"what": what, "processes": processes, **load(pid, port, path, connections, seconds, batch)}


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as home, running_broker(Path(home)) as bootstrap:
        for processes, connections in ((1, 64), (2, 512)):
            bare = measure_bare(bootstrap, processes, connections, seconds)
            print(json.dumps(bare), flush=True)
            ours = measure_gateway(bootstrap, processes, connections, seconds)
            ratio = float(str(ours["requests_per_second"])) / float(str(bare["requests_per_second"]))
            print(json.dumps({**ours, "of_bare": round(ratio, 2)}), flush=True)
        print(json.dumps(measure_gateway(bootstrap, 1, 8, seconds, BATCH)), flush=True)


if __name__ == "__main__":
    main()
