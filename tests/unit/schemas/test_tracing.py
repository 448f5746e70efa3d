"""How a trace travels in headers, what is taken, and that nothing of it is there unless asked for."""

import subprocess
import sys

import pytest

from schemas.tracing import HEADER_TRACE, Tracing, open_tracing, parse_traceparent, trace_header, trace_of

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_a_traceparent_names_a_span() -> None:
    found = parse_traceparent(f"00-{TRACE}-{SPAN}-01".encode())
    assert found is not None
    assert (f"{found.trace_id:032x}", f"{found.span_id:016x}", found.is_remote) == (TRACE, SPAN, True)
    assert trace_of([("other", b"x"), (HEADER_TRACE, f"00-{TRACE}-{SPAN}-03".encode())]) == found


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"nonsense",
        f"00-{TRACE}-{SPAN}-00".encode(),  # not sampled
        f"00-{'0' * 32}-{SPAN}-01".encode(),
        f"00-{TRACE}-{'0' * 16}-01".encode(),
        f"00-{TRACE.upper()}-{SPAN}-01".encode(),
    ],
)
def test_what_names_no_sampled_span_is_none(value: bytes) -> None:
    assert parse_traceparent(value) is None
    assert trace_of([(HEADER_TRACE, value)]) is None


def test_a_message_without_the_header_belongs_to_no_trace() -> None:
    assert trace_of([]) is None
    assert trace_of([(HEADER_TRACE, None)]) is None


@pytest.mark.parametrize(("ratio", "sampled"), [(0.0, False), (1.0, True)])
def test_the_ratio_decides_where_a_trace_begins_and_the_parent_where_it_goes_on(ratio: float, sampled: bool) -> None:
    from opentelemetry.trace import SpanKind

    tracing = Tracing("test", "http://127.0.0.1:1", ratio)
    begun = tracing.span("request", SpanKind.SERVER)
    assert begun.is_recording() is sampled
    assert (trace_header(begun) is not None) is sampled
    parent = parse_traceparent(f"00-{TRACE}-{SPAN}-01".encode())
    assert parent is not None
    header = trace_header(tracing.span("batch", SpanKind.CONSUMER, [parent]))
    assert header is not None
    assert header[1].startswith(f"00-{TRACE}-".encode())


def test_without_an_endpoint_nothing_is_traced_and_nothing_imported() -> None:
    assert open_tracing("test", "", 1.0) is None
    script = (
        "import sys, ingest.app, ingest.server, streams.app, streams.worker\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
