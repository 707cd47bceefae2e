from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cockpit.connect.role import Role
from cockpit.errors import Refused
from cockpit.incident import chain, lock, record, writer
from cockpit.incident.entry import Entry, EntryKind
from cockpit.incident.journal import GROUP_WINDOW, commit_in
from cockpit.incident.note_line import NoteLine
from cockpit.incident.sqlite import SqliteFile
from tests import patience
from tests.core.records import (
    ROOT,
    end_all,
    journal,
    opened,
    resumed,
    start_writing,
    store,
    stored_lines,
)
from tests.patience import at_most


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    yield
    end_all()


@pytest.mark.parametrize(
    ("oldest", "urgent", "expected"),
    [
        pytest.param(None, False, None, id="nothing waits"),
        pytest.param(10.0, False, GROUP_WINDOW, id="a finding that just came"),
        pytest.param(9.9, False, GROUP_WINDOW - 0.1, id="a finding that waited a little"),
        pytest.param(5.0, False, 0.0, id="a finding that waited long enough"),
        pytest.param(10.0, True, 0.0, id="an intent waits for nothing"),
    ],
)
def test_when_the_writer_must_commit(
    oldest: float | None, urgent: bool, expected: float | None
) -> None:
    assert commit_in(10.0, oldest=oldest, urgent=urgent) == pytest.approx(expected)


async def test_what_people_say_is_in_the_file_when_append_returns(tmp_path: Path) -> None:
    incident = opened(tmp_path)
    entry = await incident.note("support calls")
    assert chain.line(entry) in stored_lines(tmp_path)
    incident.close()


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A disk that hangs until this is set."""
    goes_on, write = threading.Event(), SqliteFile.write

    def late(*given: Any, **named: Any) -> None:
        goes_on.wait()
        write(*given, **named)

    monkeypatch.setattr(SqliteFile, "write", late)
    yield goes_on
    goes_on.set()


async def test_findings_wait_for_a_group_commit_and_for_no_longer(
    tmp_path: Path, disk: threading.Event
) -> None:
    disk.set()
    incident = opened(tmp_path)
    disk.clear()
    entry = await incident.append(EntryKind.FINDING_OPENED, "97 of 100 connections")
    assert incident.degraded == "", "nobody waited for the disk"
    assert chain.line(entry) not in stored_lines(tmp_path)
    disk.set()
    patience.eventually(lambda: chain.line(entry) in stored_lines(tmp_path))
    incident.close()


async def test_closing_commits_what_waits(tmp_path: Path) -> None:
    incident = opened(tmp_path)
    incident.record(EntryKind.FINDING_OPENED, "just now")
    incident.close()
    assert len(stored_lines(tmp_path)) == 2


@pytest.mark.parametrize("seed", range(5))
def test_a_killed_cockpit_loses_no_acknowledged_entry(tmp_path: Path, seed: int) -> None:
    process = start_writing(tmp_path)
    assert process.stdout is not None
    acknowledged = [process.stdout.readline().split()[1]]
    dice = random.Random(seed)
    for _ in range(dice.randrange(1, 60)):
        acknowledged.append(process.stdout.readline().split()[1])
    time.sleep(dice.random() / 50)
    os.kill(process.pid, signal.SIGKILL)
    rest = process.stdout.read().splitlines()
    acknowledged += [
        words[1] for words in map(str.split, rest) if len(words) > 1 and len(words[1]) == 64
    ]
    process.wait()
    process.stdout.close()

    incident = resumed(tmp_path)
    found = {entry.digest for entry in incident.entries}
    assert [digest for digest in acknowledged if digest not in found] == []
    incident.close()
    assert chain.verify(stored_lines(tmp_path)).holds


# A disk that is full, read-only or broken


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path | None]:
    """A file system of one megabyte under `data`, when this user may mount one."""
    place = tmp_path / "data"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "cockpit-test", str(place)],
        capture_output=True,
        check=False,
    )
    yield place if mounted.returncode == 0 else None
    if mounted.returncode == 0:
        subprocess.run(["umount", "-l", str(place)], check=True)


def stuff(disk: Path) -> Path:
    """Fill the disk to the last block."""
    path = disk / "stuffing"
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return path


async def test_a_full_disk_stops_nothing_and_loses_nothing(
    tmp_path: Path, small_disk: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if small_disk is None:  # the same promise is held by the file size limit below
        return
    monkeypatch.setattr(writer, "RETRY", (0.05,))
    incident = opened(tmp_path)
    stuffing = stuff(small_disk)
    for number in range(20):
        await incident.note(f"note {number} " + "x" * 4000)
    assert "disk full" in incident.degraded
    assert "spare" in incident.degraded
    assert len(list((tmp_path / "spare").glob("*/*.jsonl"))) == 1
    stuffing.unlink()
    patience.eventually(lambda: not incident.degraded)
    await asyncio.sleep(0)
    incident.close()
    lines = stored_lines(tmp_path)
    assert chain.verify(lines).holds
    assert len(lines) == len(incident.entries)
    assert any("can be written again" in e.text for e in incident.entries)
    assert list((tmp_path / "spare").glob("*/*.jsonl")) == []


async def test_a_disk_that_stays_full_hands_its_entries_to_the_next_cockpit(
    tmp_path: Path, small_disk: Path | None
) -> None:
    if small_disk is None:
        return
    incident = opened(tmp_path)
    stuffing = stuff(small_disk)
    for number in range(20):
        await incident.note(f"note {number} " + "x" * 4000)
    head = incident.head
    incident.close()
    stuffing.unlink()
    again = resumed(tmp_path)
    again.close()
    lines = stored_lines(tmp_path)
    assert chain.verify(lines, head).holds
    assert any("spare folder" in entry.text for entry in again.entries)
    assert list((tmp_path / "spare").glob("*/*.jsonl")) == []


def test_a_file_that_may_not_grow_stops_nothing_and_loses_nothing(tmp_path: Path) -> None:
    process = start_writing(tmp_path, limit=120_000, count=60)
    told = process.communicate(timeout=60)[0].splitlines()
    assert process.returncode == 0
    assert told[-1].startswith("end")
    assert any("journal:" in line for line in told)
    assert not any("only in memory" in line for line in told)
    again = resumed(tmp_path)
    again.close()
    assert chain.verify(stored_lines(tmp_path), told[-1].split()[1]).holds
    assert {line.split()[1] for line in told} <= {entry.digest for entry in again.entries}


async def test_without_any_disk_the_entries_stay_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "RETRY", (0.05,))
    (tmp_path / "data").write_text("a file where the folder should be")
    (tmp_path / "spare").write_text("here too")
    incident = opened(tmp_path)
    await incident.note("nobody stops me")
    assert "only in memory" in incident.degraded
    assert [entry.kind for entry in incident.entries] == [EntryKind.OPENED, EntryKind.NOTE]
    (tmp_path / "data").unlink()
    patience.eventually(lambda: not incident.degraded)
    incident.close()
    lines = stored_lines(tmp_path)
    assert chain.verify(lines).holds
    assert len(lines) == len(incident.entries)


READ_ONLY = """
import os, sys, asyncio
from pathlib import Path
from tests.core.records import store
from cockpit.connect.role import Role
asyncio.run(asyncio.sleep(0)), "x".encode("utf-16be"), "x".encode("idna")
if os.getuid() == 0:
    os.setgid(65534); os.setuid(65534)
