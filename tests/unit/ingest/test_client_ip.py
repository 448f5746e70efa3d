"""Whose address a request came from."""

import pytest

from ingest.client_ip import ClientIp, given_address
from ingest.collect import header_map
from ingest.settings import PRIVATE_NETWORKS

PROXY = "10.1.2.3"


@pytest.fixture
def client_ip() -> ClientIp:
    return ClientIp((*PRIVATE_NETWORKS, "198.41.128.0/17"))


@pytest.mark.parametrize(
    ("headers", "peer", "expected"),
    [
        ({}, "81.2.69.142", "81.2.69.142"),
        ({}, "", ""),
        ({}, "127.0.0.1", "127.0.0.1"),
        ({}, "::ffff:81.2.69.142", "81.2.69.142"),
        # An integration names its visitor.
        ({b"openpanel-client-ip": b"81.2.69.1"}, "93.184.216.34", "81.2.69.1"),
        ({b"x-client-ip": b"81.2.69.1", b"x-forwarded-for": b"81.2.69.2"}, PROXY, "81.2.69.1"),
        ({b"openpanel-client-ip": b"81.2.69.1", b"x-client-ip": b"81.2.69.2"}, PROXY, "81.2.69.1"),
        ({b"openpanel-client-ip": b"192.168.1.1"}, "81.2.69.142", "81.2.69.142"),
        ({b"openpanel-client-ip": b"nonsense"}, "81.2.69.142", "81.2.69.142"),
        # Only a trusted proxy is believed.
        ({b"x-forwarded-for": b"81.2.69.1"}, "93.184.216.34", "93.184.216.34"),
        ({b"cf-connecting-ip": b"81.2.69.1"}, "93.184.216.34", "93.184.216.34"),
        ({b"x-forwarded-for": b"81.2.69.1"}, PROXY, "81.2.69.1"),
        ({b"x-forwarded-for": b"6.6.6.6, 81.2.69.1"}, PROXY, "81.2.69.1"),
        ({b"x-forwarded-for": b"81.2.69.1, 10.0.0.9"}, PROXY, "81.2.69.1"),
        ({b"x-forwarded-for": b"81.2.69.1, 198.41.128.7, 10.0.0.9"}, PROXY, "81.2.69.1"),
        ({b"x-forwarded-for": b"81.2.69.1:443"}, PROXY, "81.2.69.1"),
        ({b"x-forwarded-for": b"unknown"}, PROXY, PROXY),
        ({b"x-forwarded-for": b"10.0.0.9"}, PROXY, PROXY),
        ({b"x-real-ip": b"81.2.69.1"}, PROXY, "81.2.69.1"),
        ({b"x-real-ip": b"127.0.0.1"}, PROXY, PROXY),
        ({b"cf-connecting-ip": b"81.2.69.1", b"x-forwarded-for": b"81.2.69.2"}, PROXY, "81.2.69.1"),
        ({b"cf-connecting-ip": b"2A00:23C8::1"}, PROXY, "2a00:23c8::1"),
        ({b"x-forwarded-for": b'"[2a00:23c8::1]:443"'}, PROXY, "2a00:23c8::1"),
        ({b"x-real-ip": b"::ffff:81.2.69.1"}, "::ffff:10.1.1.1", "81.2.69.1"),
        ({b"x-real-ip": b"\xff\xfe"}, PROXY, PROXY),
        ({b"forwarded": b'for=6.6.6.6, For="[2a00:23c8::1]:4711";proto=https, for=10.0.0.9'}, PROXY, "2a00:23c8::1"),
        ({b"forwarded": b"proto=https;for=81.2.69.1;by=10.0.0.1"}, PROXY, "81.2.69.1"),
        ({b"forwarded": b"for=_hidden"}, PROXY, PROXY),
        ({b"forwarded": b"for=81.2.69.1"}, "93.184.216.34", "93.184.216.34"),
        ({b"x-forwarded-for": b"81.2.69.2", b"forwarded": b"for=81.2.69.1"}, PROXY, "81.2.69.2"),
    ],
)
def test_order_and_trust(client_ip: ClientIp, headers: dict[bytes, bytes], peer: str, expected: str) -> None:
    assert client_ip(headers, peer) == expected


@pytest.mark.parametrize("length", [1_023, 1_024, 1_025, 100_000])
def test_of_a_list_without_measure_the_right_end_counts(client_ip: ClientIp, length: int) -> None:
    end = b"81.2.69.1, 10.0.0.9"
    value = (b"6.6.6.6," * length)[: length - len(end) - 1] + b"," + end
    assert client_ip({b"x-forwarded-for": value}, PROXY) == "81.2.69.1"
    assert client_ip({b"x-forwarded-for": b"10.0.0.1," * length}, PROXY) == PROXY


def test_what_is_too_long_is_no_address(client_ip: ClientIp) -> None:
    long = "81.2.69.1:" + "1" * 60
    assert given_address(long) == ""
    assert client_ip({b"x-real-ip": long.encode(), b"x-client-ip": long.encode()}, PROXY) == PROXY


def test_with_no_trusted_proxies_no_forwarder_is_believed() -> None:
    assert ClientIp(())({b"x-forwarded-for": b"81.2.69.1"}, "10.0.0.1") == "10.0.0.1"


def test_lines_of_several_forwarders_are_one_list(client_ip: ClientIp) -> None:
    headers = header_map([(b"x-forwarded-for", b"6.6.6.6"), (b"a", b"b"), (b"x-forwarded-for", b"81.2.69.1")])
    assert headers == {b"x-forwarded-for": b"6.6.6.6,81.2.69.1", b"a": b"b"}
    assert client_ip(headers, PROXY) == "81.2.69.1"


@pytest.mark.parametrize(
    ("text", "expected"), [("81.2.69.1", "81.2.69.1"), ("10.0.0.1", "10.0.0.1"), ("x", ""), ("", "")]
)
def test_an_address_in_the_event_is_checked(text: str, expected: str) -> None:
    assert given_address(text) == expected


def test_limits_count_by_what_was_seen_never_by_what_was_stated(client_ip: ClientIp) -> None:
    headers = {b"openpanel-client-ip": b"81.2.69.1", b"x-client-ip": b"81.2.69.2", b"x-forwarded-for": b"81.2.69.3"}
    assert (client_ip.stated(headers), client_ip.seen(headers, PROXY)) == ("81.2.69.1", "81.2.69.3")
    assert client_ip.seen(headers, "93.184.216.34") == "93.184.216.34"
    assert client_ip.stated({}) == ""


def test_only_the_headers_of_the_settings_count() -> None:
    only_nginx = ClientIp(PRIVATE_NETWORKS, (b"x-real-ip",))
    assert only_nginx({b"cf-connecting-ip": b"6.6.6.6", b"x-real-ip": b"81.2.69.1"}, PROXY) == "81.2.69.1"
    assert only_nginx({b"cf-connecting-ip": b"6.6.6.6"}, PROXY) == PROXY
