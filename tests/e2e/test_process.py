"""The whole process as a person starts and ends it: on a terminal, as an ordinary user.

Whatever ends it, nothing of it stays: no process, no port, no folder; and the record holds.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cockpit.world import folder as folders
from cockpit.world import prepare
from tests.e2e.seat import here
from tests.patience import at_most, eventually
from tests.screens.terminal import ROOT, Terminal

pytestmark = pytest.mark.world
_COCKPIT = [sys.executable, "-m", "cockpit.cli"]
_LONG = at_most(60)
_SOMEBODY = [
    "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
    # the interpreter may lie in root's own folder; nobody may read it there, and no more
    "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search",
]  # fmt: skip


@dataclass(frozen=True)
class Person:
    """Somebody with a home of their own, who is not root where that can be."""

    home: Path
    become: tuple[str, ...]

    @property
    def environ(self) -> dict[str, str]:
        kept = {"HOME": str(self.home), "TMPDIR": str(self.home / "tmp")}
        return here(**kept, COCKPIT_DATA=str(self.home / "data"), COCKPIT_ACTOR="ana")

    def command(self, *words: str) -> list[str]:
        return [*self.become, *_COCKPIT, *words]

    def at_a_terminal(self, *words: str, session: bool = True) -> Terminal:
        return Terminal(self.command(*words), self.environ, session=session)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words),
            env=self.environ,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=_LONG,
            check=False,
        )

    def processes(self) -> list[int]:
        """Those that know this home: by their environment, or by what they were started with."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                told = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(self.home).encode() in told:
                found.append(int(entry.name))
        return found


@dataclass(frozen=True)
class Traces:
    """What a demo's world has: to be looked for when it must be gone."""

    folder: Path
    pids: dict[int, str]
    ports: tuple[int, ...]

    def left(self) -> list[str]:
        told = [f"process {pid}" for pid, begun in self.pids.items() if _lives(pid, begun)]
        told += [f"port {port}" for port in self.ports if _answers(port)]
        return told + ([str(self.folder)] if self.folder.exists() else [])


def _lives(pid: int, begun: str) -> bool:
    return folders.started(pid) == begun


