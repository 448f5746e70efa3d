"""Faults for a running stack, and the check that nothing was lost or doubled by them."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import clickhouse_connect

from tests.stack import Stack
from tests.traffic import Traffic

SERVICES = ("worker", "store", "gateway", "broker")


def stored_numbers(stack: Stack) -> dict[int, int]:
    """How often each numbered event is in the table."""
    port = int(stack.store_url.rsplit(":", 1)[1])
    client = clickhouse_connect.get_client(host="127.0.0.1", port=port, database="weir", compress=False)
    query = (
        "select properties.number.:Int64 as number, count() from events "
        "where name = 'screen_view' and synthesized = 0 group by number"
    )
    return {int(number): int(count) for number, count in client.query(query).result_rows}


def findings(stack: Stack, traffic: Traffic) -> list[str]:
    """What is wrong, in sentences; empty when every answered event is stored once and the audit is clean. A store that
    is killed between a table and its rollups leaves these behind: the stack's auditor mends them, and is waited for;
    where there is none, what it would do is done here.
    """
    audit = stack.audit(seconds=180)
    if _has_rollups(audit) and stack.has_auditor:
        stack.wait_for(lambda: not _has_rollups(stack.audit(seconds=60)), "the auditor has mended the rollups", 240)
    elif _has_rollups(audit):
        today = datetime.now(UTC).date()
        stack.weir("rebuild", "--from", f"{today - timedelta(days=1)}", "--to", f"{today + timedelta(days=1)}")
    if _has_rollups(audit):
        audit = stack.audit(seconds=180)
    counts = stored_numbers(stack)
    lost = sorted(number for number in traffic.answered if number not in counts)
    doubled = sorted(number for number, count in counts.items() if count > 1)
    unknown = sorted(number for number in counts if number not in traffic.answered and number not in traffic.unsure)
    wrong = [str(finding) for finding in audit["findings"]]
    if not traffic.answered:
        wrong.append(f"no event was answered 200, which proves nothing; refused by status: {dict(traffic.refused)}")
    for what, numbers in (("lost", lost), ("stored twice", doubled), ("never sent", unknown)):
        if numbers:
            wrong.append(f"{len(numbers)} events {what}, e.g. {numbers[:5]}")
    return wrong


def _has_rollups(audit: dict[str, Any]) -> bool:
    return any(finding["kind"] == "rollup" for finding in audit["findings"])


def kill_each(stack: Stack, pause: float, say: Callable[[str], None] = print) -> None:
    """kill -9 one service after the other, waiting until each serves again, with ``pause`` seconds of load between."""
    for service in SERVICES:
        time.sleep(pause)
        began = time.monotonic()
        stack.wait_back(service, stack.kill(service), 60)
        stack.wait_ready(60)
        say(f"  {service}: killed, at work again after {time.monotonic() - began:.1f} s")


def freeze_worker(stack: Stack, seconds: float = 12, say: Callable[[str], None] = print) -> None:
    """SIGSTOP the first worker for longer than its session, and let it go on."""
    pid = stack.pid("worker")
    stack.signal("worker", signal.SIGSTOP)
    time.sleep(seconds)
    stack.signal("worker", signal.SIGCONT)
    stack.wait_back("worker", pid, 60)
    say(f"  worker: stood still for {seconds:.0f} s, was replaced")


def gateway_processes(stack: Stack) -> list[int]:
    """The processes of a gateway that has several."""
    pid = stack.pid("gateway")
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def kafka_away(stack: Stack, seconds: float, say: Callable[[str], None] = print) -> None:
    """SIGSTOP the broker for so long, and kill -9 five processes of the gateway: two while they write to the spool,
    three while they drain it. Returns when nothing is left in it. One that was killed serves again when Kafka is back.
    """
    stack.signal("broker", signal.SIGSTOP)
    say(f"  broker: stands still for {seconds:.0f} s")
    victims = gateway_processes(stack)[:2]
    for victim in victims:
        time.sleep(seconds / 3)
        os.kill(victim, signal.SIGKILL)
        say(f"  gateway: a process was killed with {_spool_bytes(stack) >> 20} MiB in the spool")
    time.sleep(seconds / 3)
    say(f"  broker: goes on, {_spool_bytes(stack) >> 20} MiB are in the spool")
    stack.signal("broker", signal.SIGCONT)
    for _ in range(3):
        time.sleep(0.5)
        os.kill(gateway_processes(stack)[0], signal.SIGKILL)
        say(f"  gateway: a process was killed with {_spool_bytes(stack) >> 20} MiB in the spool")
    stack.wait_for(lambda: not any((stack.home / "spool").glob("*/*.segment")), "the spool is drained", 300)
    stack.wait_ready(120)


def _spool_bytes(stack: Stack) -> int:
    total = 0
    for path in (stack.home / "spool").glob("*/*.segment"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:  # drained meanwhile
            continue
    return total


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[bool]:
    """A file system of that size mounted at ``place``, if that is allowed here; whether it was."""
    place.mkdir(parents=True, exist_ok=True)
    options = ["-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    mounted = subprocess.run(["mount", *options], capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(place)], check=True)


def traffic_for(stack: Stack, rate: float) -> Traffic:
    """Traffic of the stack's demo project."""
    write = stack.demo.write
    headers = {
        "openpanel-client-id": write.client_id,
        "openpanel-client-secret": write.client_secret,
        "content-type": "application/json",
    }
    return Traffic(stack.gateway_url, headers, rate)
