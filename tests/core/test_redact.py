"""`cockpit redact`: a body is gone from every file, and nothing else is."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from cockpit.connect.role import Role
from cockpit.incident.author import Author
from cockpit.incident.entry import EntryKind
from cockpit.incident.incident import Incidents
from cockpit.incident.note_line import NoteLine
from cockpit.report.postmortem import schema
from tests.core.records import Cockpit, end_all, journal, killed_with_log, opened_at_home

pytestmark = pytest.mark.usefixtures("home")
SECRET = "the card is 4111-1111-1111-1111"


def holding(folder: Path, text: str) -> list[str]:
    """The files under a folder in which the text stands."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return [path.name for path in files if text.encode() in path.read_bytes()]


@pytest.fixture
def secret() -> list[str]:
    """A journal whose entry 60 must go, among many that moved between pages; the heads of then."""
    made = opened_at_home()
    for number in range(58):
        made.record(EntryKind.NOTE, f"note {number} " + "x" * (number * 37 % 900))
    made.record(EntryKind.NOTE, SECRET + " y" * 3000)
    for number in range(60):
        made.record(EntryKind.NOTE, f"note {number} " + "z" * (number * 53 % 900))
    made.close()
    assert made.entries[59].text.startswith(SECRET)
    return [entry.digest for entry in made.entries]


def test_a_body_is_gone_from_every_file_and_every_head_still_fits(
    cockpit: Cockpit, secret: list[str], home: Path
) -> None:
    before = Incidents().read("1").entries
    assert holding(home, SECRET) == ["INC-2026-0001.sqlite"]
    code, out, err = cockpit("redact", "1", "60", "--why", "a card number")
    assert (code, out, err) == (0, "INC-2026-0001 entry 60 redacted by entry 121\n", "")
    assert holding(home, SECRET) == []
    assert holding(home, before[59].salt) == []
    after = Incidents().read("1").entries
    assert [a for a, b in zip(after, before, strict=False) if a != b] == [after[59]]
    kept = ("seq", "at", "actor", "role", "kind", "target", "previous", "digest", "seal")
    assert all(getattr(after[59], name) == getattr(before[59], name) for name in kept)
    for head in (secret[0], secret[58], secret[59], secret[-1]):
        code, out, _ = cockpit("verify", "1", "--head", head)
        assert code == 0
        assert "redacted: entry 60, whose text is gone, by entry 121 (ana: a card number)" in out


def test_what_is_redacted_is_redacted_in_every_reader(cockpit: Cockpit, secret: list[str]) -> None:
    cockpit("redact", "1", "60", "--why", "a card number")
    for words in ("timeline 1", "export 1", "export 1 -f json", "export 1 -f jsonl"):
        code, out, _ = cockpit(*words.split())
        assert code == 0
        assert SECRET not in out
        assert "a card number" in out
    assert "redacted by entry 121: a card number" in cockpit("timeline", "1")[1]
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(json.loads(cockpit("export", "1", "-f", "json")[1]), schema())


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_an_export_of_a_redacted_journal_is_verified_offline(
    cockpit: Cockpit, secret: list[str], home: Path, form: str
) -> None:
    cockpit("redact", "1", "60", "--why", "a card number")
    file = home / f"x.{form}"
    cockpit("export", "1", "-f", form, "-o", str(file))
    code, out, _ = cockpit("verify", str(file), "--head", secret[80])
    assert (code, "redacted: entry 60" in out) == (0, True)


def test_redacting_again_only_looks_once_more(cockpit: Cockpit, secret: list[str]) -> None:
    first = cockpit("redact", "1", "60", "--why", "a card number")
    assert cockpit("redact", "1", "60", "--why", "again") == first
    assert len(Incidents().read("1").entries) == 121