def _answers(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def person() -> Iterator[Person]:
    home = Path(tempfile.mkdtemp(prefix="cockpit-home-", dir="/tmp"))  # short: it holds sockets
    (home / "tmp").mkdir()
    become = _SOMEBODY if os.geteuid() == 0 else []
    if become:
        nobody = pwd.getpwnam("nobody")
        for path in (home, home / "tmp"):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
    yield Person(home, tuple(become))
    shutil.rmtree(home)


@pytest.fixture
def demo(person: Person) -> Iterator[Callable[..., tuple[Terminal, Traces]]]:
    """Opens `cockpit demo` and waits until it is painted and has servers."""
    made: list[Terminal] = []

    def begun(*, session: bool = True) -> tuple[Terminal, Traces]:
        terminal = person.at_a_terminal("demo", "healthy", session=session)
        made.append(terminal)
        painted(terminal)
        return terminal, _traces(person)

    yield begun
    for terminal in made:
        terminal.away()
    eventually(lambda: not person.processes(), seconds=30)


def painted(terminal: Terminal) -> None:
    """The main screen stands there, with the incident in its header."""
    got = terminal.read(_LONG, until=b"INC-2")
    assert b"INC-2" in got, got[-2000:]


def _traces(person: Person) -> Traces:
    (folder,) = (person.home / "tmp").glob(f"{folders.PREFIX}*")

    def owners() -> dict[str, dict[str, str]]:
        told: dict[str, dict[str, str]] = json.loads((folder / "owners.json").read_text())
        return told

    eventually(lambda: len(owners()) >= 5, seconds=40)
    if os.geteuid() == 0:
        assert folder.stat().st_uid != 0, "the demo ran as an ordinary user"
    pids = {int(pid): one["started"] for pid, one in owners().items()}
    found = prepare.read(folder)
    assert found is not None
    ports = (getattr(found.ports, name) for name in prepare.WorldPorts.__dataclass_fields__)
    assert all(_lives(*one) for one in pids.items())
    return Traces(folder, pids, tuple(port for port in ports if port))


def _nothing_is_left(person: Person, traces: Traces) -> None:
    eventually(lambda: not traces.left() and not person.processes(), seconds=30)
    assert not list((person.home / "tmp").iterdir())


def test_q_ends_the_demo_and_all_of_it(
    demo: Callable[..., tuple[Terminal, Traces]], person: Person
) -> None:
    terminal, traces = demo()
    terminal.write(b"q")
    said = _rest(terminal)
    assert terminal.process.returncode == 0
    assert b"the record of this demo: COCKPIT_DATA=" in said
    _nothing_is_left(person, traces)


@pytest.mark.parametrize("session", [True, False], ids=["with its shell", "without a signal"])
def test_a_dropped_terminal_ends_the_demo_in_order(
    demo: Callable[..., tuple[Terminal, Traces]], person: Person, session: bool
) -> None:
    terminal, traces = demo(session=session)
    terminal.hang_up()
    end = time.monotonic() + _LONG
    while terminal.process.poll() is None and time.monotonic() < end:
        if session:  # once with the hang-up, and again when the shell ends: at any moment
            terminal.process.send_signal(signal.SIGCONT)
        time.sleep(0.02)
    assert terminal.process.returncode == 129
    _nothing_is_left(person, traces)  # no report of a bug either


def test_a_killed_cockpit_takes_its_shop_along(
    demo: Callable[..., tuple[Terminal, Traces]], person: Person
) -> None:
    terminal, traces = demo()
    terminal.process.kill()
    terminal.ended(within=_LONG)
    _nothing_is_left(person, traces)


def _rest(terminal: Terminal) -> bytes:
    """What a process still says until it ends."""
    said = terminal.read(_LONG)  # ends with the terminal's other end
    terminal.ended(within=_LONG)
    return said


@pytest.fixture(scope="module")
def shop(person: Person) -> Iterator[str]:
    """The configuration of a shop that another process holds."""
    holder = subprocess.Popen(
        person.command("demo", "healthy", "--no-tui"),
        env=person.environ,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert holder.stdout is not None
        yield holder.stdout.readline().strip()
    finally:
        holder.send_signal(signal.SIGTERM)
        holder.wait(_LONG)
        holder.communicate()
    assert holder.returncode == 0
    eventually(lambda: not person.processes(), seconds=30)


def test_an_incident_survives_every_end_of_its_cockpit(person: Person, shop: str) -> None:
    ends: list[tuple[str, int, Callable[[Terminal], None]]] = [
        ("SIGHUP", 129, lambda terminal: terminal.process.send_signal(signal.SIGHUP)),
        ("SIGTERM", 143, lambda terminal: terminal.process.send_signal(signal.SIGTERM)),
        ("end of input", 129, Terminal.hang_up),
        ("q", 0, lambda terminal: terminal.write(b"q")),
    ]
    words = ["open", "nobody can pay"]
    for name, code, end in ends:
        terminal = person.at_a_terminal("--config", shop, *words, session=name != "end of input")
        try:
            painted(terminal)
            end(terminal)
            if terminal.open:
                assert b"\x1b[?1049l" in _rest(terminal), f"{name}: the terminal is as it was"
            terminal.ended(within=_LONG)
            assert terminal.process.returncode == code, name
        finally:
            terminal.away()
        held = person.run("verify", "1")
        assert held.returncode == 0, (name, held)
        words = ["resume", "1"]
    rows = person.run("timeline", "1", "--json", "--all").stdout.splitlines()
    kinds = [json.loads(row)["kind"] for row in rows]
    assert (kinds.count("opened"), kinds.count("resumed")) == (1, 3)
