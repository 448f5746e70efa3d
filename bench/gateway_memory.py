"""Whether the gateway's memory stays bounded: single events at a modest rate, from ever new visitors, and its size each
minute.

``python -m bench.gateway_memory [MINUTES] [EVENTS_PER_SECOND]`` starts a broker of its own and prints one line of JSON
a minute; 10 minutes of 1,000 events a second unless told otherwise.
"""

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

import orjson
import uvloop

from bench.gateway import CLIENT, SECRET, running_broker, running_server
from weir.local.ports import free_ports

_CONNECTIONS = 32
_AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64; visitor {}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
)


def memory_megabytes(pid: int) -> float:
    """What a process has in memory now."""
    status = Path(f"/proc/{pid}/status").read_text()
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(kilobytes) / 1_024


def _request(number: int) -> bytes:
    """An event of a visitor who never was here before, with headers as nobody else's."""
    properties = {"__path": f"https://shop.example/product/{number}", "number": number}
    body = orjson.dumps({"type": "track", "payload": {"name": f"viewed {number % 10_000}", "properties": properties}})
    address = ".".join(str(81 + part if place == 0 else part) for place, part in enumerate(number.to_bytes(4, "big")))
    head = (
        f"POST /track HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: {_AGENT.format(number)}\r\nX-Client-Ip: {address}\r\n"
        f"Accept-Language: de-DE,de;q=0.{number % 1_000}\r\nOpenpanel-Client-Id: {CLIENT}\r\n"
        f"Openpanel-Client-Secret: {SECRET}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Visitors:
    """Ever new ones, on connections that stay open."""

    def __init__(self, port: int, per_second: float) -> None:
        self._port = port
        self._pause = _CONNECTIONS / per_second
        self.sent = 0
        self.refused = 0

    async def send(self) -> None:
        """Send on one connection until it is cancelled."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        due = time.monotonic()
        while True:
            self.sent += 1
            writer.write(_request(self.sent))
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
            self.refused += not head.startswith(b"HTTP/1.1 200")
            due += self._pause
            await asyncio.sleep(max(due - time.monotonic(), 0))


async def _watch(pid: int, port: int, minutes: int, per_second: float) -> None:
    visitors = _Visitors(port, per_second)
    tasks = [asyncio.create_task(visitors.send()) for _ in range(_CONNECTIONS)]
    for minute in range(minutes + 1):
        if minute:
            await asyncio.sleep(60)
        said = {"minute": minute, "rss_mb": round(memory_megabytes(pid), 1), "events": visitors.sent}
        print(json.dumps({**said, "refused": visitors.refused}), flush=True)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def main() -> None:
    """Print the size of one process each minute."""
    minutes = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    per_second = float(sys.argv[2]) if len(sys.argv) > 2 else 1_000.0
    (port,) = free_ports(1)
    with (
        tempfile.TemporaryDirectory(prefix="weir-bench-") as home,
        tempfile.TemporaryDirectory() as spool,
        running_broker(Path(home)) as bootstrap,
    ):
        environment = {
            "WEIR_KAFKA_BOOTSTRAP": bootstrap,
            "WEIR_GATEWAY_PORT": str(port),
            "WEIR_GATEWAY_SPOOL_DIRECTORY": spool,
        }
        with (
            running_server(["ingest"], environment, f"http://127.0.0.1:{port}/readyz") as pid,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            runner.run(_watch(pid, port, minutes, per_second))


if __name__ == "__main__":
    main()
