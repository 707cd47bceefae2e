from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from cockpit.connect.role import Role
from cockpit.incident import chain
from cockpit.incident.entry import Entry, EntryKind
from cockpit.incident.incident import Incidents
from tests.core.records import Cockpit, entries, opened_at_home

pytestmark = pytest.mark.usefixtures("home")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def incident() -> str:
    made = opened_at_home()
    made.record(
        EntryKind.FINDING_OPENED,
        "97 of 100 connections",
        target="orders-db",
        data={"severity": "critical"},
    )
    made.record(EntryKind.NOTE, "support calls")
    made.close()
    return made.id


def test_nothing_is_an_answer_too(cockpit: Cockpit) -> None:
    assert cockpit("incidents") == (0, "", "no incident; cockpit open TITLE makes one\n")
    assert json.loads(cockpit("incidents", "--json")[1]) == []


def test_incidents_are_listed_newest_first(cockpit: Cockpit, incident: str) -> None:
    second = opened_at_home("cache [red]evicts\x1b[31m")
    code, out, _ = cockpit("incidents")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith(second.id)
    assert "cache [red]evicts" in lines[0]
    assert "open at bob on" in lines[0]
    assert incident in lines[1]
    assert "\x1b" not in out
    second.close()
    assert [one["id"] for one in json.loads(cockpit("incidents", "--json")[1])] == [
        second.id,
        incident,
    ]


def test_the_timeline_goes_to_stdout_and_the_talk_to_stderr(
    cockpit: Cockpit, incident: str
) -> None:
    code, out, err = cockpit("timeline", "1")
    assert code == 0
    assert [line.split()[3] for line in out.splitlines()] == ["opened", "finding", "note"]
    assert "support calls (bob)" in out
    assert err.startswith(f"{incident} checkout returns 5xx: P1, investigating")


def test_the_timeline_as_json_is_one_object_a_line(cockpit: Cockpit, incident: str) -> None:
    rows = [json.loads(line) for line in cockpit("timeline", "--json")[1].splitlines()]
    assert [row["seq"] for row in rows] == [1, 2, 3]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(["-k", "note"], ["note"], id="a kind"),
        pytest.param(
            ["-k", "findings", "-k", "note"], ["finding", "note"], id="a group and a kind"
        ),
        pytest.param(["--pinned"], [], id="pinned"),
    ],
)
def test_the_timeline_can_be_filtered(
    cockpit: Cockpit, incident: str, words: list[str], expected: list[str]
) -> None:
    out = cockpit("timeline", *words)[1]
    assert [line.split()[3] for line in out.splitlines()] == expected


def test_a_step_that_was_cut_off_is_named(cockpit: Cockpit) -> None:
    made = opened_at_home()
    made.record(EntryKind.STEP_INTENT, "terminate_backend(4242)", target="orders-db")
    made.close()
    assert "unknown: how step 2 (terminate_backend(4242)) ended" in cockpit("timeline")[2]


@pytest.mark.parametrize(
    ("words", "kind", "text"),
    [
        pytest.param(["1", "disk", "looks", "fine"], EntryKind.NOTE, "disk looks fine", id="words"),
        pytest.param(
            ["disk looks fine"], EntryKind.NOTE, "disk looks fine", id="the only open incident"
        ),
        pytest.param(
            ["1", "TODO add an alarm"], EntryKind.TODO, "add an alarm", id="an action item"
        ),
        pytest.param(["1", "--", "--help"], EntryKind.NOTE, "--help", id="a text like an option"),
        pytest.param(["1", "a\x1b[31mb\u202ec"], EntryKind.NOTE, "ab\\u202ec", id="hostile text"),
    ],
)
def test_a_note_is_added(
    cockpit: Cockpit, incident: str, words: list[str], kind: EntryKind, text: str
) -> None:
    code, out, err = cockpit("note", *words)
    assert (code, out, err) == (0, f"{incident} entry 4\n", "")
    entry = Incidents().read("1").entries[-1]
    assert (entry.kind, entry.text, entry.actor, entry.role) == (kind, text, "ana", "triage")


