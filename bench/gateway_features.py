"""What each feature of the gateway costs: processor time of an event with it and without it, in this process.

``python -m bench.gateway_features`` prints a table. The gateway is all there but for its server and Kafka: envelopes
are acknowledged as soon as they are closed. Processor time and the least of several rounds, because machines are never
idle.
"""

import asyncio
import gzip
import hashlib
import logging
import tempfile
import time
from collections.abc import Callable, MutableMapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import brotli
import orjson
import uvloop
import zstandard
from starlette.types import ASGIApp

from bench.gateway import BATCH, CLIENT, SECRET
from bench.http_load import Connection, Load
from ingest.app import COLLECTING
from ingest.collect import Collect
from ingest.envelopes import Report
from ingest.gateway import Gateway
from ingest.server import calm_garbage_collection
from ingest.settings import GatewaySettings
from ingest.tracing import TracedEnvelopes, TracedRequests
from schemas.control import BotPolicy, ClientRecord, ClientType, ProjectRecord, RateLimit, SaltRecord
from schemas.envelope import Headers
from schemas.filters import FilterRecord
from schemas.tracing import Tracing, open_tracing

_ROUNDS = 7
_CONNECTIONS = 8
_REQUESTS = {"single": 300, "batch": 8}
"""Of each connection in a round."""
_MANY = RateLimit(per_second=1e6, burst=100_000_000)
_NOWHERE = "http://127.0.0.1:1"
_FILTERS = [
    *(FilterRecord(kind="ip", value=f"198.51.{number}.0/24") for number in range(20)),
    *(FilterRecord(kind="profile_id", value=f"tester-{number}") for number in range(20)),
]

Lines = list[tuple[bytes, bytes]]
Requests = list[tuple[Lines, bytes]]
"""Headers and body."""
Change = Callable[[Lines, bytes], tuple[Lines, bytes]]


class Feature(NamedTuple):
    """How a project is set, and what becomes of a request, to make use of something."""

    name: str
    project: dict[str, object] = {}
    change: Change | None = None
    traced: float = 0.0
    """Part of the requests that are traced."""


def _packed(encoding: bytes, pack: Callable[[bytes], bytes]) -> Change:
    return lambda headers, body: ([*headers, (b"content-encoding", encoding)], pack(body))


def _from_page(headers: Lines, body: bytes) -> tuple[Lines, bytes]:
    kept = [entry for entry in headers if entry[0] != b"openpanel-client-secret"]
    return [*kept, (b"origin", b"https://shop.example")], body


def _with_device(headers: Lines, body: bytes) -> tuple[Lines, bytes]:
    return headers, body.replace(b'"plan":', b'"__deviceId":"a given device","plan":')


def _with_half_a_pair(headers: Lines, body: bytes) -> tuple[Lines, bytes]:
    return headers, body.replace(b'"basic"', b'"\\ud83d"', 1)


PLAIN: dict[str, object] = {"bot_policy": BotPolicy.KEEP, "origins": ("https://shop.example",)}
PLAINLY = Feature("none of these")
FEATURES = (
    PLAINLY,
    Feature("filters: 20 networks, 20 profiles", {"filters": _FILTERS}),
    Feature("without the secret: the page's origin", change=_from_page),
    Feature("the same, crawlers dropped", {"bot_policy": BotPolicy.DROP}, _from_page),
    Feature("limit of the client", {"client_limit": _MANY}),
    Feature("limits of client and address, from a page", {"client_limit": _MANY, "ip_limit": _MANY}, _from_page),
    Feature("quota", {"monthly_events": 10**12}),
    Feature("addresses anonymised", {"anonymize_ip": True}),
    Feature("device named by the sender", change=_with_device),
    Feature("gzip", change=_packed(b"gzip", gzip.compress)),
    Feature("br", change=_packed(b"br", lambda body: brotli.compress(body, quality=5))),
    Feature("zstd", change=_packed(b"zstd", zstandard.compress)),
    Feature("half of a surrogate pair: read leniently", change=_with_half_a_pair),
    Feature("traced, one request of a hundred", traced=0.01),
    Feature("traced, every request", traced=1.0),
)


