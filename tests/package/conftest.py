"""The wheel as it is built, and environments that have only what was installed into them."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PIP = ("-m", "pip", "--disable-pip-version-check")


def built(source: Path, folder: Path) -> Path:
    """The wheel of a source tree."""
    command = [sys.executable, *PIP, "wheel", "-q", "--no-deps", "-w", str(folder), str(source)]
    subprocess.run(command, check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(ROOT, tmp_path_factory.mktemp("wheel"))


@dataclass(frozen=True)
class Environment:
    """A virtual environment, and an empty home in which its `cockpit` is run."""

    folder: Path

    @property
    def cockpit(self) -> str:
        return str(self.folder / "venv/bin/cockpit")

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def environ(self) -> dict[str, str]:
        return {"HOME": str(self.home), "PATH": os.environ["PATH"]}

    def install(self, *what: str) -> None:
        # of what is installed a tenth is imported, and compiled then
        into = ("--python", str(self.folder / "venv/bin/python"), "install", "-q", "--no-compile")
        subprocess.run([sys.executable, *PIP, *into, *what], check=True)

    def borrow(self) -> None:
        """Find the libraries of the environment that runs the tests, but not its own packages:
        what is installed here comes first on the path.
        """
        site = sysconfig.get_path("purelib", vars={"base": str(self.folder / "venv")})
        (Path(site) / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.cockpit, *words],
            cwd=self.home,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


def environment(folder: Path) -> Environment:
    venv.create(
        folder / "venv", symlinks=True
    )  # as the command `venv`; the pip is that of the tests
    (folder / "home").mkdir()
    return Environment(folder)
