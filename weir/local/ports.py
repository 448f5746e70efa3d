"""Ports on loopback: is one taken, and which are free."""

import socket
from random import SystemRandom

from weir.settings import LOOPBACK

# Several processes look for ports at the same time; one whose generator was seeded alike would find the same.
_RANDOM = SystemRandom()


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


def free_row(count: int) -> int:
    """The first of so many free ports beside each other."""
    while True:
        first = _RANDOM.randrange(15_000, 30_000 - count)
        if not any(is_taken(port) for port in range(first, first + count)):
            return first


def free_ports(count: int) -> list[int]:
    """Ports that are free now. Below the range outgoing connections use, so that they stay free."""
    found: list[int] = []
    for port in _RANDOM.sample(range(15_000, 30_000), 2_000):
        if len(found) == count:
            break
        if not is_taken(port):
            found.append(port)
    return found
