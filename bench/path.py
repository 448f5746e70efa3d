"""The whole path: how long an event takes from the HTTP answer to the query API, and what flows through at once.

``python -m bench.path`` starts a stack of its own and prints two tables.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

import click
import httpx
import orjson
from confluent_kafka import Producer

from bench.worker import traffic
from schemas import topics
from schemas.envelope import envelope_headers, join_lines
from schemas.partition import partition_of
from tests.stack import Stack, running_stack

EVENTS_AT_ONCE = 4
SUSTAINED_SECONDS = 60
_LINES = 100


def _headers(client_id: str, secret: str) -> dict[str, str]:
    return {"openpanel-client-id": client_id, "openpanel-client-secret": secret}


async def seconds_until_visible(stack: Stack, count: int) -> list[float]:
    """For each of ``count`` events: from the gateway's answer to the first answer of the query API that has it."""
    demo = stack.demo
    write = _headers(demo.write.client_id, demo.write.client_secret)
    read = _headers(demo.read.client_id, demo.read.client_secret)
    found: list[float] = []
    async with httpx.AsyncClient(timeout=30) as client:

        async def one() -> None:
            name = f"seen-{uuid4().hex}"
            body = {"type": "track", "payload": {"name": name, "properties": {}}}
            sent = await client.post(f"{stack.gateway_url}/track", json=body, headers={**write, "user-agent": "x/1.0"})
            sent.raise_for_status()
            began = time.monotonic()
            while True:
                query = {"projectId": demo.project_id, "event": name, "limit": "1"}
                answer = await client.get(f"{stack.query_api_url}/export/events", params=query, headers=read)
                if answer.json()["data"]:
                    found.append(time.monotonic() - began)
                    return
                await asyncio.sleep(0.03)

        async def series() -> None:
            for _ in range(count // EVENTS_AT_ONCE):
                await one()

        await asyncio.gather(*(series() for _ in range(EVENTS_AT_ONCE)))
    return sorted(found)


def latency_row(stack: Stack, count: int) -> str:
    """A row of the first table."""
    seconds = asyncio.run(seconds_until_visible(stack, count))
    p99 = seconds[min(len(seconds) - 1, int(len(seconds) * 0.99))]
    return f"| {len(seconds)} | {statistics.median(seconds):.2f} s | {p99:.2f} s |"


def prepared_envelopes(count: int, partitions: int, project: str) -> list[tuple[int, bytes]]:
    """(partition, value) of envelopes of 100 lines, in the order they shall be sent."""
    waiting: dict[int, list[bytes]] = {}
    envelopes = []
    for event in traffic(count):
        event["project_id"] = project
        # The broker's stamp says when it came, its place in the log which it is: sent again, it is another event.
        del event["time"], event["received_at"], event["event_id"]
        partition = partition_of(project, str(event["device_id"]), partitions)
        lines = waiting.setdefault(partition, [])
        lines.append(orjson.dumps(event))
        if len(lines) == _LINES:
            envelopes.append((partition, join_lines(waiting.pop(partition))))
    return envelopes


def lag(stack: Stack) -> Mapping[str, int]:
    """Messages behind, per topic."""
    found: dict[str, int] = stack.status()["lag"]
    return found


def sustained(stack: Stack, rate: int) -> list[str]:
    """Rows of the second table: the lag while ``rate`` events/s flow in envelopes of 100."""
    envelopes = prepared_envelopes(rate * 10, topics.DEFAULT_PARTITIONS, stack.demo.project_id)
    producer = Producer({"bootstrap.servers": stack.bootstrap, "compression.type": "lz4", "log_level": 0})
    gateway, began, rows = str(uuid4()), time.monotonic(), []
    sent, sampled = 0, 0.0
    while (now := time.monotonic() - began) < SUSTAINED_SECONDS:
        while sent * _LINES < now * rate:
            partition, value = envelopes[sent % len(envelopes)]
            producer.produce(topics.RAW, value, partition=partition, headers=envelope_headers(gateway, sent))
            sent += 1
        producer.poll(0)
        if now - sampled >= 15:
            sampled = now
            behind = lag(stack)
            rows.append(f"| {now:.0f} s | {sent * _LINES:,} | {behind[topics.RAW]} | {behind[topics.EVENTS]} |")
        time.sleep(0.01)
    producer.flush(30)
    drained = time.monotonic()
    while any(lag(stack)[name] for name in (topics.RAW, topics.EVENTS)):
        time.sleep(0.2)
    rows.append(f"| end | {sent * _LINES:,} | 0 | 0, after {time.monotonic() - drained:.1f} s |")
    return rows


@click.command()
@click.option("--rate", default=5_000, show_default=True, help="Events per second of the sustained run.")
@click.option("--events", default=200, show_default=True, help="Events whose way is timed.")
def main(rate: int, events: int) -> None:
    """Print both tables."""
    with tempfile.TemporaryDirectory() as home, running_stack(Path(home)) as stack:
        asyncio.run(seconds_until_visible(stack, EVENTS_AT_ONCE * 2))
        click.echo("| events | p50 | p99 |\n|---|---|---|")
        click.echo(latency_row(stack, events))
        click.echo(f"\n{rate} events/s\n\n| after | events | weir.raw behind | weir.events behind |\n|---|---|---|---|")
        for row in sustained(stack, rate):
            click.echo(row)


if __name__ == "__main__":
    main()
