"""How the files of the tests are spread over workers, and where a run keeps its files."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from tests import order, place


def test_files_that_wait_are_spread_over_those_that_work_and_each_kind_keeps_its_order() -> None:
    files = [f"tests/servers/{each}.py" for each in "ab"] + [
        f"tests/core/{each}.py" for each in "cdefgh"
    ]
    names = "".join(Path(file).stem for file in order.mixed(files))
    assert names == "acdebfgh"
    assert order.mixed(files[:2]) == files[:2]
    assert order.mixed(files[2:]) == files[2:]
    assert order.mixed([]) == []


def test_a_run_keeps_its_files_where_it_was_told_to_or_where_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    for name in (place.FOLDER, place.DISK):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    told = place.opened()
    assert told.parent == tmp_path
    assert Path(tempfile.gettempdir()) == Path(os.environ[place.FOLDER]) == told
    for name in ("pytest-of-ana", "templates"):
        (told / name).mkdir()
    place.closed(told, failed=True)
    assert [each.name for each in told.iterdir()] == ["pytest-of-ana"]
    place.closed(told, failed=False)
    assert not told.exists()
    monkeypatch.delenv("TMPDIR")
    monkeypatch.setattr(place, "_MEMORY", tmp_path / "absent")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert place.opened().parent == tmp_path


def test_what_earlier_runs_left_is_removed_and_what_just_failed_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    for name in (place.FOLDER, place.DISK):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    left = {"another", "cockpit-tests-new", f"cockpit-tests-{os.getpid()}-long"}
    for name in (*left, "cockpit-tests-old"):
        (tmp_path / name).mkdir()
        if not name.endswith("new"):
            os.utime(tmp_path / name, (0, 0))
    place.closed(place.opened(), failed=False)
    assert {each.name for each in tmp_path.iterdir()} == left
