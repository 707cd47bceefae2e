"""Journals and configuration of 0.1: moved or read, told in a word, never lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cockpit.connect.role import Role
from cockpit.incident.home import home
from cockpit.incident.incident import Incidents
from cockpit.incident.lock import take

MINIMAL = (
    'environment = "x"\n[[target]]\nkind = "endpoint"\nname = "u"\nurl = "tcp://127.0.0.1:1"\n'
)


@pytest.fixture
def share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("COCKPIT_SPARE", str(tmp_path / "spare"))
    monkeypatch.delenv("COCKPIT_DATA", raising=False)
    return tmp_path


def incident(folder: Path, title: str) -> str:
    """One made and closed, as 0.1 did."""
    made = Incidents(folder).create(title, "P2", environment="x", role=Role.TRIAGE, actor="ana")
    made.close()
    return made.id


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("INC-*"))


def test_without_an_old_folder_nothing_is_said(share: Path) -> None:
    assert home().folder == share / "incident-cockpit"
    assert home().word == ""
    assert not (share / "incident-cockpit").exists(), "nothing is made before it is needed"


def test_the_journals_of_before_are_moved_once_and_told_once(share: Path) -> None:
    old = share / "cockpit"
    first, second = incident(old, "one"), incident(old, "two")
    incident(old / "demo", "a demo")
    (old / "manifest.json").write_text("{}")

    found = home()
    assert found.word == f"moved 3 journals of 0.1 from {old} to {found.folder}"
    assert [one.id for one in Incidents(found.folder).list()] == [second, first]
    assert [one.title for one in Incidents(found.folder / "demo").list()] == ["a demo"]
    assert names(old) == names(old / "demo") == []
    assert (old / "manifest.json").exists(), "what is the admin console's is not ours"
    assert home().word == ""


def test_one_that_an_older_cockpit_has_open_stays_and_is_moved_later(share: Path) -> None:
    old = share / "cockpit"
    name = incident(old, "open")
    hold = take([old / f"{name}.lock"], actor="ben", host="bastion")
    assert hold is not None
    found = home()
    assert found.folder == old, "there is one home, and it is where the journal is"
    assert f"{name} is open in another cockpit" in found.word
    hold.release()
    assert home().folder == share / "incident-cockpit"
    assert names(old) == []


def test_one_with_a_spill_file_stays_until_it_is_resumed(share: Path) -> None:
    from cockpit.incident.spill_file import spare_folders

    old = share / "cockpit"
    name = incident(old, "spilt")
    spare = spare_folders(old)[0]
    spare.mkdir(parents=True)
    (spare / f"{name}.jsonl").write_text("")
    assert f"{name} has a spill file" in home().word
    assert home().folder == old


def test_a_move_that_was_cut_off_is_finished(share: Path) -> None:
    old, new = share / "cockpit", share / "incident-cockpit"
    made = Incidents(old).create("cut off", "P2", environment="x", role=Role.TRIAGE, actor="ana")
    kept = {path.name: path.read_bytes() for path in old.iterdir()}  # as a killed process leaves it
    made.close()
    for path in old.iterdir():
        path.unlink()
    new.mkdir()
    for name, content in kept.items():
        ((new if name.endswith(("-wal", "-shm")) else old) / name).write_bytes(content)
    assert home().folder == new
    assert [one.title for one in Incidents(new).list()] == ["cut off"]
    assert names(old) == []


def test_one_that_is_in_both_is_never_overwritten(share: Path) -> None:
    old, new = share / "cockpit", share / "incident-cockpit"
    name = incident(old, "old")
    assert incident(new, "new") == name
    found = home()
    assert found.folder == new
    assert f"{name} is in both" in found.word
    assert [one.title for one in Incidents(old).list()] == ["old"]
    assert [one.title for one in Incidents(new).list()] == ["new"]


def test_two_that_start_at_once_lose_nothing(share: Path) -> None:
    old = share / "cockpit"
    for number in range(5):
        incident(old, f"n{number}")
    program = "from cockpit.incident.home import home; print(home().folder)"
    started = [
        subprocess.Popen([sys.executable, "-c", program], env=dict(os.environ)) for _ in range(4)
    ]
    assert [one.wait(60) for one in started] == [0, 0, 0, 0]
    assert len(Incidents(home().folder).list()) == 5
    assert names(old) == []


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": "", "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    environ |= {"XDG_CONFIG_HOME": str(folder / "config"), "COCKPIT_SPARE": str(folder / "spare")}
    return subprocess.run(
        [sys.executable, "-m", "cockpit.cli", *words],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_command_line_says_so_on_stderr_and_goes_on(share: Path) -> None:
    name = incident(share / "cockpit", "one")
    done = run(share, "incidents")
    assert (done.returncode, name in done.stdout) == (0, True)
    assert "moved 1 journal of 0.1" in done.stderr
    assert run(share, "incidents").stderr == ""


def test_the_configuration_of_before_is_read_with_a_word_until_there_is_a_new_one(
    share: Path,
) -> None:
    old, new = share / "config/cockpit", share / "config/incident-cockpit"
    old.mkdir(parents=True)
    (old / "cockpit.toml").write_text(MINIMAL)
    done = run(share, "check")
    assert done.returncode == 2
    assert f"mv {old}/cockpit.toml {new}/cockpit.toml" in done.stderr
    new.mkdir()
    (new / "cockpit.toml").write_text(MINIMAL)
    assert run(share, "check").stderr == ""