def test_a_note_may_tell_of_an_earlier_time(cockpit: Cockpit, incident: str) -> None:
    assert cockpit("note", "1", "first complaint", "--at", "2026-01-01T00:00:00Z")[0] == 0
    assert cockpit("timeline")[1].splitlines()[0].startswith("2026-01-01 00:00:00")


def test_a_note_reaches_an_incident_that_a_cockpit_has_open(cockpit: Cockpit) -> None:
    held = opened_at_home()
    code, out, _ = cockpit("note", "1", "from the second terminal")
    held.close()
    assert (code, out) == (0, f"{held.id} entry 2\n")
    assert held.entries[-1].actor == "ana"
    assert cockpit("verify", "1")[0] == 0


def test_a_note_left_at_an_open_cockpit_keeps_its_time(cockpit: Cockpit) -> None:
    held = opened_at_home()
    code, _, _ = cockpit("note", "1", "first complaint", "--at", "2026-01-01T00:00:00Z")
    held.close()
    assert (code, held.entries[-1].data["when"]) == (0, "2026-01-01T00:00:00.000Z")


@pytest.mark.parametrize("held", [False, True], ids=["closed", "held by a cockpit"])
@pytest.mark.parametrize(
    ("words", "start"),
    [
        pytest.param(
            ["1", "support calls", "--milestone", "impact_start", "--at", "2026-01-01T02:40:00Z"],
            "2026-01-01T02:40:00.000Z",
            id="with an option",
        ),
        pytest.param(
            ["1", "--milestone=impact-start", "--at=2026-01-01T02:40:00Z..2026-01-01T02:50:00Z"],
            "2026-01-01T02:40:00.000Z … 2026-01-01T02:50:00.000Z",
            id="a range without words",
        ),
        pytest.param(
            ["!impact_start 2026-01-01T02:40:00Z support calls"],
            "2026-01-01T02:40:00.000Z",
            id="typed as in the cockpit",
        ),
    ],
)
def test_a_milestone_is_set_and_stands_in_the_export(
    cockpit: Cockpit, held: bool, words: list[str], start: str
) -> None:
    made = opened_at_home()
    if not held:
        made.close()
    code, out, err = cockpit("note", *words)
    made.close()
    assert (code, out, err) == (0, f"{made.id} entry 2\n", "")
    export = cockpit("export", "1")[1]
    assert f"- impact start: {start}" in export.replace("**", "").replace("`", ""), export
    told = json.loads(cockpit("export", "1", "-f", "json")[1])["milestones"][0]
    assert (told["name"], told["at"], told["source"]) == ("impact_start", start[:24], "entry 2")
    assert cockpit("verify", "1")[0] == 0


def test_a_wrong_milestone_names_the_nearest(cockpit: Cockpit, incident: str) -> None:
    code, _, err = cockpit("note", "1", "x", "--milestone", "impact")
    assert (code, "did you mean impact_start?" in err) == (64, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["timeline", "77"], "there is no incident '77'", id="no such incident"),
        pytest.param(["timeline", "-k", "gossip"], "unknown kind 'gossip'", id="no such kind"),
        pytest.param(["note"], "Missing argument", id="a note of nothing"),
        pytest.param(["note", "1"], "a note needs a text", id="a note without a text"),
        pytest.param(["note", "1", "x", "--at", "noon"], "'noon' is not a time", id="no time"),
        pytest.param(["export", "--format", "pdf"], "unknown format 'pdf'", id="no such format"),
        pytest.param(["export", "-f", "jsonl", "--blameless"], "cannot hold", id="blameless jsonl"),
        pytest.param(["verify", "1", "--head", "abc"], "too short", id="a short head"),
        pytest.param(["verify", "./nothing.jsonl"], "there is no file", id="no such file"),
        pytest.param(["incidents", "--what"], "No such option", id="no such option"),
    ],
)
def test_a_wrong_call_says_what_is_wrong_and_ends_with_64(
    cockpit: Cockpit, incident: str, words: list[str], said: str
) -> None:
    code, out, err = cockpit(*words)
    assert (code, out) == (64, "")
    assert said in err
    assert "Traceback" not in err