@pytest.mark.parametrize("seq", [1, 2, 3, 4, 5, 6])
def test_nobody_elses_meaning_goes_with_a_body(cockpit: Cockpit, seq: int) -> None:
    made = opened_at_home()
    made.record(EntryKind.SEVERITY, "P1 → P0", data={"severity": "P0", "from": "P1"})
    intent = made.record(EntryKind.STEP_INTENT, "terminate_backend(4242)", target="orders-db")
    made.record(EntryKind.STEP_OUTCOME, "done", data={"intent": intent.seq, "outcome": "ok"})
    made.record(
        EntryKind.MILESTONE,
        "impact start: calls",
        data={"milestone": "impact_start", "when": "2026-01-01T02:40:00.000Z"},
    )
    made.record(EntryKind.STATUS, "… → mitigated", data={"status": "mitigated"})
    made.close()

    def meant() -> list[object]:
        read = Incidents().read("1")
        export = json.loads(cockpit("export", "1", "-f", "json")[1])
        rows = [(row["seq"], row["at"], row["outcome"]) for row in export["timeline"]]
        return [read.severity, read.status, export["milestones"], rows[:6]]

    before = meant()
    assert cockpit("redact", "1", str(seq), "--why", "a name")[0] == 0
    assert meant() == before
    assert cockpit("verify", "1")[0] == 0


def test_a_redaction_can_be_redacted_when_its_reason_says_too_much(cockpit: Cockpit) -> None:
    made = opened_at_home()
    made.record(EntryKind.NOTE, SECRET)
    made.close()
    cockpit("redact", "1", "2", "--why", f"because {SECRET}")
    assert cockpit("redact", "1", "3", "--why", "the reason too")[0] == 0
    assert cockpit("verify", "1")[0] == 0
    assert SECRET not in cockpit("timeline", "1", "--all")[1]


# Outputs, letters, spill files, files that were set aside


@pytest.mark.parametrize("shared", [False, True])
def test_an_output_goes_with_its_entry_unless_another_names_it(
    cockpit: Cockpit, home: Path, shared: bool
) -> None:
    made = opened_at_home()
    name = made.keep_output(f"{SECRET}\n" * 1000)
    for _ in range(1 + shared):
        made.record(EntryKind.STEP_OUTPUT, "the output…", data={"blob": name})
    made.close()
    code, _, err = cockpit("redact", "1", "2", "--why", "x")
    if shared:
        assert SECRET in (Incidents().read("1").output(name) or "")
        assert (code, "entry 3 names the same output" in err) == (2, True)
    else:
        assert code == 0
        assert Incidents().read("1").output(name) is None
        assert holding(home, SECRET) == []
    assert cockpit("verify", "1")[0] == 0


def test_a_letter_that_became_an_entry_leaves_nothing_behind(cockpit: Cockpit, home: Path) -> None:
    made = opened_at_home()
    made.close()
    author = Author.here("carol", Role.TRIAGE)
    Incidents().leave(made.id, NoteLine(EntryKind.NOTE, SECRET), author=author)
    assert cockpit("note", "1", "x")[0] == 0
    assert cockpit("redact", "1", "2", "--why", "x")[0] == 0
    assert holding(home, SECRET) == []


def test_what_only_the_spare_folder_had_is_taken_over_and_gone(
    cockpit: Cockpit, home: Path
) -> None:
    (home / "data").write_text("no folder")
    made = opened_at_home()
    made.record(EntryKind.NOTE, SECRET, durable=True)
    made.settle()
    made.close()
    assert holding(home / "spare", SECRET)
    (home / "data").unlink()
    assert cockpit("redact", "1", "2", "--why", "x")[0] == 0
    assert holding(home, SECRET) == []
    assert cockpit("verify", "1")[0] == 0


def test_a_copy_that_was_set_aside_is_named(cockpit: Cockpit, home: Path) -> None:
    made = opened_at_home()
    made.record(EntryKind.NOTE, SECRET)
    made.close()
    kept = journal(home).with_name("INC-2026-0001.damaged-20260101T000000000Z.kept")
    shutil.copy(journal(home), kept)
    code, out, err = cockpit("redact", "1", "2", "--why", "x")
    assert (code, "redacted by entry 3" in out) == (2, True)
    assert f"{kept} still has it: delete that file" in err
    kept.unlink()
    assert cockpit("redact", "1", "2", "--why", "x")[0] == 0


