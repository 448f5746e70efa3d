"""Ports on loopback: is one taken, and which are free."""

import socket
from random import SystemRandom

from weir.settings import LOOPBACK

# Several processes look for ports at the same time; one whose generator was seeded alike would find the same.
_RANDOM = SystemRandom()
_WHOLE = range(15_000, 30_000)
"""Below the range outgoing connections use, so that what is free stays free."""
_range = _WHOLE
_found: set[int] = set()
"""All that this process was given; whoever has one may not listen on it yet, or again."""


def is_taken(port: int) -> bool:
    """Whether somebody listens on the port of the loopback address."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do it: an old connection in TIME_WAIT does not make a port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return True
    return False


def keep_to(part: int, parts: int) -> None:
    """Find only ports of one of so many parts of the range, counted from 0: another process that keeps to another
    part never takes a port between the moment it is found here and the moment somebody listens on it.
    """
    global _range
    size = len(_WHOLE) // parts
    _range = _WHOLE[part * size : (part + 1) * size]


def free_row(count: int) -> int:
    """The first of so many free ports beside each other."""
    while True:
        first = _RANDOM.choice(_range[: -count or None])
        row = range(first, first + count)
        if _found.isdisjoint(row) and not any(map(is_taken, row)):
            _found.update(row)
            return first


def free_ports(count: int) -> list[int]:
    """Ports that are free now and that this process was not given before."""
    found: list[int] = []
    while len(found) < count:
        port = _RANDOM.choice(_range)
        if port not in _found and not is_taken(port):
            found.append(port)
            _found.add(port)
    return found
