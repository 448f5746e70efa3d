"""Each kind of raw event, from the gateway or from a Kafka producer, to the row or the dead letter it comes to."""

from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest
from confluent_kafka import Producer

from schemas import topics
from schemas.partition import partition_of
from tests.stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

RECORDED = orjson.dumps([{"type": 2, "data": '"<p>é' * 150_000}]).decode()
COUNTED = 200


class Caller:
    """A server that sends to the gateway."""

    def __init__(self, stack: Stack) -> None:
        self.project = stack.demo.project_id
        self._store_url = stack.store_url
        self._gateway = httpx.Client(
            base_url=stack.gateway_url,
            timeout=30,
            headers={
                "openpanel-client-id": stack.demo.write.client_id,
                "openpanel-client-secret": stack.demo.write.client_secret,
                "user-agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
            },
        )

    def send(self, kind: str, **payload: Any) -> dict[str, str]:
        """One request; what it is answered."""
        answer = self._gateway.post("/track", json={"type": kind, "payload": payload})
        assert answer.status_code == 200, answer.text
        told: dict[str, str] = answer.json()
        return told

    def select(self, sql: str) -> list[dict[str, Any]]:
        """Rows of a query; ``{project}`` in it is the project's condition."""
        text = sql.replace("{project}", f"project_id = '{self.project}'")
        answer = httpx.post(self._store_url, content=f"{text} format JSONEachRow", timeout=30)
        assert answer.status_code == 200, answer.text
        return [orjson.loads(line) for line in answer.text.splitlines()]

    def profile(self, name: str) -> dict[str, Any]:
        """A profile as it stands, or nothing."""
        found = self.select(f"select * from weir.profiles final where {{project}} and profile_id = '{name}'")
        return found[0] if found else {}


def test_every_kind_comes_to_its_row_and_the_audit_is_clean(stack: Stack) -> None:
    caller = Caller(stack)
    ann, acme = f"ann-{uuid4()}", f"acme-{uuid4()}"
    told = caller.send("track", name="screen_view", properties={"__path": "https://shop.example/"}, groups=[acme])
    _operate(caller, ann, acme)
    killed = stack.kill("worker")
    for _ in range(COUNTED):
        caller.send("increment", profileId=ann, property="visits.total")
    _chunk(caller, told["sessionId"])
    _produce(stack, ann)
    stack.wait_back("worker", killed)
    stack.wait_for(
        lambda: caller.profile(ann).get("properties", {}).get("visits") == {"total": COUNTED}, "all is counted", 90
    )
    report = stack.audit()
    assert report["findings"] == [], report
    person = caller.profile(ann)
    # The increment of a text became a dead letter and changed nothing.
    assert person["properties"]["plan"] == "pro"
    assert person["properties"]["seats"] == 7
    assert person["properties"]["via"] == "kafka"
    assert "trial" not in person["properties"]
    assert person["groups"] == [acme]
    (letter,) = caller.select(f"select stage, reason, detail from weir.dead_letters where value like '%{ann}%'")
    assert (letter["stage"], letter["reason"]) == ("profile", "not_a_number")
    assert "plan is not a number" in letter["detail"]
    (group,) = caller.select(f"select * from weir.groups final where {{project}} and group_id = '{acme}'")
    assert (group["type"], group["name"], group["properties"]) == ("company", "Acme AG", {"seats": 12, "tier": "gold"})
    (chunk,) = caller.select(
        f"select payload, chunk_index from weir.replay_chunks where {{project}} and session_id = '{told['sessionId']}'"
    )
    assert (chunk["payload"], chunk["chunk_index"]) == (RECORDED, 4)
    (link,) = caller.select(f"select * from weir.identities final where {{project}} and source_id = 'old-{ann}'")
    assert (link["kind"], link["profile_id"], link["is_deleted"]) == ("profile", ann, 0)
    _take_back(stack, caller, told["deviceId"], ann)


def _take_back(stack: Stack, caller: Caller, device: str, ann: str) -> None:
    """Both links, the one over HTTP, the other by the command: then nobody but Ann is Ann."""
    who = f"select kind, id from weir.people(project = '{caller.project}') where person = '{ann}' order by kind"
    linked = [{"kind": "device", "id": device}, {"kind": "profile", "id": f"old-{ann}"}]
    stack.wait_for(lambda: caller.select(who) == linked, "both are linked")
    caller.send("unlink", alias=f"old-{ann}")
    stack.wait_for(lambda: caller.select(who) == linked[:1], "the other id is not Ann's")
    mistyped = stack.weir("profile", "unlink", caller.project, "--device", f"{device}0").stdout
    assert mistyped.startswith(f"No link of the device {device}0 is known in {caller.project}")
    said = stack.weir("profile", "unlink", caller.project, "--device", device).stdout
    assert said.startswith(f"The link of the device {device} to {ann} is taken back")
    stack.wait_for(lambda: caller.select(who) == [], "the device is not Ann's")


def _operate(caller: Caller, ann: str, acme: str) -> None:
    # A profile that nobody has named before begins with a number.
    caller.send("increment", profileId=ann, property="seats", value=10)
    caller.send("decrement", profileId=ann, property="seats", value=3)
    caller.send("identify", profileId=ann, firstName="Ann", properties={"plan": "pro", "trial": {"ends": "soon"}})
    caller.send("increment", profileId=ann, property="plan")
    caller.send("group", id=acme, type="company", name="Acme", properties={"seats": 12, "tier": "silver"})
    caller.send("group", id=acme, type="company", name="Acme AG", properties={"tier": "gold"})
    caller.send("assign_group", profileId=ann, groupIds=[acme])


def _chunk(caller: Caller, session_id: str) -> None:
    caller.send(
        "replay",
        sessionId=session_id,
        chunk_index=4,
        events_count=1,
        is_full_snapshot=True,
        started_at="2026-03-04T12:00:00.000Z",
        ended_at="2026-03-04T12:00:05.000Z",
        payload=RECORDED,
    )


def _produce(stack: Stack, ann: str) -> None:
    """What OpenPanel's protocol has no words for."""
    project = stack.demo.project_id
    event = {"project_id": project, "profile_id": ann}
    lines = [
        {**event, "kind": "alias", "payload": {"alias": f"old-{ann}"}},
        {**event, "kind": "identify", "payload": {"set_once": {"plan": "free", "via": "kafka"}, "unset": ["trial"]}},
    ]
    producer = Producer({"bootstrap.servers": stack.bootstrap})
    partitions = len(producer.list_topics(topics.RAW, 30).topics[topics.RAW].partitions)
    value = b"\n".join(map(orjson.dumps, lines))
    producer.produce(topics.RAW, value, partition=partition_of(project, ann, partitions))
    assert producer.flush(30) == 0
