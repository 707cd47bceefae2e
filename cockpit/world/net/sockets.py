"""Free loopback ports, the same one on several addresses."""

from __future__ import annotations

import socket
import struct

_TRIES = 50


def listeners(addresses: tuple[str, ...], *, backlog: int = 100) -> list[socket.socket]:
    """Listening sockets on one free port of every address. Raises `OSError` when there is none."""
    for _ in range(_TRIES):
        port, opened = 0, []
        try:
            for address in addresses:
                opened.append(listener(address, port, backlog=backlog))
                port = opened[0].getsockname()[1]
        except OSError:
            for one in opened:
                one.close()
            continue
        return opened
    raise OSError(f"no port is free on all of {', '.join(addresses)}")


def listener(address: str, port: int, *, backlog: int = 100) -> socket.socket:
    """A listening socket, not blocking. Port 0: any free one."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    one = socket.socket(family, socket.SOCK_STREAM)
    one.setblocking(False)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        one.bind((address, port))
        one.listen(backlog)
    except OSError:
        one.close()
        raise
    return one


def reset_on_close(one: socket.socket) -> None:
    """Let the close of this socket send RST instead of FIN."""
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
