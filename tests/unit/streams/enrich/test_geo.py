"""Places of addresses, with small databases written for each test."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmdb_writer import MMDBWriter
from netaddr import IPSet  # type: ignore[import-untyped]  # has no types

from schemas.address import truncate_ip
from streams.enrich.geo import NOWHERE, Geo, GeoDatabase

Networks = dict[str, dict[str, Any]]

FLAT: Networks = {
    "81.2.69.0/24": {
        "country_code": "GB",
        "state1": "England",
        "state2": "",
        "city": "London (Westminster)",
        "latitude": 51.5142,
        "longitude": -0.0931,
        "postcode": "",
        "timezone": "",
    },
    # Coordinates as text.
    "89.160.20.0/24": {"country_code": "se", "city": "Linköping", "latitude": "58.4167", "longitude": "15.6167"},
}
FLAT_V6: Networks = {
    "2a02:2e0::/32": {"country_code": "DE", "state1": "Hesse", "city": "Frankfurt", "latitude": 50.1, "longitude": 8.6}
}
NESTED: Networks = {
    "81.2.69.0/24": {
        "country": {"iso_code": "GB", "names": {"en": "United Kingdom", "de": "Vereinigtes Königreich"}},
        "subdivisions": [{"iso_code": "ENG", "names": {"en": "England"}}, {"names": {"en": "Greater London"}}],
        "city": {"names": {"en": "London", "fr": "Londres"}},
        "location": {"latitude": 51.5142, "longitude": -0.0931, "time_zone": "Europe/London"},
    },
    "202.196.224.0/20": {"registered_country": {"iso_code": "PH"}, "location": {"latitude": 13.0}},
    "9.9.9.0/24": {"something": "else"},
}
LONDON = Geo("GB", "England", "London", -0.0931, 51.5142)
LINKOEPING = Geo("SE", "", "Linköping", 15.6167, 58.4167)


def write(path: Path, networks: Networks, ip_version: int = 4) -> None:
    """Put a database in place as a download does: finished first, then renamed."""
    writer = MMDBWriter(ip_version, "test-city", float_type="f64")
    for network, record in networks.items():
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(f"{path}.new")
    os.replace(f"{path}.new", path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "city.mmdb"


def test_flat_layout(file: Path) -> None:
    write(file, FLAT)
    database = GeoDatabase(file)
    assert database.locate("81.2.69.142") == LONDON
    assert database.locate("::ffff:81.2.69.142") == LONDON
    assert database.locate("89.160.20.1") == LINKOEPING
    assert database.locate("8.8.8.8") == NOWHERE
    assert database.locate("2a02:2e0::1") == NOWHERE  # a database of IPv4 alone


def test_nested_layout(file: Path) -> None:
    write(file, NESTED)
    database = GeoDatabase(file)
    assert database.locate("81.2.69.142") == LONDON
    assert database.locate("202.196.224.7") == Geo("PH")
    assert database.locate("9.9.9.9") == NOWHERE


def test_folder_with_a_file_for_each_version(tmp_path: Path) -> None:
    write(tmp_path / "ipv4.mmdb", FLAT)
    write(tmp_path / "ipv6.mmdb", FLAT_V6, ip_version=6)
    database = GeoDatabase(tmp_path)
    assert database.locate("81.2.69.142") == LONDON
    assert database.locate("2a02:2e0::1") == Geo("DE", "Hesse", "Frankfurt", 8.6, 50.1)


NOT_PUBLIC = ["", "nonsense", "127.0.0.1", "10.1.2.3", "192.168.0.1", "172.20.1.1", "169.254.1.1", "100.64.0.1", "::1"]


@pytest.mark.parametrize(
    "ip", [*NOT_PUBLIC, "fe80::1", "fc00::1", "::ffff:10.0.0.1", "1.2.3", "81.2.69.142:80", "x" * 100]
)
def test_addresses_without_a_place(file: Path, ip: str) -> None:
    write(file, {half: {"country_code": "XX"} for half in ("0.0.0.0/1", "128.0.0.0/1")})
    assert GeoDatabase(file).locate(ip) == NOWHERE


def test_the_file_may_come_later_change_and_go(file: Path) -> None:
    database = GeoDatabase(file)
    assert database.files == 0
    assert database.locate("81.2.69.142") == NOWHERE
    write(file, FLAT)
    assert database.reload_if_changed()
    assert not database.reload_if_changed()
    assert database.files == 1
    assert database.locate("81.2.69.142") == LONDON
    write(file, {"81.2.69.0/24": {"country_code": "IE"}})
    assert database.reload_if_changed()
    assert database.locate("81.2.69.142") == Geo("IE")
    file.unlink()
    assert database.reload_if_changed()
    assert database.locate("81.2.69.142") == NOWHERE


def test_a_broken_file_leaves_the_old_one_open(file: Path) -> None:
    write(file, FLAT)
    database = GeoDatabase(file)
    broken = file.with_suffix(".new")
    broken.write_bytes(b"half a download")
    os.replace(broken, file)
    assert not database.reload_if_changed()
    assert database.locate("81.2.69.142") == LONDON
    write(file, NESTED)
    assert database.reload_if_changed()


@pytest.mark.parametrize(
    ("ip", "truncated"),
    [
        ("81.2.69.142", "81.2.69.0"),
        ("::ffff:81.2.69.142", "81.2.69.0"),
        ("2a02:2e0:3fe:1001:302::1", "2a02:2e0:3fe::"),
        ("::1", "::"),
        ("", ""),
        ("nonsense", ""),
        ("1" * 100, ""),
    ],
)
def test_truncated_addresses(ip: str, truncated: str) -> None:
    assert truncate_ip(ip) == truncated


@given(st.ip_addresses())
def test_truncating_twice_changes_nothing(address: object) -> None:
    once = truncate_ip(str(address))
    assert once
    assert truncate_ip(once) == once


@given(st.text())
def test_any_text_is_answered(text: str) -> None:
    truncate_ip(text)
    GeoDatabase(Path("nowhere")).locate(text)
