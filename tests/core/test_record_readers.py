"""What the commands about the record tell when the journal is not as it should be."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cockpit.cli import tui
from cockpit.cli.commands import export
from cockpit.connect.role import Role
from cockpit.incident import chain, wal
from cockpit.incident.author import Author
from cockpit.incident.entry import EntryKind
from cockpit.incident.incident import Incidents
from cockpit.incident.note_line import NoteLine
from tests.core.records import ROOT, Cockpit, journal, killed_with_log, log_of, opened_at_home

pytestmark = pytest.mark.usefixtures("home")
READERS = [
    "timeline 1",
    "export 1",
    "export 1 -f json",
    "export 1 -f jsonl",
    "verify 1",
    "incidents",
]


# A torn log


@pytest.fixture
def torn(home: Path) -> int:
    """A journal whose log is cut; the entry after which it is."""
    killed_with_log(home)
    log = log_of(home).read_bytes()
    late = (wal.tail(log).whole - 32) // 4120 // 2 * 4120 + 32
    log_of(home).write_bytes(log[: late + 600])
    journal(home).with_name(journal(home).name + "-shm").unlink(missing_ok=True)
    return len(Incidents().lines(Incidents().find("1")))


@pytest.mark.parametrize("words", READERS)
def test_every_reader_tells_a_torn_log(cockpit: Cockpit, torn: int, words: str) -> None:
    code, out, err = cockpit(*words.split())
    assert code == 2
    assert f"the log is torn after entry {torn}" in out + err
    code, out, err = cockpit(*words.split())
    assert f"the log is torn after entry {torn}" in out + err, "reading mends nothing"


def test_reports_and_lists_carry_that_the_log_is_torn(cockpit: Cockpit, torn: int) -> None:
    said = f"the log is torn after entry {torn}"
    assert said in cockpit("export", "1")[1]
    assert said in json.loads(cockpit("export", "1", "-f", "json")[1])["journal"]["troubles"][0]
    assert said in json.loads(cockpit("incidents", "--json")[1])[0]["torn"]


def test_a_note_onto_a_torn_log_is_kept_and_tells_it(
    cockpit: Cockpit, torn: int, home: Path
) -> None:
    code, out, err = cockpit("note", "1", "what now")
    assert code == 2
    assert f"the log is torn after entry {torn}" in err
    assert "entry" in out
    assert len(list((home / "data").glob("*.torn-*.wal"))) == 1
    assert cockpit("verify", "1")[0] == 0
    assert Incidents().read("1").entries[-1].text == "what now"


@pytest.mark.parametrize("how", ["resume", "watch"])
def test_who_opens_a_torn_log_on_a_screen_is_told_in_the_end(
    torn: int, how: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Shown without a screen: the desk is made, and `q` was pressed."""
    store = Incidents()

    async def made() -> SimpleNamespace:
        if how == "watch":
            return SimpleNamespace(incident=store.watch("1"))
        return SimpleNamespace(incident=store.resume("1", role=Role.TRIAGE, actor="ana"))

    def show(make: Callable[[], Awaitable[SimpleNamespace]], *, after: Callable[[], int]) -> int:
        async def shown() -> None:
            (await make()).incident.close()

        asyncio.run(shown())
        return after()

    monkeypatch.setattr(tui, "show", show)
    assert tui.show_stored(cast(Any, made)) == 2
    said = capsys.readouterr().err
    assert f"the log is torn after entry {torn}" in said
    assert ("cockpit resume INC" in said) is (how == "watch"), "what was mended needs no command"


def test_a_log_that_is_being_written_is_not_called_torn(cockpit: Cockpit, home: Path) -> None:
    made = opened_at_home()
    for number in range(200):
        made.record(EntryKind.NOTE, f"note {number} " + "x" * 3000, durable=True)
        if number % 20 == 0:
            assert cockpit("incidents")[0] == 0
    made.close()


def test_a_log_put_together_in_memory_reads_as_sqlite_reads_it(home: Path) -> None:
    killed_with_log(home)
    path = journal(home)
    read = Incidents().lines(Incidents().find("1"))
    image = wal.image(path.read_bytes(), log_of(home).read_bytes())
    with closing(sqlite3.connect(":memory:")) as memory:
        memory.deserialize(image)
        memory.execute("PRAGMA integrity_check")
        stored = memory.execute("SELECT line, body FROM entry ORDER BY seq").fetchall()
    assert tuple(chain.joined(head, body) for head, body in stored) == read


# A full disk


@pytest.fixture
def small_disk(home: Path) -> Iterator[Path | None]:
    """A file system of one megabyte under `data`, when this user may mount one."""
    place = home / "data"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "cockpit-test", str(place)]
    mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    yield place if mounted else None
    if mounted:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path) -> Path:
    path = disk / "stuffing"
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return path


