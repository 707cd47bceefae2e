"""A person's machine and their command line, for the commands about the record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cockpit.cli import main as cli
from tests.core.records import Cockpit, end_all


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home of somebody called ana, who has no configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COCKPIT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COCKPIT_SPARE", str(tmp_path / "spare"))
    monkeypatch.setenv("COCKPIT_ACTOR", "ana")
    for name in ("COCKPIT_CONFIG", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    yield tmp_path
    end_all()


@pytest.fixture
def cockpit(capsys: pytest.CaptureFixture[str]) -> Cockpit:
    """Types a command: its exit code, what it said, what it complained about."""

    def call(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = cli.run(list(words))
        said = capsys.readouterr()
        return code, said.out, said.err

    return call
