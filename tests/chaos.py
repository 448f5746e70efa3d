"""Faults for a running stack, and the check that nothing was lost or doubled by them."""

import signal
import time
from collections.abc import Callable
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
    """What is wrong, in sentences; empty when every answered event is stored once and the audit is clean."""
    audit: dict[str, Any] = stack.audit(seconds=180)
    counts = stored_numbers(stack)
    lost = sorted(number for number in traffic.answered if number not in counts)
    doubled = sorted(number for number, count in counts.items() if count > 1)
    unknown = sorted(number for number in counts if number not in traffic.answered and number not in traffic.unsure)
    wrong = [str(finding) for finding in audit["findings"]]
    for what, numbers in (("lost", lost), ("stored twice", doubled), ("never sent", unknown)):
        if numbers:
            wrong.append(f"{len(numbers)} events {what}, e.g. {numbers[:5]}")
    return wrong


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


def traffic_for(stack: Stack, rate: float) -> Traffic:
    """Traffic of the stack's demo project."""
    write = stack.demo.write
    headers = {
        "openpanel-client-id": write.client_id,
        "openpanel-client-secret": write.client_secret,
        "content-type": "application/json",
    }
    return Traffic(stack.gateway_url, headers, rate)