incidents = store(Path(sys.argv[1]))
print([one.title for one in incidents.list()])
print(len(incidents.read("1").entries))
incident = incidents.resume("1", role=Role.TRIAGE, actor="bob")
entry = asyncio.run(incident.note("seen from a read-only folder"))
print(incident.degraded)
incident.close()
print(len(incidents.read("1").entries))
other = incidents.create("another", "P2", environment="", role=Role.TRIAGE, actor="bob")
print(other.id, other.degraded)
other.close()
"""


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder whose parents everybody may enter, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="cockpit-test-"))
    folder.chmod(0o755)
    yield folder
    (folder / "data").chmod(0o755)
    shutil.rmtree(folder)


def test_a_read_only_folder_can_be_read_and_the_notes_go_to_the_spare(shared: Path) -> None:
    incident = opened(shared)
    incident.record(EntryKind.NOTE, "one")
    incident.close()
    (shared / "spare").mkdir()
    journal(shared).chmod(0o444)
    (shared / "data").chmod(0o555)
    if os.getuid() == 0:
        os.chown(shared / "spare", 65534, 65534)
    done = subprocess.run(
        [sys.executable, "-c", READ_ONLY, str(shared)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stderr == ""
    said = done.stdout.splitlines()
    assert said[0] == "['checkout returns 5xx']"
    assert said[1] == "2"
    assert "spare" in said[2]
    assert said[3] == "4"
    assert "0002 journal:" in said[4]


async def test_a_disk_that_hangs_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disk: threading.Event
) -> None:
    disk.set()
    incident = opened(tmp_path)
    disk.clear()
    monkeypatch.setattr(record, "PATIENCE", 0.1)
    await incident.note("stuck")
    assert "has not answered" in incident.degraded
    disk.set()
    patience.eventually(lambda: not incident.degraded)
    incident.close()
    assert len(stored_lines(tmp_path)) == 2


# Two cockpits on one incident


async def test_a_second_cockpit_watches(tmp_path: Path) -> None:
    first = opened(tmp_path)
    second = resumed(tmp_path)
    assert second.watching
    assert second.holder.startswith("ana on ")
    with pytest.raises(Refused, match="only watched"):
        await second.note("me too")
    seen: list[Entry] = []
    second.subscribe(seen.append)
    await first.note("one")
    await first.set_severity("P0")
    await patience.until(lambda: len(seen) == 2)
    assert [entry.kind for entry in seen] == [EntryKind.NOTE, EntryKind.SEVERITY]
    assert second.severity == "P0"
    assert second.head == first.head
    first.close()
    second.close()
    third = resumed(tmp_path)
    assert not third.watching
    third.close()


def test_a_second_process_watches_until_the_first_is_killed(tmp_path: Path) -> None:
    process = start_writing(tmp_path)
    assert process.stdout is not None
    process.stdout.readline()
    second = resumed(tmp_path)
    assert second.watching
    second.close()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    third = resumed(tmp_path)
    assert not third.watching
    third.close()
    assert chain.verify(stored_lines(tmp_path)).holds


async def test_what_a_co_responder_leaves_is_taken_into_the_one_chain(tmp_path: Path) -> None:
    first = opened(tmp_path)
    second = resumed(tmp_path)
    store(tmp_path).leave(
        first.id, NoteLine(EntryKind.NOTE, "disk looks fine"), author=second.author
    )
    await patience.until(lambda: first.entries[-1].kind is EntryKind.NOTE)
    assert (first.entries[-1].text, first.entries[-1].actor) == ("disk looks fine", "bob")
    second.close()
    first.close()
    assert chain.verify(stored_lines(tmp_path)).holds
    connection = sqlite3.connect(journal(tmp_path))
    assert connection.execute("SELECT count(*) FROM inbox").fetchone() == (0,)
    connection.close()


CREATE = """
import sys
from pathlib import Path
from tests.core.records import opened
made = [opened(Path(sys.argv[1]), title=f"{n}") for n in range(5)]
print(*[one.id for one in made])
for one in made:
    one.close()
