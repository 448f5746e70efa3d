"""Asking Kafka whether it is there."""

import asyncio

import pytest

from ingest.gateway import Gateway
from ingest.settings import GatewaySettings


@pytest.mark.parametrize("answer", [True, False])
def test_however_many_ask_kafka_is_asked_once(monkeypatch: pytest.MonkeyPatch, answer: bool) -> None:
    asyncio.run(_asked_once(monkeypatch, answer))


async def _asked_once(monkeypatch: pytest.MonkeyPatch, answer: bool) -> None:
    gateway = Gateway(GatewaySettings(kafka_bootstrap="127.0.0.1:1"))
    asked, answers = 0, asyncio.Event()

    async def reachable() -> bool:
        nonlocal asked
        asked += 1
        await answers.wait()
        return answer

    monkeypatch.setattr(gateway.producer, "reachable", reachable)
    asking = [asyncio.create_task(gateway.kafka_reachable()) for _ in range(50)]
    await asyncio.sleep(0)
    asking.pop(0).cancel()
    answers.set()
    assert set(await asyncio.gather(*asking)) == {answer}
    assert await gateway.kafka_reachable() is answer
    assert asked == 1
