"""Traffic with a memory: numbered events over HTTP, and a record of which were answered 200."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Mapping

import orjson

_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
_CONNECTIONS = 64
_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Traffic:
    """Sends ``rate`` events/s to ``POST /track`` from a thread until stopped, each once, never again.

    Every event has the property ``number``. ``answered`` holds those that got 200, ``unsure`` those whose answer never
    came (they may be stored or not), ``refused`` counts other answers by status.
    """

    def __init__(self, url: str, headers: Mapping[str, str], rate: float, devices: int = 400) -> None:
        self.answered: set[int] = set()
        self.unsure: set[int] = set()
        self.refused: Counter[int] = Counter()
        self.sent = 0
        self._host, port = url.removeprefix("http://").split(":")
        self._port = int(port)
        given = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._head = (
            f"POST /track HTTP/1.1\r\nhost: weir\r\nuser-agent: {_AGENT}\r\n{given}"
            "x-client-ip: 81.2.%d.%d\r\ncontent-length: %d\r\n\r\n"
        ).encode()
        self._rate = rate
        self._devices = devices
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> "Traffic":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the traffic and wait for the last answers."""
        self._stop.set()
        self._thread.join(60)

    async def _run(self) -> None:
        began = time.monotonic()
        await asyncio.gather(*(self._send(began) for _ in range(_CONNECTIONS)))

    async def _send(self, began: float) -> None:
        """One connection: the next number when its time has come; a new connection after any failure."""
        connection: _Connection | None = None
        while not self._stop.is_set():
            ahead = self.sent / self._rate - (time.monotonic() - began)
            if ahead > 0:
                await asyncio.sleep(min(ahead, 0.05))
                continue
            if connection is None:
                try:
                    connection = await asyncio.open_connection(self._host, self._port)
                except OSError:
                    await asyncio.sleep(0.1)
                    continue
            number = self.sent
            self.sent += 1
            try:
                status = await asyncio.wait_for(self._exchange(connection, number), 10)
            except (TimeoutError, OSError, EOFError, ValueError):
                self.unsure.add(number)
                connection[1].close()
                connection = None
                continue
            if status == 200:
                self.answered.add(number)
            else:
                self.refused[status] += 1
                self.unsure.add(number)
                await asyncio.sleep(0.1)
        if connection is not None:
            connection[1].close()

    async def _exchange(self, connection: _Connection, number: int) -> int:
        reader, writer = connection
        device = number % self._devices
        body = orjson.dumps(
            {
                "type": "track",
                "payload": {"name": "screen_view", "properties": {"number": number, "__path": f"/page/{number % 50}"}},
            }
        )
        writer.write(self._head % (device // 200, device % 200 + 1, len(body)) + body)
        head = await reader.readuntil(b"\r\n\r\n")
        _, found, rest = head.lower().partition(b"content-length: ")
        await reader.readexactly(int(rest.partition(b"\r\n")[0]) if found else 0)
        return int(head[9:12])