"""


def test_processes_that_create_at_once_get_ids_of_their_own(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CREATE, str(tmp_path)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    made = " ".join(process.communicate(timeout=60)[0] for process in processes).split()
    assert len(made) == 20
    assert len(set(made)) == 20
    assert len(store(tmp_path).list()) == 20


# Size


async def test_ten_thousand_entries_are_quick(tmp_path: Path) -> None:
    incident = opened(tmp_path)
    began = time.process_time()
    for number in range(10_000):
        incident.record(
            EntryKind.FINDING_OPENED, f"finding {number}", target="db", data={"code": "X"}
        )
    assert incident.settle(at_most(30))
    incident.close()
    written = time.process_time() - began
    again = resumed(tmp_path)
    assert len(again.entries) == 10_002
    began_listing = time.process_time()
    (summary,) = store(tmp_path).list()
    assert summary.entries == 10_002
    assert time.process_time() - began_listing < written / 4, "no entry is read for it"
    again.close()


def test_files_are_for_this_user_alone(tmp_path: Path) -> None:
    incident = opened(tmp_path)
    incident.record(EntryKind.NOTE, "x")
    incident.settle()
    modes = {path.name: path.stat().st_mode & 0o077 for path in (tmp_path / "data").iterdir()}
    incident.close()
    assert set(modes.values()) == {0}
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0


def test_somebody_elses_spare_folder_is_not_used(tmp_path: Path) -> None:
    incidents = store(tmp_path)
    (tmp_path / "data").write_text("no folder")
    real = tmp_path / "elsewhere"
    real.mkdir()
    (tmp_path / "spare").mkdir()
    (tmp_path / "spare" / "mark").symlink_to(real)
    incident = incidents.create("x", "P1", environment="", role=Role.TRIAGE, actor="ana")
    assert "only in memory" in incident.degraded
    incident.close()
    assert list(real.glob("*.jsonl")) == []


def test_a_journal_can_be_copied_and_still_holds(tmp_path: Path) -> None:
    incident = opened(tmp_path)
    incident.close()
    (tmp_path / "copy" / "data").mkdir(parents=True)
    shutil.copy(journal(tmp_path), tmp_path / "copy" / "data")
    assert chain.verify(stored_lines(tmp_path / "copy")).holds


def test_who_holds_it_by_the_spare_folder_holds_it(tmp_path: Path) -> None:
    opened(tmp_path).close()
    data, spare = tmp_path / "data" / "x.lock", tmp_path / "spare" / "mark" / "x.lock"
    first = lock.take([tmp_path / "nowhere" / "x.lock", spare], actor="ana", host="h")
    assert first is not None
    assert lock.take([data, spare], actor="bob", host="h") is None
    assert lock.holder([data, spare]).startswith("ana on h")
    first.release()
    first.release()
    second = lock.take([data, spare], actor="bob", host="h")
    assert second is not None
    second.release()
    assert lock.holder([data, spare]) == ""


async def test_what_another_thread_records_is_heard_in_the_event_loop(tmp_path: Path) -> None:
    incident = opened(tmp_path)
    heard = []
    incident.subscribe(lambda entry: heard.append(threading.current_thread()))
    await asyncio.to_thread(incident.record, EntryKind.NOTE, "from a thread")
    await asyncio.sleep(0)
    assert heard == [threading.main_thread()]
    incident.close()
