"""What answers say is what the workers make of it: sessions, and repeats that count once."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from schemas.envelope import split_lines
from schemas.topics import EVENTS
from tests.integration.ingest.gateway_process import BROWSER, now, poll_until, running_gateway
from tests.stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

VISITORS = 400
AT_ONCE = 32


class Rows:
    """The committed rows of weir.events of one name, read on and on."""

    def __init__(self, bootstrap: str, name: str) -> None:
        self._name = name
        self._consumer = Consumer(
            {"bootstrap.servers": bootstrap, "group.id": "test-answers", "isolation.level": "read_committed"}
        )
        partitions = self._consumer.list_topics(EVENTS, 30).topics[EVENTS].partitions
        self._consumer.assign([TopicPartition(EVENTS, partition, OFFSET_BEGINNING) for partition in partitions])
        self.found: list[dict[str, Any]] = []

    def wait(self, what: str, enough: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        poll_until(what, lambda: enough(self._read()), 60)
        return self.found

    def _read(self) -> list[dict[str, Any]]:
        for message in self._consumer.consume(1_000, 0.1):
            for line in split_lines(message.value() or b""):
                row = orjson.loads(line)
                if row["name"] == self._name:
                    self.found.append(row)
        return self.found

    def close(self) -> None:
        self._consumer.close()


async def send_all(
    requests: Iterable[tuple[str, int, dict[str, str], dict[str, Any]]],
) -> dict[int, str]:
    """Send events, many at once; the session each was told, by its number."""
    told: dict[int, str] = {}
    gate = asyncio.Semaphore(AT_ONCE)
    async with httpx.AsyncClient(timeout=30) as client:

        async def send(url: str, number: int, headers: dict[str, str], body: dict[str, Any]) -> None:
            async with gate:
                answer = await client.post(url + "/track", json=body, headers=headers)
            assert answer.status_code == 200, answer.text
            told[number] = answer.json()["sessionId"]

        await asyncio.gather(*(send(*request) for request in requests))
    return told


def test_answers_carry_the_session_the_worker_uses(stack: Stack, tmp_path: Path) -> None:
    """Of two gateways that get each visitor's events by turns, one of them started anew in the middle of all visits."""
    name = f"answers-{uuid4().hex[:8]}"
    rows = Rows(stack.bootstrap, name)
    credentials = {
        "openpanel-client-id": stack.demo.write.client_id,
        "openpanel-client-secret": stack.demo.write.client_secret,
    }

    def requests(urls: list[str], start: int, **properties: Any) -> list[tuple[str, int, dict[str, str], Any]]:
        made = []
        for place, visitor in enumerate(visitor for visitor in range(VISITORS) for _ in urls):
            address = f"81.{2 + visitor // 250}.69.{visitor % 250 + 1}"
            headers = {**credentials, "user-agent": f"{BROWSER} {name}", "x-client-ip": address}
            own = {"n": start + place, **properties}
            body = {"type": "track", "payload": {"name": name, "properties": own}}
            made.append((urls[place % len(urls)], start + place, headers, body))
        return made

    with running_gateway(stack.bootstrap, tmp_path) as second:
        both = [stack.gateway_url, second.url]
        # Begun in another half hour than they go on in, so that nothing but what the worker says tells their sessions.
        began = (now() - timedelta(minutes=25)).isoformat()
        told = asyncio.run(send_all(requests(both * 2, 0, __timestamp=began)))
        rows.wait("the first events are stored", lambda found: len(found) == len(told))
        assert second.stop() == 0
        second.start()
        second.wait_ready()
        told |= asyncio.run(send_all(requests(both, len(told))))
    found = rows.wait("all events are stored", lambda found: len(found) >= len(told))
    rows.close()
    assert len(found) == len(told) == 6 * VISITORS
    right = sum(told[row["properties"]["n"]] == row["session_id"] for row in found)
    print(f"{right} of {len(told)} answers carried the session the worker used")
    assert len(told) - right <= len(told) // 1_000
    assert len({row["session_id"] for row in found}) == VISITORS


def test_what_is_sent_again_with_the_same_id_counts_once(stack: Stack) -> None:
    """Of servers too, whose events belong to no device, and by a key where the protocol has no id."""
    name = f"repeats-{uuid4().hex[:8]}"
    headers = {
        "openpanel-client-id": stack.demo.write.client_id,
        "openpanel-client-secret": stack.demo.write.client_secret,
    }
    with httpx.Client(base_url=stack.gateway_url, timeout=30) as client:

        def batch(agent: str, *ids: str) -> list[str]:
            events = [
                {"type": "track", "id": event_id, "payload": {"name": name, "properties": {"who": agent}}}
                for event_id in ids
            ]
            answer = client.post("/track/batch", json={"events": events}, headers={**headers, "user-agent": agent})
            assert answer.json()["accepted"] == len(ids), answer.text
            return [result["eventId"] for result in answer.json()["results"]]

        def single(agent: str, key: str) -> None:
            body = {"type": "track", "payload": {"name": name, "properties": {"who": agent}}}
            sent = {**headers, "user-agent": agent, "idempotency-key": key}
            assert client.post("/track", json=body, headers=sent).status_code == 200

        for agent in ("node", BROWSER):
            ids = [f"{name}/{agent}/{number}" for number in range(40)]
            first = batch(agent, *ids)
            assert batch(agent, *reversed(ids)) == first[::-1]
            assert len(set(first)) == len(ids)
            for _ in range(3):
                single(agent, f"{name}/{agent}/key")
        last = f"{name}/last"
        batch("node", *[f"{last}/{number}" for number in range(64)])
    rows = Rows(stack.bootstrap, name)
    # The last ones lie behind the others in every partition, so once they are stored the repeats were looked at.
    found = rows.wait("all are stored", lambda found: len(found) >= 40 * 2 + 2 + 64)
    rows.close()
    assert len(found) == len({row["event_id"] for row in found}) == 40 * 2 + 2 + 64
