"""A line of our own making to a real server: packets come late, at times, or never.

Run as a program it looks at the far end of the line and prints the codes of each look as JSON.
In a network namespace of its own (no privilege is needed for one, where the machine allows it) the
line is a TUN device: every packet that the kernel sends there comes back with its ends swapped, so
the kernel talks to itself over a line that this module delays and cuts. Swapping keeps checksums.
Elsewhere (`near`) the line lies before the connection, within this process.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from cockpit.connect.net import wire as net_wire
from cockpit.connect.net.session import Net, Timeouts, open_net
from cockpit.connect.net.settings import EndpointSettings
from cockpit.triage.target import Target
from probes.endpoint.model import Settings
from probes.endpoint.path import PROBE

NEAR, FAR = "10.9.0.1", "10.9.0.2"
BASE, SLOW, UNEVEN = 0.002, 0.5, 0.3
"""Seconds of a whole handshake: as usual, slow, and at times."""
_TUNSETIFF, _TUN, _RAW = 0x400454CA, 0x0001, 0x1000
_SIOCSIFADDR, _SIOCSIFNETMASK, _SIOCSIFFLAGS, _UP = 0x8916, 0x891C, 0x8914, 0x41
_SYN, _ACK = 0x02, 0x10


class Line:
    """Decides what becomes of each connection: the `delay` of its packets, and `drops` of SYNs."""

    def __init__(self) -> None:
        self.delay = BASE
        self.drops = 0
        self.dropped = 0

    def fate(self, syn: bool) -> float | None:
        """Seconds until a packet arrives; None: it is lost."""
        if syn and self.drops:
            self.drops -= 1
            self.dropped += 1
            return None
        return self.delay / 2


def laid() -> int:
    """A TUN device with its addresses in this namespace. Raises `OSError` where it may not be."""
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", b"far", _TUN | _RAW))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
        for call, address in ((_SIOCSIFADDR, NEAR), (_SIOCSIFNETMASK, "255.255.255.0")):
            told = struct.pack("16sHH4s8x", b"far", socket.AF_INET, 0, socket.inet_aton(address))
            fcntl.ioctl(plain, call, told)
        for name in (b"far", b"lo"):
            fcntl.ioctl(plain, _SIOCSIFFLAGS, struct.pack("16sH22x", name, _UP))
    return tun


def far(line: Line) -> str:
    """Lay the line in this namespace; the address of its far end."""
    tun, loop = laid(), asyncio.get_running_loop()

    def back() -> None:
        packet = os.read(tun, 65_536)
        if packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_TCP:
            return
        flags = packet[(packet[0] & 15) * 4 + 13]
        after = line.fate(bool(flags & _SYN and not flags & _ACK))
        if after is not None:
            swapped = packet[:12] + packet[16:20] + packet[12:16] + packet[20:]
            loop.call_later(after, os.write, tun, swapped)

    loop.add_reader(tun, back)
    return FAR


def near(line: Line) -> str:
    """The line where namespaces are forbidden; the address of the server."""
    connect = asyncio.get_running_loop().sock_connect

    async def late(plain: socket.socket, address: Any) -> None:
        line.dropped = 0
        while (after := line.fate(True)) is None:
            await asyncio.sleep(1.0)
        await asyncio.sleep(after * 2)
        await connect(plain, address)

    setattr(asyncio.get_running_loop(), "sock_connect", late)  # noqa: B010  # type checkers know methods as constants
    setattr(net_wire.Wire, "facts", lambda _: (None, line.dropped))  # noqa: B010
    return "127.0.0.1"


Look = Callable[[], Any]


async def slow(line: Line, look: Look) -> None:
    """Usual, then slow, then usual again."""
    await look()
    line.delay = SLOW
    await look()
    line.delay = BASE
    await look()


async def jitter(line: Line, look: Look) -> None:
    """Every fourth connection is late; the last one is not."""
    for number in range(20):
        line.delay = UNEVEN if number % 4 == 2 else BASE
        await look()


async def loss(line: Line, look: Look) -> None:
    """The first SYN of two connections is lost, with good ones between them."""
    await look()
    for _ in range(2):
        line.drops = 1
        await look()
        await look()


async def main(lay: Callable[[Line], str], story: Callable[[Line, Look], Any]) -> None:
    """One story over one line; a list of `{code: severity}` and what was measured, as JSON."""
    line = Line()
    address = lay(line)

    def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(accept, NEAR if address == FAR else address, 0)
    settings = EndpointSettings(url=f"tcp://{address}:{server.sockets[0].getsockname()[1]}")
    target = Target(name="far", kind="endpoint", settings=settings)
    net: Net = await open_net(settings, Timeouts(tcp=15, whole=20))
    told: list[dict[str, str]] = []
    history: Any = ()

    async def look() -> None:
        nonlocal history
        snapshot = await PROBE.collect(net, target)
        found = PROBE.diagnose(snapshot, Settings())
        told.append({one.code: one.severity.name for one in found})
        history = [(one.outcome, one.connect, one.syn_again) for one in snapshot.path.history]

    await story(line, look)
    await net.close()
    server.close()
    json.dump({"looks": told, "history": history}, sys.stdout)


def _is_allowed(own: list[str]) -> bool:
    """Whether this machine lets us have a namespace with a TUN device in it."""
    if shutil.which(own[0]) is None:
        return False
    probe = [sys.executable, "-c", "import tests.servers.far_line as line; line.laid()"]
    return subprocess.run([*own, *probe], check=False, capture_output=True).returncode == 0


def run(story: str, *, best: bool = True) -> dict[str, Any]:
    """A story in a process of its own: over the best line that the machine allows, or the near one.

    Gives what `main` prints, and `line`: which one it was.
    """
    own = ["unshare", "--user", "--map-root-user", "--net"]
    program = [sys.executable, "-m", "tests.servers.far_line", story]
    command = [*own, *program, "far"] if best and _is_allowed(own) else [*program, "near"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    said: dict[str, Any] = json.loads(done.stdout)
    return said | {"line": command[-1]}


if __name__ == "__main__":
    asyncio.run(main(globals()[sys.argv[2]], globals()[sys.argv[1]]))
