"""A server as a child process that cannot outlive its parent.

On Linux the kernel signals the child when the *thread* that started it ends (PR_SET_PDEATHSIG, see
prctl(2)): start servers from a thread that lives as long as they should.
"""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cockpit.errors import CockpitError

NOBODY = 65534
"""The unprivileged user and group that servers run as when we are root."""
_PR_SET_PDEATHSIG = 1
_TO_REST = 5.0
"""Seconds within which a stopped process comes to rest."""
_SYSTEM_PATH = ("/usr/sbin", "/usr/local/sbin", "/usr/local/bin")


class ServerFailed(CockpitError):
    """A server could not be created or started. The hint is the end of its log."""


@dataclass(slots=True)
class ServerProcess:
    """A running server. `port` listens on 127.0.0.1; `log` holds what it said."""

    process: subprocess.Popen[bytes]
    port: int
    folder: Path
    log: Path
    ending: tuple[signal.Signals, ...] = (signal.SIGTERM, signal.SIGKILL)
    """Signals that end it, tried in this order."""

    @property
    def pid(self) -> int:
        """The process id of the server."""
        return self.process.pid

    @property
    def alive(self) -> bool:
        """Whether the process is still there."""
        return self.process.poll() is None

    def pause(self) -> None:
        """Stop it as SIGSTOP does: the port stays open, nobody answers. On Linux it comes back when
        every thread rests: one that runs on another processor may answer once more before.
        """
        self.process.send_signal(signal.SIGSTOP)
        end = time.monotonic() + _TO_REST
        while self._moves() and time.monotonic() < end:
            time.sleep(0.005)

    def _moves(self) -> bool:
        try:
            states = [
                task.read_text().rpartition(")")[2].split()[0]
                for task in Path(f"/proc/{self.pid}/task").glob("*/stat")
            ]
        except (OSError, IndexError):
            return False
        return any(state != "T" for state in states)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self.process.send_signal(signal.SIGCONT)

    def stop(self, patience: float = 3.0) -> None:
        """End it and wait for its end, with sharper signals after `patience` seconds each."""
        for sharper in self.ending:
            if not self.alive:
                break
            self.process.send_signal(sharper)
            self.process.send_signal(signal.SIGCONT)
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                continue
        self.process.wait()


def launch(
    command: Sequence[str | Path], *, log: Path, dies_by: signal.Signals, drop: bool = False
) -> subprocess.Popen[bytes]:
    """Start a server in the background; its output goes to `log`, which is begun anew.

    `drop`: as an unprivileged user when we are root. `dies_by` is sent when the parent is gone.
    """
    with log.open("wb") as output:
        return subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            start_new_session=True,
            env=environment(),
            preexec_fn=_dies_with_parent(dies_by),
            user=account(drop),
            group=account(drop),
            extra_groups=[] if account(drop) else None,
        )


def run(command: Sequence[str | Path], *, drop: bool = False, timeout: float = 60.0) -> str:
    """Run a tool to its end and give its output. Raises `ServerFailed` with the lines that tell of
    an error, since some tools end with pages of advice; without any, with its last ones.
    """
    done = subprocess.run(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd="/",
        env=environment(),
        timeout=timeout,
        check=False,
        user=account(drop),
        group=account(drop),
        extra_groups=[] if account(drop) else None,
    )
    output = done.stdout.decode(errors="replace")
    if done.returncode:
        name = Path(str(command[0])).name
        why = [line.strip() for line in output.splitlines() if "error" in line.casefold()]
        hint = "\n".join(why[:8])[:800] or output[-800:].strip()
        raise ServerFailed(f"{name} ended with {done.returncode}", hint=hint)
    return output


def account(drop: bool) -> int | None:
    """The unprivileged user to become; None when we stay who we are."""
    return NOBODY if drop and os.getuid() == 0 else None


def environment() -> dict[str, str]:
    """The least environment: no PG*, MYSQL* or locale of the caller leaks into a server."""
    path = os.pathsep.join((os.environ.get("PATH", "/usr/bin:/bin"), *_SYSTEM_PATH))
    return {"PATH": path, "LC_ALL": "C", "TZ": "UTC", "HOME": "/"}


def make_folder(folder: Path, *, drop: bool = False) -> Path:
    """The folder, created if need be, owned by the user that its server runs as, mode 700."""
    folder.mkdir(parents=True, exist_ok=True)
    if account(drop):
        os.chown(folder, NOBODY, NOBODY)
    folder.chmod(0o700)
    return folder


def reachable(path: Path) -> bool:
    """Whether users without rights can walk to the path: every folder above lets them pass."""
    return all(parent.stat().st_mode & 0o001 for parent in path.resolve().parents)


def find(*names: str) -> Path | None:
    """The first program of these names on PATH or among the system's server programs."""
    path = environment()["PATH"]
    return next((Path(hit) for name in names if (hit := shutil.which(name, path=path))), None)


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody listens on now; another process may still take it first."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(
    ready: Callable[[], bool], *, server: ServerProcess, name: str, within: float = 60.0
) -> None:
    """Wait for a start. Raises `ServerFailed`, after ending the server, when it does not come."""
    deadline = time.monotonic() + within
    while not ready():
        late = time.monotonic() > deadline
        if late or not server.alive:
            server.stop()
            tail = server.log.read_bytes()[-800:].decode(errors="replace").strip()
            what = f"was not ready within {within:g} s" if late else "ended at start"
            raise ServerFailed(f"{name} {what}", hint=tail)
        time.sleep(0.02)


def options(settings: Mapping[str, str | int], form: str) -> list[str]:
    """Settings as command-line words, each made by `form` with `{name}` and `{value}`."""
    return [form.format(name=name, value=value) for name, value in settings.items()]


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _dies_with_parent(dies_by: signal.Signals) -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    libc = _libc()
    parent = os.getpid()

    def arm() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(dies_by))
        if os.getppid() != parent:
            os._exit(1)

    return arm