def test_entries_that_say_the_same_are_named_and_stay(cockpit: Cockpit) -> None:
    made = opened_at_home()
    made.record(EntryKind.NOTE, SECRET)
    made.record(EntryKind.CORRECTION, f"{SECRET}, or so", data={"corrects": 2})
    made.close()
    code, _, err = cockpit("redact", "1", "2", "--why", "x")
    assert (code, "entry 3 has the same text" in err) == (2, True)
    assert SECRET in Incidents().read("1").entries[2].text


def test_what_is_carved_from_a_damaged_file_never_brings_a_body_back(
    cockpit: Cockpit, home: Path
) -> None:
    killed_with_log(home, 8)
    end_all()
    old = (
        journal(home).read_bytes()
        + (journal(home).parent / "INC-2026-0001.sqlite-wal").read_bytes()
    )
    gone = Incidents().read("1").entries[3].text
    assert cockpit("redact", "1", "4", "--why", "x")[0] == 0
    path = journal(home)
    path.write_bytes(path.read_bytes()[:4096] + old)
    again = Incidents().resume("1", role=Role.TRIAGE, actor="bob")
    again.close()
    redactions = [entry for entry in again.entries if entry.kind is EntryKind.REDACTION]
    assert not redactions or gone not in [entry.text for entry in again.entries]


# What is refused


def test_a_journal_that_somebody_has_open_is_left_alone(cockpit: Cockpit) -> None:
    held = opened_at_home()
    held.record(EntryKind.NOTE, SECRET)
    held.settle()
    code, out, err = cockpit("redact", "1", "2", "--why", "x")
    assert (code, out) == (70, "")
    assert "is open at bob on" in err
    held.close()
    assert Incidents().read("1").entries[1].text == SECRET


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        pytest.param(["redact", "1", "2"], 64, "--why", id="no reason"),
        pytest.param(["redact", "1", "2", "--why", " "], 64, "must say why", id="an empty reason"),
        pytest.param(["redact", "1", "99", "--why", "x"], 64, "no entry 99", id="no such entry"),
        pytest.param(["redact", "1", "0", "--why", "x"], 64, "0", id="no number of an entry"),
        pytest.param(["redact", "7", "1", "--why", "x"], 64, "no incident", id="no incident"),
    ],
)
def test_a_wrong_call_takes_nothing_out(
    cockpit: Cockpit, words: list[str], code: int, said: str
) -> None:
    made = opened_at_home()
    made.record(EntryKind.NOTE, SECRET)
    made.close()
    got, out, err = cockpit(*words)
    assert (got, out, said in err) == (code, "", True)
    assert len(Incidents().read("1").entries) == 2


def test_an_entry_of_01_cannot_be_redacted_and_says_why(cockpit: Cockpit, home: Path) -> None:
    from tests.core.test_cli_record import written_by_01

    written_by_01(home)
    code, _, err = cockpit("redact", "1", "2", "--why", "x")
    assert (code, "entry 2 is of format 1" in err) == (70, True)
    assert cockpit("verify", "1")[0] == 0


def test_a_reader_that_keeps_the_log_is_waited_for_and_told(
    cockpit: Cockpit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cockpit.incident.sqlite.BUSY", 0.1)
    made = opened_at_home()
    made.record(EntryKind.NOTE, SECRET)
    made.close()
    path = next((Path.cwd() / "data").glob("*.sqlite"))
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM entry").fetchone()
        code, _, err = cockpit("redact", "1", "2", "--why", "x")
        assert (code, "may still be in freed pages" in err) == (70, True)
        reader.execute("COMMIT")
    assert cockpit("redact", "1", "2", "--why", "x")[0] == 0
    assert holding(Path.cwd(), SECRET) == []


def test_pages_that_were_freed_before_without_overwriting_are_clean_too(
    cockpit: Cockpit, home: Path
) -> None:
    made = opened_at_home()
    made.record(EntryKind.NOTE, SECRET)
    made.close()
    with closing(sqlite3.connect(journal(home))) as connection, connection:
        connection.execute("PRAGMA secure_delete=OFF")
        connection.execute("INSERT INTO inbox VALUES ('x', ?)", (SECRET * 300,))
        connection.commit()
        connection.execute("DELETE FROM inbox")
    assert cockpit("redact", "1", "2", "--why", "x")[0] == 0
    assert holding(home, SECRET) == []
