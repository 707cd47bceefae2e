"""Start a world from another process, and be sure that it ends with it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cockpit.connect.role import Role
from cockpit.errors import CockpitError, Misconfigured
from cockpit.world import folder as folders
from cockpit.world import prepare, scenario
from cockpit.world.servers import mariadb

_PATIENCE = 12.0


class WorldFailed(CockpitError):
    """The world did not come up, or ended by itself. The hint is what it said."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the world: `starting`, `ready` or `failed`, with a detail."""

    name: str
    state: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class WorldStatus:
    """How far the world is. `failed` is empty, or why it will never be ready."""

    ready: bool
    parts: tuple[Part, ...]
    failed: str = ""
    notes: tuple[str, ...] = ()
    """What this machine's shop lacks, one sentence each."""
    control: str = ""
    """The URL of the control endpoint; empty until the AWS part listens."""


def status_in(folder: Path) -> WorldStatus:
    """How far the world of a folder is, by its own word."""
    try:
        data: dict[str, Any] = json.loads((folder / prepare.STATE).read_text())
    except (OSError, ValueError):
        data = {}
    parts = data.get("parts", {}).items()
    failed = str(data.get("failed", ""))
    return WorldStatus(
        ready=bool(data.get("ready")) and not failed,
        parts=tuple(Part(name, part["state"], part["detail"]) for name, part in parts),
        failed=failed,
        notes=tuple(data.get("notes", ())),
        control=str(data.get("control", "")),
    )


@dataclass(slots=True)
class World:
    """A world that runs in a child process. It ends with `stop`, or with this process."""

    folder: Path
    config_path: Path
    scenario: scenario.Scenario
    role: Role
    process: subprocess.Popen[bytes]
    _pipe: int = field(repr=False)

    @property
    def pid(self) -> int:
        """The process id of the world."""
        return self.process.pid

    def status(self) -> WorldStatus:
        """How far it is now: a look at a small file."""
        status = status_in(self.folder)
        if self.process.poll() is not None and not status.failed:
            said = self._said() or f"the world ended with {self.process.returncode}"
            return replace(status, ready=False, failed=said)
        return status

    def wait(self, within: float = 60.0) -> WorldStatus:
        """Wait until everything is ready. Raises `WorldFailed` when it will not be, or too late."""
        deadline = time.monotonic() + within
        while True:
            status = self.status()
            if status.ready:
                return status
            if status.failed:
                raise WorldFailed("the world did not come up", hint=status.failed)
            if time.monotonic() > deadline:
                late = ", ".join(part.name for part in status.parts if part.state != "ready")
                raise WorldFailed(f"the world was not ready within {within:g} s", hint=late)
            time.sleep(0.05)

    def stop(self) -> None:
        """End it with all its servers and remove its folder. Twice is fine."""
        if self._pipe >= 0:
            with contextlib.suppress(OSError):
                os.close(self._pipe)
            self._pipe = -1
        try:
            self.process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.folder.exists():
            folders.end_servers(self.folder)
            folders.remove(self.folder)

    def _said(self) -> str:
        try:
            return (self.folder / "world.log").read_text(errors="replace")[-800:].strip()
        except OSError:
            return ""

    def __enter__(self) -> World:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def prepared_for(name: str, role: Role) -> tuple[prepare.PreparedWorld, scenario.Scenario]:
    """A folder of its own with what a world of this scenario needs. Raises `Misconfigured`."""
    chosen = scenario.load(name)
    if chosen.needs == "mariadb" and mariadb.find_binary() is None:
        raise Misconfigured(f"{name} cannot be shown: {mariadb.LACKING}", hint=mariadb.INSTALL)
    folders.clean_up()
    return prepare.prepare(folders.make(), chosen, role=role), chosen


def launch(name: str = scenario.DEFAULT, role: Role = Role.TRIAGE) -> World:
    """Begin a world; gives it at once, with its configuration, while its parts come up.

    Leftovers of dead worlds are removed first. Raises `Misconfigured` for an unknown scenario, and
    for one that this machine has no server for.
    """
    prepared, chosen = prepared_for(name, role)
    folder = prepared.folder
    child_end, our_end = os.pipe()
    os.set_inheritable(our_end, False)
    command = [
        sys.executable, "-P", "-m", "cockpit.world", "--scenario", name, "--folder", str(folder),
        "--role", role.value, "--parent-fd", str(child_end),
    ]  # fmt: skip
    try:
        with (folder / "world.log").open("wb") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                pass_fds=(child_end,),
                env=_environment(),
            )
    except OSError:
        os.close(our_end)
        folders.remove(folder)
        raise
    finally:
        os.close(child_end)
    folders.own(folder, process.pid, "world")
    return World(folder, prepared.config, chosen, role, process, our_end)


def _environment() -> dict[str, str]:
    """The caller's, with the place that this package was found in; the child forgets the rest."""
    root = str(Path(__file__).resolve().parents[2])
    known = os.environ.get("PYTHONPATH", "")
    path = os.pathsep.join(part for part in (root, known) if part)
    return {**os.environ, "PYTHONPATH": path}