class _House:
    """A gateway without a server and without Kafka."""

    def __init__(self, spool: Path) -> None:
        settings = GatewaySettings(kafka_bootstrap="127.0.0.1:1", gateway_spool_directory=spool, gateway_linger_ms=0)
        self.gateway = gateway = Gateway(settings)
        gateway.producer.partitions = 8
        for reader in (gateway._control_reader, gateway._sessions_reader):
            reader.caught_up.set()
        gateway.envelopes._send = self._acknowledge
        self._loop = asyncio.get_running_loop()
        day = datetime.now(UTC).strftime("%Y-%m-%d")
        gateway.access.apply_salt(day, SaltRecord(day=day, salt="5a" * 32))
        secret_hash = "sha256:" + hashlib.sha256(SECRET.encode()).hexdigest()
        own = {"organization_id": "bench", "project_id": "bench", "type": ClientType.WRITE}
        gateway.access.apply_client(
            CLIENT, ClientRecord.model_validate({"id": CLIENT, "secret_hash": secret_hash, **own})
        )

    def _acknowledge(self, partition: int, value: bytes, headers: Headers, report: Report) -> None:
        self._loop.call_soon(report, None)

    async def compare(self, features: Sequence[Feature], batch: int) -> list[float]:
        """Microseconds of an event with each of the features. They take turns, because machines are faster now and
        slower then.
        """
        least = [float("inf")] * len(features)
        apps = [self._app(feature, batch) for feature in features]
        for _ in range(_ROUNDS):
            for number, feature in enumerate(features):
                least[number] = min(least[number], await self._round(feature, *apps[number], batch))
        for _, tracing, _ in apps:
            if tracing is not None:
                await asyncio.to_thread(tracing.close)
        return least

    def _app(self, feature: Feature, batch: int) -> tuple[ASGIApp, Tracing | None, list[Requests]]:
        path = _path(batch)
        app: ASGIApp = Collect(COLLECTING[path], self.gateway)
        tracing = open_tracing("bench", _NOWHERE, feature.traced) if feature.traced else None
        if tracing is not None:
            app = TracedRequests(app, tracing, "bench")
        return app, tracing, [_requests(number, path, batch, feature.change) for number in range(_CONNECTIONS)]

    async def _round(
        self, feature: Feature, app: ASGIApp, tracing: Tracing | None, requests: list[Requests], batch: int
    ) -> float:
        fields = {"id": "bench", "organization_id": "bench", "name": "Bench", **PLAIN, **feature.project}
        self.gateway.access.apply_project("bench", ProjectRecord.model_validate(fields))
        self.gateway.envelopes._tracing = TracedEnvelopes(tracing) if tracing is not None else None
        times = _REQUESTS["batch" if batch else "single"]
        began = time.thread_time()
        await asyncio.gather(*(_send_all(app, _path(batch), own, times) for own in requests))
        return (time.thread_time() - began) / (times * _CONNECTIONS * max(batch, 1)) * 1e6


def _path(batch: int) -> str:
    return "/track/batch" if batch else "/track"


def _requests(number: int, path: str, batch: int, change: Change | None) -> Requests:
    """The load generator's requests, as a server hands them on."""
    found = []
    for request in Connection(Load(path, CLIENT, SECRET, batch), number).requests:
        head, _, body = request.partition(b"\r\n\r\n")
        lines = [line.partition(b": ") for line in head.split(b"\r\n")[1:]]
        headers = [(name.lower(), value) for name, _, value in lines if name.lower() != b"content-length"]
        found.append(change(headers, body) if change is not None else (headers, body))
    return found


async def _send_all(app: ASGIApp, path: str, requests: Requests, times: int) -> None:
    async def send(message: MutableMapping[str, Any]) -> None:
        if message.get("status", 200) != 200:
            raise SystemExit(f"{path} was answered {message}")
        if message.get("body", b"").startswith(b'{"accepted":') and b'"refused":0' not in message["body"]:
            raise SystemExit(f"{path} was answered {orjson.loads(message['body'])['results'][0]}")

    for turn in range(times):
        headers, body = requests[turn % len(requests)]

        async def receive(whole: bytes = body) -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": whole}

        scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "client": ("127.0.0.1", 1)}
        await app({**scope, "headers": list(headers)}, receive, send)


async def _measure() -> None:
    with tempfile.TemporaryDirectory() as spool:
        house = _House(Path(spool))
        print(f"| feature | single | | event of a batch of {BATCH} | |\n|---|---|---|---|---|", flush=True)
        for feature in FEATURES:
            plain, single = await house.compare((PLAINLY, feature), 0)
            plain_batch, batch = await house.compare((PLAINLY, feature), BATCH)
            costs = f"{single:.1f} us | {single - plain:+.1f} | {batch:.2f} us | {batch - plain_batch:+.2f}"
            print(f"| {feature.name} | {costs} |", flush=True)


def main() -> None:
    """Print the table; two minutes."""
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    calm_garbage_collection()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_measure())


if __name__ == "__main__":
    main()