def test_a_journal_that_holds(cockpit: Cockpit, incident: str) -> None:
    code, out, err = cockpit("verify")
    head = Incidents().read("1").head
    assert (code, out) == (0, f"{incident}: holds, 3 entries\nhead: {head}\n")
    assert "only from the moment a head" in err
    assert "anchor: the first 3" in cockpit("verify", "1", "--head", head)[1]
    assert cockpit("verify", "1", "--head", "f" * 64)[0] == 2


def test_a_journal_that_was_changed(cockpit: Cockpit, incident: str, home: Path) -> None:
    connection = sqlite3.connect(home / "data" / f"{incident}.sqlite")
    connection.execute("UPDATE entry SET body = replace(body, '97 of', '12 of')")
    connection.commit()
    connection.close()
    code, out, _ = cockpit("verify", "1")
    assert code == 2
    assert "does NOT hold from entry 2 on: was changed" in out


@pytest.mark.parametrize(
    ("change", "why"),
    [
        pytest.param({"actor": "eve"}, "digest is not that of its content", id="another actor"),
        pytest.param({"kind": "note"}, "digest is not that of its content", id="another kind"),
        pytest.param(
            {"text": "eve did it", "data": {}, "salt": "00" * 16, "links": {}},
            "digest is not that of its content",
            id="another text",
        ),
        pytest.param(
            {"text": "eve did it", "data": {"redacted": True}, "salt": ""},
            "has a body without its salt",
            id="marked as 0.1 marked it",
        ),
    ],
)
def test_a_forged_entry_that_a_redaction_vouches_for(
    cockpit: Cockpit, incident: str, home: Path, change: dict[str, object], why: str
) -> None:
    """It keeps the digest of what stood there, so the chain and its head go on."""
    head = Incidents().read("1").head
    place = home / "data" / f"{incident}.sqlite"
    with closing(sqlite3.connect(place)) as connection:
        ((line,),) = connection.execute("SELECT line FROM entry WHERE seq = 2").fetchall()
    made = {**json.loads(line), **change}
    again = Incidents().resume("1", role=Role.COMMANDER, actor="ana")
    again.record(EntryKind.REDACTION, "a card number", data={"redacts": 2})
    again.close()
    with closing(sqlite3.connect(place)) as connection, connection:
        connection.execute("UPDATE entry SET line = ? WHERE seq = 2", (json.dumps(made),))
    for words in (["verify", "1"], ["verify", "1", "--head", head]):
        code, out, _ = cockpit(*words)
        assert code == 2
        assert "does NOT hold from entry 2 on: " in out
        assert why in out


@pytest.mark.parametrize("form", ["jsonl", "json"])
def test_an_export_is_verified_offline_without_the_journal(
    cockpit: Cockpit, incident: str, home: Path, form: str
) -> None:
    head = Incidents().read("1").head
    file = home / f"export.{form}"
    file.touch(mode=0o644)  # as a shell or another program leaves it
    code, out, err = cockpit("export", "1", "-f", form, "-o", str(file))
    assert (code, out) == (0, "")
    assert head in err
    assert file.stat().st_mode & 0o077 == 0
    for path in (home / "data").iterdir():
        path.unlink()
    assert cockpit("verify", str(file), "--head", head)[0] == 0
    file.write_text(file.read_text().replace("support calls", "support sleeps"))
    assert cockpit("verify", str(file))[0] == 2


def test_a_journal_file_is_verified_by_its_path(
    cockpit: Cockpit, incident: str, home: Path
) -> None:
    assert cockpit("verify", str(home / "data" / f"{incident}.sqlite"))[0] == 0


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("x.json", b"{}", id="another JSON file"),
        pytest.param("x.json", b"not JSON", id="no JSON"),
        pytest.param("x.jsonl", b"\xff\xfe", id="no text"),
        pytest.param("x.sqlite", b"no database" * 99, id="no database"),
    ],
)
def test_a_file_that_is_no_journal_is_a_clear_error(
    cockpit: Cockpit, home: Path, name: str, content: bytes
) -> None:
    (home / name).write_bytes(content)
    code, out, err = cockpit("verify", str(home / name))
    assert code in {64, 70}
    assert out == ""
    assert err.startswith("cockpit: ")


