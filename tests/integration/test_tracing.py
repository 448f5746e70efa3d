"""One trace from an HTTP request to the batch that stored its event, received by a collector."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import pytest

from schemas import topics
from schemas.control import control_key
from schemas.tracing import HEADER_TRACE
from tests.broker import running_broker
from tests.integration.ingest.gateway_process import (
    GatewayProcess,
    Tenant,
    now,
    poll_until,
    running_gateway,
    salts_around,
)
from tests.integration.streams.lab import Lab, running_lab
from tests.otlp import Receiver, receiving

pytestmark = pytest.mark.integration


def _publish(lab: Lab, tenant: Tenant) -> None:
    for record in [*tenant.records(), *salts_around(now())]:
        lab.producer.produce(topics.CONTROL, record.model_dump_json(), key=control_key(record))
    assert lab.producer.flush(30) == 0


def _check_one_trace(receiver: Receiver, lab: Lab) -> None:
    """Request, envelope, the worker's batch, and the profile's batch after it: one trace."""
    (person,) = poll_until(
        "the profile's batch is traced", lambda: receiver.named("worker", f"process {topics.PROFILE_OPS}")
    )
    # Gateway and worker tell their spans every few seconds, each by itself.
    (request,) = poll_until("the request is traced", lambda: receiver.named("gateway", "POST /track"))
    (envelope,) = poll_until("its envelope is traced", lambda: receiver.named("gateway", f"send {topics.RAW}"))
    (batch,) = poll_until("the batch is traced", lambda: receiver.named("worker", f"process {topics.RAW}"))
    assert {span.trace for span in (request, envelope, batch, person)} == {request.trace}
    assert (request.parent, envelope.parent, batch.parent, person.parent) == ("", request.id, envelope.id, batch.id)
    assert request.attributes["http.response.status_code"] == 200
    assert batch.attributes["weir.lines"] == 1

    # What was inserted is found from the trace, and the trace from what was inserted.
    partition = int(batch.attributes["messaging.destination.partition.id"])
    first, end = batch.attributes["weir.offset.first"], batch.attributes["weir.offset.end"]
    (identity,) = lab.rows(topics.IDENTITIES)
    assert identity["raw_partition"] == partition
    assert first <= identity["raw_offset"] < end
    (message,) = lab.messages(topics.IDENTITIES)
    written = dict(message.headers() or [])[HEADER_TRACE]
    assert written == f"00-{batch.trace}-{batch.id}-01".encode()


def _check_several_requests(receiver: Receiver, gateway: GatewayProcess, tenant: Tenant) -> None:
    """An envelope of several requests belongs to one's trace and is linked to the others'."""
    receiver.spans.clear()
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: gateway.track(tenant), range(4)))
    assert [answer.status_code for answer in answers] == [200] * 4
    poll_until("four requests are traced", lambda: len(receiver.named("gateway", "POST /track")) == 4)
    poll_until("the batches are traced", lambda: _batches_cover_envelopes(receiver))
    envelopes = receiver.named("gateway", f"send {topics.RAW}")
    owners = {envelope.parent for envelope in envelopes} | {span for one in envelopes for _, span in one.links}
    assert owners == {request.id for request in receiver.named("gateway", "POST /track")}


def _batches_cover_envelopes(receiver: Receiver) -> bool:
    batches = receiver.named("worker", f"process {topics.RAW}")
    met = {batch.parent for batch in batches} | {span for batch in batches for _, span in batch.links}
    return met == {envelope.id for envelope in receiver.named("gateway", f"send {topics.RAW}")} != set()


def test_a_request_is_one_trace_to_the_rows_it_became(tmp_path: Path) -> None:
    tenant = Tenant()
    with receiving() as receiver, running_broker(tmp_path / "kafka") as broker, running_lab(broker, tmp_path) as lab:
        _publish(lab, tenant)
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
        worker = lab.start_worker(**endpoint)
        # Long enough that requests sent together share an envelope.
        patient = {"WEIR_GATEWAY_LINGER_MS": "200", "WEIR_LOG_FORMAT": "json"}
        with running_gateway(broker.bootstrap, tmp_path, **endpoint, **patient) as gateway:
            poll_until("the worker works", lambda: worker.output().count("goes on at offset") == 8)
            body = {"type": "identify", "payload": {"profileId": "ann", "email": "ann@example.org"}}
            assert gateway.post(body, tenant.headers()).status_code == 200
            _check_one_trace(receiver, lab)
            _check_several_requests(receiver, gateway, tenant)
            assert gateway.stop() == 0
            log = [orjson.loads(line) for line in gateway.log().splitlines()]
            assert {line["logger"] for line in log} <= {"ingest.server", "ingest.gateway", "ingest.spool.spool"}
            assert [line["message"] for line in log if line["logger"] == "ingest.server"][-1] == "stopped"
            for private in ("ann@", tenant.client_id, tenant.secret, "127.0.0.1:"):
                assert private not in str(receiver.spans) + str(log)
