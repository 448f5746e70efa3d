"""A network that can be cut between one client and the broker: a relay, and the listener that the broker has for it.

A broker tells its clients where to connect, so whoever shall go through a relay needs a listener that is advertised at
the relay's port.
"""

import socket
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from selectors import EVENT_READ, DefaultSelector

from weir.local.ports import free_ports
from weir.settings import LOOPBACK

_PIECE = 256 * 1024


class Cable:
    """Relays connections to ``target``, a port of this machine, until it is cut: then nothing goes through any more, in
    either direction, and nobody is told. Mending it breaks the connections of before, as their ends would find out.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self._listener = socket.create_server((LOOPBACK, 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._whole = threading.Event()
        self._whole.set()
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def bootstrap(self) -> str:
        """What the client connects to."""
        return f"{LOOPBACK}:{self.port}"

    def cut(self) -> None:
        """From now on nothing goes through."""
        self._whole.clear()

    def mend(self) -> None:
        """Let connections through again, new ones."""
        for one in list(self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._whole.set()

    def close(self) -> None:
        """No more connections."""
        self._listener.close()
        self.mend()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        self._open.add(client)
        self._whole.wait()
        try:
            with client, socket.create_connection((LOOPBACK, self.target)) as broker, DefaultSelector() as selector:
                selector.register(client, EVENT_READ, broker)
                selector.register(broker, EVENT_READ, client)
                while True:
                    for key, _ in selector.select():
                        piece = key.fileobj.recv(_PIECE)  # type: ignore[union-attr]
                        if not self._whole.is_set():
                            self._whole.wait()
                            return
                        if not piece:
                            return
                        key.data.sendall(piece)
        except OSError:
            return
        finally:
            self._open.discard(client)


def listeners(broker_port: int, controller_port: int, cables: Mapping[str, tuple[int, Cable]]) -> dict[str, str]:
    """Broker properties with a listener for each cable: name to (the listener's own port, the cable)."""
    names = ["PLAINTEXT", "CONTROLLER", *cables]
    own = [f"{name}://{LOOPBACK}:{port}" for name, (port, _) in cables.items()]
    told = [f"{name}://{cable.bootstrap}" for name, (_, cable) in cables.items()]
    plain = f"PLAINTEXT://{LOOPBACK}:{broker_port}"
    return {
        "listeners": ",".join([plain, f"CONTROLLER://{LOOPBACK}:{controller_port}", *own]),
        "advertised.listeners": ",".join([plain, *told]),
        "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in names),
    }


def cables(names: Sequence[str]) -> dict[str, tuple[int, Cable]]:
    """A cable for each name, and the port of its listener."""
    return {name: (port, Cable(port)) for name, port in zip(names, free_ports(len(names)), strict=True)}