@pytest.mark.parametrize("left", ["closed", "killed"])
def test_on_a_full_disk_all_can_be_read_and_notes_are_kept(
    cockpit: Cockpit, small_disk: Path | None, home: Path, left: str
) -> None:
    """Also after a clean end, which leaves neither log nor shared memory behind."""
    if small_disk is None:  # reading is held by the file size limit below
        return
    if left == "closed":
        opened_at_home().close()
    else:
        killed_with_log(home, 3)
    before = len(Incidents().read("1").entries)
    for path in small_disk.glob("*-shm"):
        path.unlink()
    stuffing = fill(small_disk)
    for words in READERS:
        assert cockpit(*words.split())[0] == 0, words
    code, out, err = cockpit("note", "1", "written on a full disk")
    assert code == 2
    assert "disk full" in err
    assert f"entry {before + 1}" in out
    assert "written on a full disk" in cockpit("timeline", "1")[1]
    assert cockpit("verify", "1")[0] == 0
    stuffing.unlink()
    assert cockpit("note", "1", "and again")[0] == 0
    texts = [entry.text for entry in Incidents().read("1").entries]
    assert {"written on a full disk", "and again"} <= set(texts)
    assert cockpit("verify", "1")[0] == 0


def test_a_note_that_is_kept_nowhere_says_so(
    cockpit: Cockpit, small_disk: Path | None, home: Path
) -> None:
    if small_disk is None:
        return
    opened_at_home().close()
    (home / "spare").write_text("no folder")
    fill(small_disk)
    code, out, err = cockpit("note", "1", "lost")
    assert (code, out) == (70, "")
    assert "the note is NOT kept" in err


def test_a_note_for_who_holds_the_incident_on_a_full_disk_is_taken(
    cockpit: Cockpit, small_disk: Path | None
) -> None:
    if small_disk is None:
        return
    held = opened_at_home()
    fill(small_disk)
    code, out, _ = cockpit("note", "1", "from the second terminal")
    assert (code, out) == (0, f"{held.id} entry 2\n")
    assert held.entries[1].text == "from the second terminal"
    held.close()
    assert Incidents().read("1").waiting == ()


NO_WRITE = """
import resource, sys
from cockpit.cli import main as cli
from cockpit.cli import tui
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
sys.exit(cli.run(sys.argv[1:]))
"""