@pytest.mark.parametrize("name", ["x.sqlite", "x.jsonl"])
def test_a_journal_cut_to_nothing_does_not_pass(cockpit: Cockpit, home: Path, name: str) -> None:
    (home / name).touch()
    code, out, _ = cockpit("verify", name)
    assert (code, out) == (2, f"{name}: nothing to verify: there is no entry in it\nhead: none\n")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        pytest.param("x.json", b"not JSON", "x.json: is not JSON (line 1, column 1)", id="no JSON"),
        pytest.param("x.jsonl", b"{}\n\xff", "x.jsonl: is not UTF-8 text (byte 3)", id="no text"),
        pytest.param("x.bak", b"SQLite", "x.bak: neither a journal (.sqlite)", id="another suffix"),
    ],
)
def test_why_a_file_is_no_journal_is_told_in_plain_words(
    cockpit: Cockpit, home: Path, name: str, content: bytes, said: str
) -> None:
    (home / name).write_bytes(content)
    assert said in cockpit("verify", name)[2]


@pytest.mark.parametrize("words", ["incidents", "timeline 1", "note 1 x", "export 1", "verify 1"])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('incident = "x"', "cockpit: cockpit.toml: incident: must be a table: [incident]\n"),
        ("[incident]\nfolder = 3", "cockpit: cockpit.toml: incident.folder: must be a text\n"),
    ],
)
def test_a_configuration_that_does_not_say_where_is_told(
    cockpit: Cockpit, home: Path, words: str, text: str, said: str
) -> None:
    (home / "cockpit.toml").write_text(text)
    code, out, err = cockpit(*words.split())
    assert (code, out) == (64, "")
    assert err.startswith(said)


@pytest.mark.parametrize("words", ["incidents", "runbook list"])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("folder.toml", "cockpit: folder.toml: is a folder, not a file\n  cockpit --config PATH\n"),
        ("itself.toml", "cockpit: itself.toml: Too many levels of symbolic links\n"),
        ("none.toml", "cockpit: none.toml: no such file\n  cockpit --config PATH\n"),
        ("octets.toml", "cockpit: octets.toml: is not UTF-8 text (byte 0)\n"),
    ],
)
def test_a_named_file_that_cannot_be_read_is_told_once(
    cockpit: Cockpit, home: Path, words: str, name: str, said: str
) -> None:
    (home / "folder.toml").mkdir()
    (home / "itself.toml").symlink_to("itself.toml")
    (home / "octets.toml").write_bytes(b"\xff\xfe")
    code, out, err = cockpit("-c", name, *words.split())
    assert (code, out) == (64, "")
    assert err.startswith(said)
    assert err.count(name) == 1


def test_a_folder_without_a_runbook_is_not_called_free_of_errors(
    cockpit: Cockpit, home: Path
) -> None:
    code, _, err = cockpit("runbook", "lint", str(home))
    assert code == 2
    assert "no runbook found" in err


def test_the_draft_goes_to_stdout(cockpit: Cockpit, incident: str) -> None:
    code, out, err = cockpit("export")
    assert code == 0
    assert out.startswith(f"# {incident}: checkout returns 5xx")
    assert err.startswith("head: ")


def test_a_folder_that_cannot_be_written_to_is_a_clear_error(
    cockpit: Cockpit, incident: str, home: Path
) -> None:
    code, _, err = cockpit("export", "-o", str(home / "no" / "such" / "file.md"))
    assert code == 70
    assert "No such file" in err


