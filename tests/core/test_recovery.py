from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cockpit.connect.role import Role
from cockpit.incident import chain, wal
from cockpit.incident.entry import EntryKind
from cockpit.incident.reader import Unreadable
from cockpit.incident.recovery import mend
from cockpit.incident.spill_file import SpillFile
from tests.core.records import (
    end_all,
    journal,
    killed_with_log,
    log_of,
    opened,
    resumed,
    store,
    stored_lines,
)


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    yield
    end_all()


def damage_log(folder: Path, change: Callable[[bytes], bytes]) -> Path:
    """Change the log while nobody has it open, without the index that SQLite keeps of it."""
    path = log_of(folder)
    path.write_bytes(change(path.read_bytes()))
    path.with_name(path.name.replace("-wal", "-shm")).unlink(missing_ok=True)
    return path


def test_a_whole_log_has_no_torn_tail(tmp_path: Path) -> None:
    killed_with_log(tmp_path)
    content = log_of(tmp_path).read_bytes()
    found = wal.tail(content)
    assert found.whole > 0
    connection = sqlite3.connect(journal(tmp_path))
    connection.execute("SELECT count(*) FROM entry").fetchone()
    connection.close()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda log: log[:-1500], id="the last frame is cut"),
        pytest.param(lambda log: log + b"\x5a" * 3000, id="garbage behind the end"),
        pytest.param(lambda log: log[:20], id="only part of the header is left"),
        pytest.param(lambda log: b"\xff" * 32 + log[32:], id="the header is garbage"),
        pytest.param(lambda log: log[:9000] + os.urandom(200) + log[9200:], id="garbage within"),
        pytest.param(lambda log: log[: 32 + 4120] + b"\0" * 4120 + log[32 + 8240 :], id="a hole"),
    ],
)
def test_a_torn_tail_is_set_aside_and_reported_and_the_journal_goes_on(
    tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    before = killed_with_log(tmp_path)
    damaged = damage_log(tmp_path, change).read_bytes()
    incident = resumed(tmp_path)
    incident.close()

    asides = list((tmp_path / "data").glob("*.torn-*.wal"))
    assert [aside.read_bytes() for aside in asides] == [damaged]
    told = [entry.text for entry in incident.entries if entry.kind is EntryKind.RECOVERY]
    assert "the last write was cut off" in told[0]
    assert asides[0].name in told[0]
    lines = stored_lines(tmp_path)
    assert chain.verify(lines).holds
    assert len(lines) <= before + 4


def test_acknowledged_entries_behind_a_bad_frame_are_taken_back(tmp_path: Path) -> None:
    killed_with_log(tmp_path)
    before = stored_lines(tmp_path)
    whole = wal.tail(log_of(tmp_path).read_bytes()).whole
    late = (whole - 32) // 4120 // 2 * 4120 + 32
    damage_log(tmp_path, lambda log: log[: late + 16] + b"\0\0\0\0" + log[late + 20 :])
    incident = resumed(tmp_path)
    incident.close()
    told = " ".join(entry.text for entry in incident.entries if entry.kind is EntryKind.RECOVERY)
    assert "taken back" in told
    assert stored_lines(tmp_path)[: len(before)] == before
    assert chain.verify(stored_lines(tmp_path)).holds


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda file: b"this is no database" * 400, id="another file"),
        pytest.param(lambda file: file[:100] + os.urandom(4000) + file[4100:], id="a garbled page"),
        pytest.param(lambda file: file[: len(file) // 2], id="half of it"),
        pytest.param(lambda file: file[:4096], id="one page"),
    ],
)
def test_a_damaged_file_is_kept_and_what_can_be_read_goes_on(
    tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    incident = opened(tmp_path)
    for number in range(200):
        incident.record(EntryKind.NOTE, f"note {number}")
    incident.close()
    path = journal(tmp_path)
    path.write_bytes(change(path.read_bytes()))
    damaged = path.read_bytes()

    again = store(tmp_path).resume("1", role=Role.TRIAGE, actor="bob")
    again.close()
    kept = list((tmp_path / "data").glob("*.damaged-*.kept"))
    assert [one.read_bytes() for one in kept] == [damaged]
    assert any("damaged" in e.text for e in again.entries if e.kind is EntryKind.RECOVERY)
    lines = stored_lines(tmp_path, "1")
    assert chain.verify(lines).holds
    assert len(lines) == len(again.entries)


def test_an_empty_file_is_an_incident_that_never_began(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "INC-2026-0001.sqlite").touch()
    assert store(tmp_path).list() == ()


def test_rows_at_the_end_that_are_no_entries_are_moved_to_a_side_file(tmp_path: Path) -> None:
    opened(tmp_path).close()
    connection = sqlite3.connect(journal(tmp_path))
    connection.execute(
        "INSERT INTO entry (seq, kind, digest, line) VALUES (2, 'note', 'x', '{\"cut\": ')"
    )
    connection.commit()
    connection.close()
    incident = resumed(tmp_path)
    incident.close()
    (aside,) = (tmp_path / "data").glob("*.torn-*.txt")
    assert aside.read_text() == '{"cut": \n'
    assert aside.stat().st_mode & 0o077 == 0, "it tells of production"
    assert chain.verify(stored_lines(tmp_path)).holds


def test_a_changed_entry_is_reported_and_the_incident_goes_on(tmp_path: Path) -> None:
    incident = opened(tmp_path)
    for number in range(4):
        incident.record(EntryKind.NOTE, f"note {number}")
    incident.close()
    connection = sqlite3.connect(journal(tmp_path))
    connection.execute("UPDATE entry SET body = replace(body, 'note 1', 'note 7') WHERE seq = 3")
    connection.commit()
    connection.close()
    again = resumed(tmp_path)
    assert not again.degraded
    again.close()
    assert "entry 3 does not hold" in again.entries[-1].text
    fault = chain.verify(stored_lines(tmp_path)).fault
    assert fault is not None
    assert fault.place == 3


def test_a_deleted_file_is_written_again_from_memory(tmp_path: Path) -> None:
    incident = opened(tmp_path)
    incident.record(EntryKind.NOTE, "before")
    incident.settle()
    for path in (tmp_path / "data").glob("*.sqlite*"):
        path.unlink()
    incident.record(EntryKind.NOTE, "after")
    assert incident.settle()
    incident.close()
    assert [chain.parse_line(text).text for text in stored_lines(tmp_path)][1:] == [
        "before",
        "after",
    ]


def test_a_file_that_breaks_under_us_is_kept_and_written_again(tmp_path: Path) -> None:
    incident = opened(tmp_path)
    for number in range(50):
        incident.record(EntryKind.NOTE, f"note {number}")
    incident.settle()
    path = journal(tmp_path)
    with path.open("r+b") as file:
        file.write(b"\0" * 4096)
    log_of(tmp_path).unlink()
    for number in range(3):
        incident.record(EntryKind.NOTE, f"later {number}")
        incident.settle()
    incident.close()
    assert len(incident.entries) >= 54
    incident = resumed(tmp_path)
    incident.close()
    assert chain.verify(stored_lines(tmp_path)).holds
    assert len(stored_lines(tmp_path)) >= 54


# What must not be taken for damage, and what must


@pytest.mark.parametrize(
    "empty",
    [
        pytest.param(lambda path: path.write_bytes(b""), id="emptied"),
        pytest.param(lambda path: path.unlink(), id="deleted"),
    ],
)
def test_a_log_without_its_file_is_kept_and_its_entries_taken_back(
    tmp_path: Path, empty: Callable[[Path], object]
) -> None:
    killed_with_log(tmp_path)
    before = [line for line in stored_lines(tmp_path) if len(line) < 1500]
    log = log_of(tmp_path).read_bytes()
    path = journal(tmp_path)
    empty(path)
    assert (
        "cannot be read" in "".join(one.damage for one in store(tmp_path).list())
        or not path.exists()
    )
    assert path.with_name(path.name + "-wal").read_bytes() == log
    path.touch()
    incident = resumed(tmp_path)
    incident.close()
    (kept,) = (tmp_path / "data").glob("*.kept-wal")
    assert kept.read_bytes() == log
    lines = stored_lines(tmp_path)
    assert lines[0] == before[0]
    assert chain.verify(lines).holds
    assert len(lines) > 3


def test_a_file_that_another_program_locks_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(tmp_path).close()
    connection = sqlite3.connect(journal(tmp_path), isolation_level=None)
    connection.execute("PRAGMA locking_mode=EXCLUSIVE")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO inbox VALUES ('x', '{}')")
    with pytest.raises(Unreadable, match="locked by another program"):
        resumed(tmp_path)
    connection.execute("ROLLBACK")
    connection.close()
    assert sorted(path.suffix for path in (tmp_path / "data").iterdir()) == [".lock", ".sqlite"]
    incident = resumed(tmp_path)
    assert not incident.watching
    incident.close()


def test_what_a_newer_cockpit_wrote_is_left_alone(tmp_path: Path) -> None:
    opened(tmp_path).close()
    first = json.loads(stored_lines(tmp_path)[0])
    newer = {**first, "seq": 2, "previous": first["digest"], "kind": "telepathy"}
    newer["digest"] = chain.digest_of(newer)
    line = json.dumps(newer)
    connection = sqlite3.connect(journal(tmp_path))
    connection.execute(
        "INSERT INTO entry (seq, kind, digest, line) VALUES (2, 'telepathy', ?, ?)",
        (newer["digest"], line),
    )
    connection.commit()
    connection.close()
    with pytest.raises(Unreadable, match="newer cockpit"):
        resumed(tmp_path)
    assert stored_lines(tmp_path)[1] == line
    assert len(store(tmp_path).read("1").entries) == 1


def test_a_log_that_is_used_again_is_whole_although_frames_of_before_follow(tmp_path: Path) -> None:
    incident = opened(tmp_path)
    for number in range(40):
        incident.record(EntryKind.NOTE, f"note {number} " + "x" * 12_000, durable=True)
        incident.settle()
        log = log_of(tmp_path).read_bytes()
        assert wal.tail(log).torn == 0
    incident.close()
    assert wal.tail(log).whole < len(log), "it was used again"


def test_no_damage_to_the_frames_of_a_log_is_silent(tmp_path: Path) -> None:
    """Also where it looks like what an earlier use left, or like nothing."""
    killed_with_log(tmp_path, 6)
    log = log_of(tmp_path).read_bytes()
    size = 24 + 4096
    found = wal.tail(log)
    assert (found.whole, found.torn) == (len(log), 0)
    dice = random.Random(7)
    bits = [dice.randrange(32 * 8, len(log) * 8) for _ in range(50)]
    for frame in (32, len(log) - size):  # every bit of the salts
        bits += range((frame + 8) * 8, (frame + 16) * 8)
    for bit in bits:
        flipped = bytearray(log)
        flipped[bit // 8] ^= 1 << bit % 8
        assert wal.tail(bytes(flipped)).torn, bit
    for start in range(32, len(log), size):
        assert wal.tail(log[:start] + bytes(len(log) - start)).torn
        assert wal.tail(log[: start + dice.randrange(1, size)]).torn
    assert wal.tail(bytes(len(log))).torn == len(log)


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal that was cut off by SIGKILL, with entries in the file and in the log."""
    folder = tmp_path_factory.mktemp("crashed")
    killed_with_log(folder, 250)
    return folder


@pytest.mark.parametrize("seed", range(25))
def test_whatever_happened_to_the_octets_nothing_is_lost_unsaid(
    tmp_path: Path, crashed: Path, seed: int
) -> None:
    before = stored_lines(crashed)
    shutil.copytree(crashed / "data", tmp_path / "data")
    dice = random.Random(seed)
    path = dice.choice([journal(tmp_path), log_of(tmp_path)])
    content = bytearray(path.read_bytes())
    start, length = dice.randrange(len(content)), dice.choice([1, 50, 5000])
    match dice.choice(["flip", "zero", "garbage", "cut"]):
        case "flip":
            content[start] ^= 1 << dice.randrange(8)
        case "zero":
            content[start : start + length] = bytes(len(content[start : start + length]))
        case "garbage":
            content[start : start + length] = dice.randbytes(len(content[start : start + length]))
        case "cut":
            del content[start:]
    path.write_bytes(content)

    incident = resumed(tmp_path)
    incident.record(EntryKind.NOTE, "and on it goes")
    assert incident.settle()
    assert not incident.degraded
    incident.close()
    after = stored_lines(tmp_path)
    told = [entry.text for entry in incident.entries if entry.kind is EntryKind.RECOVERY]
    assert set(before) <= set(after) or told
    assert chain.verify(after).holds or any("does not hold" in text for text in told)
    assert "and on it goes" in after[-1]


def test_a_whole_journal_is_taken_up_without_making_its_entries_canonical_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    incident = opened(tmp_path)
    for number in range(3):
        incident.record(EntryKind.NOTE, f"note {number}", data={"huge": 1e16, "text": '"digest":"'})
    incident.close()

    def refuse(_: object) -> bytes:
        raise AssertionError("made canonical")

    with monkeypatch.context() as forbidden:
        forbidden.setattr(chain, "canonical", refuse)
        mended = mend(journal(tmp_path), SpillFile((), "INC-2026-0001"))

    assert [entry.text for entry in mended.entries[1:]] == ["note 0", "note 1", "note 2"]
    assert mended.remarks == ()
