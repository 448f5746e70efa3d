"""The local stack as people use it: up, a crash, up again, down."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from confluent_kafka import Producer

from schemas.topics import DEVICES_CHANGELOG, RAW
from streams.position import POSITION_KEY
from streams.positions import read_logs, read_positions
from tests.stack import SERVICES, Stack
from weir.local.ports import is_taken

pytestmark = pytest.mark.integration
REFUSED = "weir positions reset weir.raw/0"


@pytest.fixture
def unstarted(tmp_path: Path) -> Iterator[Stack]:
    """A stack nobody has started yet; taken down at the end."""
    stack = Stack(tmp_path / "home")
    yield stack
    stack.weir("down", check=False)


def _send(stack: Stack, name: str) -> None:
    body = json.dumps({"type": "track", "payload": {"name": name, "properties": {}}}).encode()
    request = Request(
        f"{stack.gateway_url}/track",
        body,
        {
            "content-type": "application/json",
            "openpanel-client-id": stack.demo.write.client_id,
            "openpanel-client-secret": stack.demo.write.client_secret,
        },
    )
    with urlopen(request, timeout=30) as answer:
        assert answer.status == 200


def _ports(stack: Stack) -> list[int]:
    return [int(value) for name, value in stack.environment.items() if name.endswith("_PORT")]


def test_up_twice_kill_each_and_down(own_stack: Stack) -> None:
    status = own_stack.status()
    assert set(status) == {"services", "demo", "spool", "lag", "rows", "dead_letters"}
    assert set(status["services"]) == set(SERVICES)
    assert all(set(service) == {"state", "address", "pid", "problem"} for service in status["services"].values())
    assert all(service["state"] == "up" for service in status["services"].values())
    assert status["services"]["gateway"]["address"] == own_stack.gateway_url
    worker = status["services"]["worker"]["address"]
    assert worker == f"http://127.0.0.1:{own_stack.environment['WEIR_WORKER_METRICS_PORT']}"
    with urlopen(f"{worker}/metrics", timeout=10) as metrics:
        assert b"\nweir_worker_ready 1.0\n" in metrics.read()
    assert status["demo"]["read"]["client_secret"].startswith("sec_")
    assert (own_stack.home / "demo.json").stat().st_mode & 0o077 == 0

    # A log says that its service lives before there is anything to complain of.
    gateway_log = (own_stack.home / "logs" / "gateway.log").read_text()
    assert "listening on 127.0.0.1 port" in gateway_log
    assert "events are taken" in gateway_log

    # Starting it again says so, shows the same, and changes nothing.
    again = own_stack.weir("up", "--detach").stdout
    assert "already up" in again
    assert own_stack.demo.write.client_secret in again
    assert f'<script src="{own_stack.gateway_url}/op1.js"' in again
    assert "curl " in again
    assert own_stack.status()["services"] == status["services"]
    own_stack.environment |= {"WEIR_GATEWAY_PROCESSES": "2", "WEIR_GATEWAY_LINGER_MS": "9"}
    told = own_stack.weir("up", "--detach").stderr
    assert "WEIR_GATEWAY_PROCESSES is 2, and it runs with 1" in told
    assert "WEIR_GATEWAY_LINGER_MS is set otherwise" in told
    assert len(re.findall("WEIR_", told)) == 2
    assert "weir down, then weir up" in told
    for name in ("WEIR_GATEWAY_PROCESSES", "WEIR_GATEWAY_LINGER_MS"):
        del own_stack.environment[name]
    assert own_stack.weir("up", "--detach").stderr == ""

    _send(own_stack, "before")
    for service in ("worker", "gateway", "query_api", "store", "broker"):
        own_stack.wait_back(service, own_stack.kill(service))
    own_stack.wait_ready()
    _send(own_stack, "after")
    assert own_stack.audit()["findings"] == []
    assert own_stack.status()["rows"]["events"] == 2

    own_stack.stop()
    audit = own_stack.weir("audit", check=False)
    assert audit.returncode == 2
    assert "start it (weir up)" in audit.stderr
    assert own_stack.leftovers() == []
    assert not any(map(is_taken, _ports(own_stack)))
    assert "not running" in own_stack.weir("down").stdout
    down = own_stack.status()
    assert {service["state"] for service in down["services"].values()} == {"down"}
    assert down["rows"] == {}

    own_stack.start()
    assert own_stack.demo.model_dump() == status["demo"]
    assert own_stack.audit()["findings"] == []
    assert own_stack.status()["rows"]["events"] == 2


def test_a_hung_broker_and_a_worker_that_refuses_are_seen(own_stack: Stack) -> None:
    """What was seen last is no word for now."""
    own_stack.signal("broker", signal.SIGSTOP)
    _send(own_stack, "spooled")
    own_stack.wait_for(lambda: own_stack.status()["spool"] is not None, "the spool is shown")
    status = own_stack.status()
    assert status["services"]["broker"]["state"] == "not answering"
    assert (status["spool"]["envelopes"], status["spool"]["bytes"] > 0) == (1, True)
    audit = own_stack.weir("audit", check=False)
    assert audit.returncode == 2
    assert audit.stderr.startswith("The broker does not answer at ")
    assert "KafkaError" not in audit.stderr
    own_stack.signal("broker", signal.SIGCONT)
    own_stack.wait_for(lambda: not any((own_stack.home / "spool").glob("*/*.segment")), "the spool is drained")

    old = _put_beyond_the_log(own_stack)
    state = own_stack.home / "run" / "state.json"
    own_stack.wait_for(lambda: REFUSED in state.read_text(), "the worker refuses")
    done = own_stack.weir("up", "--detach", check=False)
    assert done.returncode == 1
    assert "The worker is not at work: " in done.stderr
    assert REFUSED in done.stderr
    worker = own_stack.status()["services"]["worker"]
    assert worker["state"] != "up"
    assert REFUSED in worker["problem"]
    own_stack.weir("positions", "reset", "weir.raw/0")
    own_stack.wait_back("worker", old)


def _put_beyond_the_log(stack: Stack) -> int:
    """Kill the worker and let its changelog say that more was processed than the log holds; returns its process."""
    logs = read_logs(stack.bootstrap)
    found = next(each for each in read_positions(stack.bootstrap, logs) if (each.topic, each.partition) == (RAW, 0))
    producer = Producer({"bootstrap.servers": stack.bootstrap})
    beyond = found.current._replace(offset=found.high + 1_000_000)
    pid = stack.kill("worker")
    producer.produce(DEVICES_CHANGELOG, beyond.encode(), key=POSITION_KEY, partition=0)
    assert producer.flush(30) == 0
    return pid


def test_services_that_outlived_their_supervisor_are_stopped_before_a_start_and_by_down(own_stack: Stack) -> None:
    _send(own_stack, "kept")
    own_stack.kill("supervisor")
    assert set(own_stack.leftovers()) == set(SERVICES)
    old = {service: own_stack.pid(service) for service in SERVICES}
    own_stack.start()
    assert all(own_stack.pid(service) != pid for service, pid in old.items())
    assert own_stack.audit()["findings"] == []
    assert own_stack.status()["rows"]["events"] == 1

    own_stack.kill("supervisor")
    assert set(own_stack.leftovers()) == set(SERVICES)
    own_stack.stop()
    assert own_stack.leftovers() == []


@pytest.mark.parametrize("variable", ["WEIR_GATEWAY_PORT", "WEIR_BROKER_PORT"])
def test_a_taken_port_is_one_sentence_with_the_remedy(unstarted: Stack, variable: str) -> None:
    port = int(unstarted.environment[variable])
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        done = unstarted.weir("up", "--detach", check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"Port {port} of the" in done.stderr
    assert f"(process {os.getpid()})" in done.stderr
    assert f"set {variable} to another port" in done.stderr
    assert unstarted.leftovers() == []


def test_a_variable_that_cannot_be_used_is_named(unstarted: Stack) -> None:
    unstarted.environment["WEIR_GATEWAY_PORT"] = "eighty"
    done = unstarted.weir("up", "--detach", check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("WEIR_GATEWAY_PORT cannot be used: ")
    assert done.stderr.count("\n") == 1


def test_a_stop_while_it_starts_leaves_nothing(unstarted: Stack) -> None:

    starting = subprocess.Popen(
        [sys.executable, "-m", "weir", "up"],
        env=unstarted.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    unstarted.wait_for(lambda: "broker" in unstarted.leftovers(), "the broker runs")
    starting.send_signal(signal.SIGINT)
    said, _ = starting.communicate(timeout=60)
    assert "Weir is down" in said
    assert unstarted.leftovers() == []
    assert not any(map(is_taken, _ports(unstarted)))
