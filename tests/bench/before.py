"""Beside the build of 1c63b39: what `check` costs on its demo world, and its first frames.

That commit is checked out beside (`git worktree`) and runs in the same environment, whose packages
are the ones that it wants; both look at the world that it starts, in turns. `python -m
tests.bench.before` prints these rows alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.bench.start import paint
from tests.bench.table import Row, render

BUILD = "1c63b39"
HERE = Path(__file__).parents[2]
ROUNDS = 5
_PATIENCE = 120.0


@dataclass(frozen=True)
class Build:
    """A tree that is run, and the folder of its records."""

    tree: Path
    data: Path

    @property
    def environment(self) -> Mapping[str, str]:
        """Compiled files are kept: without them each start would compile everything anew."""
        kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        return kept | {"PYTHONPATH": str(self.tree), "COCKPIT_DATA": str(self.data)}

    def argv(self, *words: str) -> list[str]:
        """Python with a module of this tree."""
        return [sys.executable, "-m", *words]


@dataclass(frozen=True)
class Run:
    """What one process took, with all that it waited for."""

    wall: float
    cpu: float
    megabytes: float


def rows() -> list[Row]:
    """The ratios, pair by pair; one row that says so where the history does not have the build."""
    if not known():
        note = f"this clone has no {BUILD}: git fetch --unshallow"
        return [Row(f"beside the build of {BUILD}", 0, "", 0, BUILD, note, gauge=True)]
    with (
        tempfile.TemporaryDirectory() as name,
        checked_out(Path(name)) as (old, new),
        _world(old, Path(name) / "world") as config,
    ):
        return [*_checks(new, old, config), *_frames(new, old, config)]


def known() -> bool:
    """Whether the history has the build."""
    asked = ["git", "cat-file", "-e", f"{BUILD}^{{commit}}"]
    return subprocess.run(asked, cwd=HERE, check=False, stderr=subprocess.DEVNULL).returncode == 0


@contextlib.contextmanager
def checked_out(folder: Path) -> Iterator[tuple[Build, Build]]:
    """The build and this one, compiled."""
    tree = folder / BUILD
    subprocess.run(
        ["git", "worktree", "add", "--quiet", "--detach", str(tree), BUILD], cwd=HERE, check=True
    )
    try:
        builds = Build(tree, folder / "old"), Build(HERE, folder / "new")
        for build in builds:
            build.data.mkdir()
            subprocess.run(
                build.argv("compileall", "-q", "cockpit", "probes", "screens"),
                cwd=build.tree,
                env=build.environment,
                check=True,
            )
        yield builds
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", str(tree)], cwd=HERE, check=True)


@contextlib.contextmanager
def _world(build: Build, folder: Path) -> Iterator[Path]:
    """Its demo world, healthy; gives its configuration once all of it runs."""
    folder.mkdir()
    folder.parent.chmod(0o711)  # under root its PostgreSQL runs as another user, who must get in
    argv = build.argv("cockpit.world", "--scenario", "healthy", "--folder", str(folder))
    running = subprocess.Popen(
        argv, cwd=build.tree, env=build.environment, stdout=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + _PATIENCE
        while not (state := _state(folder))["ready"]:
            if state["failed"] or running.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the world of {BUILD} did not come up: {state['failed']}")
            time.sleep(0.1)
        yield folder / "cockpit.toml"
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(_PATIENCE)


def _state(folder: Path) -> Mapping[str, object]:
    """What it says of itself."""
    with contextlib.suppress(FileNotFoundError, ValueError):  # not written, or just being so
        told: Mapping[str, object] = json.loads((folder / "world.json").read_text())
        return told
    return {"ready": False, "failed": ""}


def _checks(new: Build, old: Build, config: Path) -> list[Row]:
    ours, theirs = [], []
    for number in range(ROUNDS + 1):
        pair = _check(new, config), _check(old, config)
        if number:  # the first of each fills caches
            ours.append(pair[0])
            theirs.append(pair[1])
    return [
        ratio("check on its demo world: wall", [r.wall for r in ours], [r.wall for r in theirs], 0.4),
        ratio("… CPU", [r.cpu for r in ours], [r.cpu for r in theirs], 0.5),
        ratio(
            "… peak memory",
            [r.megabytes for r in ours],
            [r.megabytes for r in theirs],
            0.65,
            unit="MB",
        ),
    ]  # fmt: skip


def _check(build: Build, config: Path) -> Run:
    """Raises `RuntimeError` for one that did not look."""
    started = time.perf_counter()
    process = subprocess.Popen(
        build.argv("cockpit.cli", "-c", str(config), "check", "--json"),
        cwd=build.tree,
        env=build.environment,
        stdout=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in range(4):
        raise RuntimeError(f"check of {build.tree.name} ended with {process.returncode}")
    return Run(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def _frames(new: Build, old: Build, config: Path) -> list[Row]:
    found = []
    for name, until in (
        ("first frame", b"opening"),
        ("the main screen with its panes", b"Findings"),
    ):
        times: dict[Build, list[float]] = {new: [], old: []}
        for _ in range(ROUNDS + 1):
            for build, told in times.items():
                argv = build.argv("cockpit.cli", "-c", str(config), "open", "bench")
                told.append(
                    paint(
                        argv,
                        until=until,
                        data=build.data,
                        cwd=build.tree,
                        environment=build.environment,
                    )
                )
        found.append(ratio(f"{name} on it", times[new][1:], times[old][1:], 1.0))
    return found


def ratio(
    name: str, ours: list[float], theirs: list[float], limit: float, *, unit: str = "s"
) -> Row:
    """The median of the ratios, pair by pair."""
    times = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    medians = (f"{statistics.median(each):.3g} {unit}" for each in (ours, theirs))
    return Row(name, times, "×", limit, f"build of {BUILD}", " against ".join(medians))


if __name__ == "__main__":
    print(render(rows()))
