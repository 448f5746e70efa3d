"""What a project's filters match."""

import re
from ipaddress import IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.filters import FilterKind, FilterRecord, Filters, check_filter

NOTHING = {"ip": "", "profile_id": "", "country": "", "path": "", "user_agent": ""}


def filters(kind: str, *values: str) -> Filters:
    return Filters(FilterRecord(kind=kind, value=value) for value in values)


@pytest.mark.parametrize(
    ("kind", "value", "asked", "matches"),
    [
        ("ip", "81.2.69.142", "81.2.69.142", True),
        ("ip", "81.2.69.142", "81.2.69.143", False),
        ("ip", "81.2.69.0/24", "81.2.69.7", True),
        ("ip", "81.2.69.7/24", "81.2.69.200", True),
        ("ip", "81.2.69.0/24", "81.2.70.1", False),
        ("ip", "::ffff:81.2.69.142", "81.2.69.142", True),
        ("ip", "::ffff:81.2.69.0/120", "81.2.69.9", True),
        ("ip", "81.2.69.142", "::ffff:81.2.69.142", True),
        ("ip", "2001:db8::/32", "2001:db8:1::1", True),
        ("ip", "2001:DB8:0::1", "2001:db8::1", True),
        ("ip", "2001:db8::/32", "2001:db9::1", False),
        ("ip", "0.0.0.0/0", "2001:db8::1", False),
        ("ip", "81.2.69.142", "", False),
        ("ip", "nonsense", "nonsense", False),
        ("profile_id", "ann", "ann", True),
        ("profile_id", "ann", "Ann", False),
        ("profile_id", "", "", False),
        ("country", "ch", "CH", True),
        ("country", "CH", "DE", False),
        ("path", "/admin", "/admin", True),
        ("path", "/admin", "/admin/users", False),
        ("path", "/admin/*", "/admin/users/1", True),
        ("path", "/admin/*", "/admin", False),
        ("path", "*/draft", "/posts/7/draft", True),
        ("path", "/a*a", "/a", False),
        ("path", "/a*a", "/aa", True),
        ("path", "/*/x/*/y", "/1/x/2/y", True),
        ("path", "/*/x/*/y", "/1/x/y", False),
        ("path", "/[a]", "/a", False),
        ("path", "*", "/anything", True),
        ("user_agent", "uptime", "Mozilla/5.0 (Uptime-Checker)", True),
        ("user_agent", "uptime", "Mozilla/5.0", False),
        ("something new", "x", "x", False),
    ],
)
def test_one_filter(kind: str, value: str, asked: str, matches: bool) -> None:
    made = filters(kind, value)
    asking = {name: asked if name == kind else "" for name in NOTHING}
    assert made.matches(**asking) == (kind if matches else None)


def test_without_filters_nothing_matches() -> None:
    assert not Filters()
    assert Filters().matches(ip="81.2.69.142", profile_id="a", country="CH", path="/", user_agent="x") is None
    assert filters("path", "/x")


@given(st.ip_addresses(), st.data())
def test_a_network_matches_the_addresses_it_has(address: object, data: st.DataObject) -> None:
    ip = ip_address(str(address))
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    prefix = data.draw(st.integers(0, ip.max_prefixlen))
    network = ip_network(f"{ip}/{prefix}", strict=False)
    other = data.draw(st.ip_addresses(v=ip.version))
    made = filters("ip", str(network))
    assert made.ip(str(ip))
    if not (isinstance(other, IPv6Address) and other.ipv4_mapped is not None):
        assert made.ip(str(other)) is (other in network)


@given(st.text("ab*", max_size=12), st.text("ab", max_size=12))
def test_a_star_stands_for_anything(pattern: str, path: str) -> None:
    expected = bool(path) and re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), path) is not None
    assert filters("path", pattern).path(path) is (expected and bool(pattern))


@given(st.lists(st.tuples(st.sampled_from([*FilterKind, "new"]), st.text())), *[st.text()] * 5)
def test_no_filter_and_no_event_makes_it_throw(
    records: list[tuple[str, str]], ip: str, profile_id: str, country: str, path: str, user_agent: str
) -> None:
    made = Filters(FilterRecord(kind=kind, value=value) for kind, value in records)
    made.matches(ip=ip, profile_id=profile_id, country=country, path=path, user_agent=user_agent)


@given(st.sampled_from(list(FilterKind)), st.text())
def test_what_is_checked_is_canonical(kind: str, value: str) -> None:
    try:
        checked = check_filter(kind, value)
    except ValueError:
        return
    assert check_filter(checked.kind, checked.value) == checked


@pytest.mark.parametrize(
    ("kind", "value", "canonical"),
    [
        ("ip", " 81.2.69.7/24 ", "81.2.69.0/24"),
        ("ip", "81.2.69.7/32", "81.2.69.7"),
        ("ip", "2001:DB8::/32", "2001:db8::/32"),
        ("country", "ch", "CH"),
        ("path", "/a", "/a"),
    ],
)
def test_a_filter_has_one_spelling(kind: str, value: str, canonical: str) -> None:
    assert check_filter(kind, value).value == canonical


@pytest.mark.parametrize(
    ("kind", "value"),
    [("ip", "shop.example"), ("country", "Switzerland"), ("path", " "), ("city", "Bern"), ("path", "x" * 513)],
)
def test_what_can_be_no_filter_is_told(kind: str, value: str) -> None:
    with pytest.raises(ValueError, match=r".*\.$"):
        check_filter(kind, value)