@pytest.mark.parametrize("words", READERS)
def test_where_no_file_can_grow_all_can_be_read(home: Path, words: str) -> None:
    """SQLite fails with SQLITE_IOERR_SHMSIZE, as it does on a full disk."""
    opened_at_home().close()
    done = subprocess.run(
        [sys.executable, "-c", NO_WRITE, *words.split()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert ("holds, 1 entry" if words == "verify 1" else "checkout returns 5xx") in done.stdout + (
        done.stderr
    )


# Notes that wait


WRITE = "import sys; from cockpit.cli import main as cli; sys.exit(cli.run(sys.argv[1:]))"


def test_sixteen_notes_written_at_once_all_arrive(cockpit: Cockpit, home: Path) -> None:
    opened_at_home().close()
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITE, "note", "1", f"note {number}"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(16)
    ]
    said = [writer.communicate(timeout=120)[0] for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * 16
    stored = Incidents().read("1")
    texts = [entry.text for entry in stored.entries if entry.kind is EntryKind.NOTE]
    assert sorted(texts) == sorted(f"note {number}" for number in range(16))
    assert stored.waiting == ()
    assert sorted(int(words.split()[-1]) for words in said) == list(range(2, 18))
    assert cockpit("verify", "1")[0] == 0


def left_behind(text: str = "disk looks fine") -> None:
    """A letter that nobody took: its cockpit ended in this moment."""
    made = opened_at_home()
    made.close()
    author = Author.here("carol", Role.TRIAGE)
    Incidents().leave(made.id, NoteLine(EntryKind.NOTE, text), author=author)


@pytest.mark.parametrize("words", [words for words in READERS if words != "incidents"])
def test_readers_show_the_notes_that_wait(cockpit: Cockpit, words: str) -> None:
    left_behind()
    code, _, err = cockpit(*words.split())
    assert code == 0
    assert "waiting, not in the journal yet: carol at" in err
    assert "disk looks fine" in err


def test_the_list_counts_the_notes_that_wait(cockpit: Cockpit) -> None:
    left_behind()
    assert "1 note that nobody took" in cockpit("incidents")[2]
    assert json.loads(cockpit("incidents", "--json")[1])[0]["waiting"] == 1


def test_who_comes_next_takes_the_notes_that_wait(cockpit: Cockpit) -> None:
    left_behind()
    assert cockpit("note", "1", "mine")[0] == 0
    entries = Incidents().read("1").entries
    assert [(entry.text, entry.actor) for entry in entries[1:]] == [
        ("disk looks fine", "carol"),
        ("mine", "ana"),
    ]
    assert Incidents().read("1").waiting == ()


# Large outputs


OUTPUT = "line of output\n" * 3000


@pytest.fixture
def output(home: Path) -> str:
    """The name of a large output that entry 2 has."""
    made = opened_at_home()
    name = made.keep_output(OUTPUT)
    made.record(EntryKind.STEP_OUTPUT, "line of output…", data={"blob": name})
    made.close()
    return name


def test_outputs_that_are_whole_are_told(cockpit: Cockpit, output: str) -> None:
    assert "outputs: 1 of 1 are what their entries name" in cockpit("verify", "1")[1]


@pytest.mark.parametrize(
    ("statement", "word"),
    [
        pytest.param("DELETE FROM blob", "is missing", id="deleted"),
        pytest.param("UPDATE blob SET content = x'00'", "was changed", id="changed"),
        pytest.param("UPDATE blob SET name = 'x'", "is missing", id="renamed"),
    ],
)
def test_every_reader_tells_an_output_that_is_not_what_its_entry_names(
    cockpit: Cockpit, output: str, home: Path, statement: str, word: str
) -> None:
    head = Incidents().read("1").head
    with closing(sqlite3.connect(journal(home))) as connection, connection:
        connection.execute(statement)
    said = f"the output {output[:12]} of entry 2 {word}"
    for words in (*READERS[:-1], f"verify 1 --head {head}", "note 1 x"):
        code, out, err = cockpit(*words.split())
        assert (code, said in out + err) == (2, True), words
    assert Incidents().read("1").output(output) is None, "never shown as what it is not"
    assert f"**{said}**".replace("*", "") in cockpit("export", "1")[1].replace("*", "")


def test_an_export_that_fails_half_way_leaves_the_one_that_was_there(tmp_path: Path) -> None:
    file = tmp_path / "x.md"
    file.write_text("the one from before")

    def cut() -> Iterator[str]:
        yield "# Postmortem"
        raise MemoryError

    with pytest.raises(MemoryError):
        export._write(file, cut())
    assert file.read_text() == "the one from before"
    assert [each.name for each in tmp_path.iterdir()] == ["x.md"]

    export._write(file, ["new"])
    assert (file.read_text(), file.stat().st_mode & 0o077) == ("new", 0)


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_exports_carry_the_outputs_and_verify_compares_them(
    cockpit: Cockpit, output: str, home: Path, form: str
) -> None:
    file = home / f"x.{form}"
    assert cockpit("export", "1", "-f", form, "-o", str(file))[0] == 0
    code, out, _ = cockpit("verify", str(file))
    assert (code, "outputs: 1 of 1" in out) == (0, True)
    beside = home / "x.jsonl.outputs" / output
    if form == "jsonl":
        assert beside.read_text() == OUTPUT
        assert beside.stat().st_mode & 0o077 == 0
        beside.write_text("something else")
    else:
        file.write_text(file.read_text().replace("line of output\\nline", "line of input\\nline"))
    code, out, _ = cockpit("verify", str(file))
    assert (code, "was changed" in out) == (2, True)


def test_an_export_that_came_without_its_outputs_says_so(
    cockpit: Cockpit, output: str, home: Path
) -> None:
    file = home / "x.jsonl"
    file.write_text(cockpit("export", "1", "-f", "jsonl")[1])
    code, out, _ = cockpit("verify", str(file))
    assert (code, "not beside this export" in out) == (0, True)


def test_an_export_of_a_journal_that_does_not_hold_does_not_end_well(
    cockpit: Cockpit, home: Path
) -> None:
    opened_at_home().close()
    with closing(sqlite3.connect(journal(home))) as connection, connection:
        connection.execute("UPDATE entry SET body = replace(body, '5xx', '200')")
    for form in ("md", "json", "jsonl"):
        code, out, err = cockpit("export", "1", "-f", form)
        assert code == 2
        assert "returns 200" in out, "what can be read is written all the same"
        assert "does NOT hold from entry 1 on" in err


# The spare folder


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda parent: parent.chmod(0o777), id="others may write to the parent"),
        pytest.param(lambda parent: os.chown(parent, 65534, 65534), id="another one's parent"),
        pytest.param(
            lambda parent: (
                parent.rename(parent.with_name("elsewhere")),
                parent.symlink_to(parent.with_name("elsewhere")),
            ),
            id="a link",
        ),
        pytest.param(
            lambda parent: next(parent.iterdir()).chmod(0o777), id="others may write to it"
        ),
    ],
)
def test_a_spare_folder_that_others_could_fill_is_neither_written_nor_read(
    home: Path, spoil: Callable[[Path], object]
) -> None:
    (home / "data").write_text("no folder")
    made = opened_at_home()
    assert "spare" in made.degraded
    made.close()
    assert len(Incidents().list()) == 1
    parent = home / "spare"
    try:
        spoil(parent)
    except PermissionError:
        return  # only root gives a folder away
    assert Incidents().list() == ()
    made = opened_at_home()
    assert "only in memory" in made.degraded
    assert "belongs to somebody else, or others may write to it" in made.degraded
    made.close()


def test_a_spare_folder_under_a_place_for_all_is_used_when_it_is_ones_own(home: Path) -> None:
    (home / "spare").mkdir()
    (home / "spare").chmod(0o1777)
    (home / "data").write_text("no folder")
    made = opened_at_home()
    assert "spare" in made.degraded
    made.close()
