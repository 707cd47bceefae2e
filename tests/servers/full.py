"""A server that is full of clients."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from cockpit.world.servers.process import ServerProcess
from tests.patience import at_most, eventually


@contextmanager
def full(server: ServerProcess, clients: int) -> Iterator[None]:
    """So many clients, and more until one is turned away."""
    with ExitStack() as stack:
        for _ in range(clients):
            stack.enter_context(_client(server))
        eventually(lambda: _is_turned_away(stack.enter_context(_client(server))), "it is full")
        yield


def _client(server: ServerProcess) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), at_most(0.2))


def _is_turned_away(client: socket.socket) -> bool:
    """Told so, or closed: to be connected is the kernel's word, and says nothing of the server."""
    try:
        client.recv(100)
    except (TimeoutError, ConnectionResetError) as error:
        return isinstance(error, ConnectionResetError)
    return True