def test_the_configuration_names_folder_and_person(
    cockpit: Cockpit, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COCKPIT_DATA")
    monkeypatch.delenv("COCKPIT_ACTOR")
    (home / "cockpit.toml").write_text(
        '[incident]\nfolder = "records"\nactor = "carol"\n[broken]\nx = 1\n'
    )
    made = Incidents(home / "records").create(
        "x", "P2", environment="", role=Role.TRIAGE, actor="bob"
    )
    made.close()
    assert cockpit("note", "1", "hello")[0] == 0
    assert Incidents(home / "records").read("1").entries[-1].actor == "carol"


def test_a_configuration_that_is_broken_hides_no_record(
    cockpit: Cockpit, incident: str, home: Path
) -> None:
    (home / "cockpit.toml").write_text("this is not TOML")
    assert cockpit("timeline")[0] == 0


def test_the_commands_load_no_screen_and_no_driver(incident: str) -> None:
    program = (
        "import sys; from cockpit.cli import main as cli; code = cli.run(['timeline']);"
        "heavy = {'textual', 'rich', 'aioboto3', 'botocore', 'psycopg', 'pymysql', 'redis', 'jinja2'};"
        "print(code, sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
        timeout=60,
    )
    assert done.stderr.splitlines()[-1] == "0 []"


def test_colour_is_for_terminals_without_no_color(incident: str) -> None:
    script = f"{sys.executable} -m cockpit.cli timeline"
    for extra, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        done = subprocess.run(
            ["script", "-qec", script, os.devnull],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, "TERM": "xterm", **extra},
            check=False,
            timeout=60,
        )
        assert done.returncode == 0
        assert bool(re.search("\x1b\\[", done.stdout)) is coloured


def test_a_reader_that_goes_away_is_no_bug(incident: str) -> None:
    made = Incidents().resume("1", role=Role.TRIAGE, actor="bob")
    for number in range(3000):
        made.record(EntryKind.FINDING_OPENED, f"finding {number} " + "x" * 50)
    made.close()
    done = subprocess.run(
        f"{sys.executable} -m cockpit.cli timeline | head -1",
        shell=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
        timeout=60,
    )
    assert "Traceback" not in done.stderr
    assert "bug" not in done.stderr


def test_an_export_stays_whole_when_written_twice(
    cockpit: Cockpit, incident: str, home: Path
) -> None:
    file = home / "x.jsonl"
    cockpit("export", "-f", "jsonl", "-o", str(file))
    first = file.read_text()
    cockpit("export", "-f", "jsonl", "-o", str(file))
    assert file.read_text() == first
    assert chain.verify(first.splitlines()).holds


# Journals of 0.1


OLD_SCHEMA = """
CREATE TABLE entry (
    seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, digest TEXT NOT NULL, line TEXT NOT NULL);
CREATE TABLE blob (name TEXT PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE inbox (id TEXT PRIMARY KEY, letter TEXT NOT NULL);
PRAGMA application_id=1129268043;
PRAGMA journal_mode=WAL;
"""


def written_by_01(home: Path, **common: object) -> list[Entry]:
    """A journal as 0.1 left it."""
    chained = entries(
        ("opened", "checkout returns 5xx", {"severity": "P1"}), ("note", "hi"), format=1, **common
    )
    (home / "data").mkdir()
    with closing(sqlite3.connect(home / "data" / "INC-2026-0001.sqlite")) as old, old:
        old.executescript(OLD_SCHEMA)
        old.executemany(
            "INSERT INTO entry VALUES (?, ?, ?, ?)",
            [(e.seq, e.kind.value, e.digest, chain.line(e)) for e in chained],
        )
    return chained


def test_a_journal_of_01_is_read_verified_by_its_rules_and_goes_on(
    cockpit: Callable[..., tuple[int, str, str]], home: Path
) -> None:
    old = written_by_01(home)
    code, out, _ = cockpit("verify", "1")
    assert code == 0
    assert "holds, 2 entries" in out
    assert "format: all as cockpit 0.1 wrote them" in out
    assert cockpit("timeline", "1")[0] == 0
    assert cockpit("note", "1", "goes on")[0] == 0
    code, out, _ = cockpit("verify", "1", "--head", old[-1].digest)
    assert code == 0
    assert "holds, 3 entries" in out
    assert "format: the first 2 as cockpit 0.1 wrote them" in out
    assert "anchor: the first 2 are as they were when that digest left; 1 entry came later" in out


def test_what_format_2_wrote_is_left_alone_by_01(incident: str, home: Path) -> None:
    """0.1 moves aside rows at the end that are no entries, unless they prove themselves: the
    digest in a row is that of all its other members.
    """
    with closing(sqlite3.connect(home / "data" / f"{incident}.sqlite")) as stored:
        for (line,) in stored.execute("SELECT line FROM entry"):
            members = json.loads(line)
            digest = members.pop("digest")
            assert hashlib.sha256(chain.canonical(members)).hexdigest() == digest
