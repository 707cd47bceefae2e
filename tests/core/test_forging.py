"""An attacker with the file, the code and an hour: `verify --head` of any earlier head says so."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from cockpit.cli import main as cli
from cockpit.connect.role import Role
from cockpit.incident import chain
from cockpit.incident.entry import GENESIS, Entry, EntryKind, to_json, without_body
from cockpit.incident.incident import Incidents
from tests.core.records import journal

Cockpit = Callable[..., tuple[int, str, str]]
Rewrite = Callable[[list[Entry]], Sequence[Entry]]
REDACTED, OUTPUT, LAST = 3, 5, 9


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal with a step, a redaction and a large output."""
    folder = tmp_path_factory.mktemp("original")
    store = Incidents(folder / "data", spares=[folder / "spare" / "mark"])
    made = store.create("checkout 5xx", "P1", environment="prod", role=Role.COMMANDER, actor="ana")
    intent = made.record(EntryKind.STEP_INTENT, "terminate_backend(4242)", target="orders-db")
    made.record(EntryKind.NOTE, "the card is 4111-1111")
    made.record(EntryKind.STEP_OUTCOME, "done", data={"intent": intent.seq, "outcome": "ok"})
    name = made.keep_output("line of output\n" * 2000)
    made.record(EntryKind.STEP_OUTPUT, "line of output…", data={"blob": name})
    made.record(EntryKind.SEVERITY, "P1 → P0", data={"severity": "P0", "from": "P1"})
    made.record(EntryKind.REDACTION, "a card number", data={"redacts": REDACTED})
    made.record(EntryKind.NOTE, "support calls")
    made.record(EntryKind.NOTE, "all is well")
    made.close()
    return folder


@pytest.fixture
def home(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / journal(original).name
    path.write_bytes(journal(original).read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COCKPIT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COCKPIT_SPARE", str(tmp_path / "spare"))
    monkeypatch.delenv("COCKPIT_CONFIG", raising=False)
    return tmp_path


@pytest.fixture
def cockpit(home: Path, capsys: pytest.CaptureFixture[str]) -> Cockpit:
    def call(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = cli.run(list(words))
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def stored(home: Path) -> list[Entry]:
    return list(Incidents(home / "data", spares=[]).read("1").entries)


def rewrite(home: Path, entries: Sequence[Entry], *, resealed: bool) -> None:
    """Put other entries into the file; `resealed`: with all digests made anew, as the code does."""
    made: list[Entry] = []
    for entry in entries:
        if resealed:
            previous = made[-1].digest if made else GENESIS
            entry = replace(entry, seq=len(made) + 1, previous=previous)
            bare = replace(entry, digest=chain.digest_of(to_json(entry)))
            entry = bare if entry.redacted else chain.sealed(entry)
        made.append(entry)
    with closing(sqlite3.connect(journal(home))) as connection, connection:
        connection.execute("DELETE FROM entry")
        connection.executemany(
            "INSERT INTO entry VALUES (?, ?, ?, ?, ?)",
            [(n, e.kind, e.digest, chain.head(e), chain.body(e)) for n, e in enumerate(made, 1)],
        )


def test_nobody_touched_it_and_every_head_says_so(cockpit: Cockpit, home: Path) -> None:
    for entry in stored(home):
        code, out, _ = cockpit("verify", "1", "--head", entry.digest)
        assert code == 0
        assert f"anchor: the first {entry.seq} are as they were" in out
        assert f"redacted: entry {REDACTED}" in out


def changed(**what: Any) -> Callable[[Entry], Entry]:
    return lambda entry: replace(entry, **what)


CHANGES = [
    pytest.param(changed(text="eve did it"), id="text"),
    pytest.param(changed(actor="eve"), id="actor"),
    pytest.param(changed(role="triage", host="elsewhere"), id="role and host"),
    pytest.param(changed(kind=EntryKind.TODO), id="kind"),
    pytest.param(changed(target="catalog"), id="target"),
    pytest.param(changed(data={"intent": 2, "outcome": "failed"}), id="data"),
    pytest.param(lambda entry: replace(entry, at=entry.at + timedelta(hours=1)), id="time"),
    pytest.param(lambda entry: replace(entry, mono=entry.mono + 1), id="monotonic time"),
]


@pytest.mark.parametrize("resealed", [False, True], ids=["as it is", "with all digests made anew"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_entry_is_told_by_every_head_from_there_on(
    cockpit: Cockpit, home: Path, change: Callable[[Entry], Entry], resealed: bool
) -> None:
    entries = stored(home)
    for place in range(len(entries)):
        made = [*entries]
        made[place] = change(made[place])
        if made[place].redacted and (made[place].text, made[place].data) != (
            entries[place].text,
            entries[place].data,
        ):
            made[place] = replace(made[place], salt="5a" * 16)  # a body of his own in its place
        rewrite(home, made, resealed=resealed)
        for entry in (entries[place], entries[-1]):
            code, out, _ = cockpit("verify", "1", "--head", entry.digest)
            assert (code, "anchor" in out) == (2, False), (place, out)


@pytest.mark.parametrize("resealed", [False, True], ids=["as it is", "with all digests made anew"])
@pytest.mark.parametrize(
    ("cut", "first"),
    [
        pytest.param(lambda e: e[:-1], LAST, id="the last cut off"),
        pytest.param(lambda e: e[:4], 5, id="half of it cut off"),
        pytest.param(lambda e: e[1:], 1, id="the first cut off"),
        pytest.param(lambda e: [*e[:3], *e[4:]], 4, id="one left out"),
        pytest.param(lambda e: [*e[:7], e[8], e[7]], 8, id="two exchanged"),
        pytest.param(lambda e: [*e[:3], e[3], *e[3:]], 5, id="one twice"),
        pytest.param(lambda e: e[::-1], 1, id="backwards"),
        pytest.param(lambda e: [*e[:6], *e[7:]], 7, id="the redaction left out"),
        pytest.param(
            lambda e: [*e[:6], replace(e[6], data={"redacts": 2}), *e[7:]],
            7,
            id="the redaction of another",
        ),
    ],
)
def test_order_and_tail_are_told_by_every_head_from_there_on(
    cockpit: Cockpit, home: Path, cut: Rewrite, first: int, resealed: bool
) -> None:
    entries = stored(home)
    rewrite(home, cut(entries), resealed=resealed)
    for entry in entries[first - 1 :]:
        code, out, _ = cockpit("verify", "1", "--head", entry.digest)
        assert (code, "anchor" in out) == (2, False), out


def test_a_body_that_somebody_takes_out_is_told_whether_he_writes_a_redaction_or_not(
    cockpit: Cockpit, home: Path
) -> None:
    entries = stored(home)
    bare = [*entries[:7], without_body(entries[7]), entries[8]]
    rewrite(home, bare, resealed=False)
    code, out, _ = cockpit("verify", "1", "--head", entries[8].digest)
    assert (code, "entry 8 on: its text and data are missing" in out) == (2, True)
    told = replace(entries[8], kind=EntryKind.REDACTION, text="x", data={"redacts": 8})
    rewrite(home, [*bare, told], resealed=True)
    code, out, _ = cockpit("verify", "1", "--head", entries[8].digest)
    assert "redacted: entry 8, whose text is gone, by entry 10" in out


def test_what_was_redacted_gets_no_other_body_and_not_its_own(cockpit: Cockpit, home: Path) -> None:
    entries = stored(home)
    made = replace(entries[2], text="eve did it", data={}, salt="5a" * 16)
    rewrite(home, [*entries[:2], made, *entries[3:]], resealed=False)
    for head in (entries[2], entries[-1]):
        code, out, _ = cockpit("verify", "1", "--head", head.digest)
        assert (code, f"from entry {REDACTED} on" in out) == (2, True)
        assert "eve did it" not in out


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE blob SET content = CAST('eve did it' AS BLOB)",
        "UPDATE blob SET content = 'eve did it'",
        "DELETE FROM blob",
        "DROP TABLE blob",
    ],
)
def test_an_output_is_told_by_every_head(cockpit: Cockpit, home: Path, statement: str) -> None:
    with closing(sqlite3.connect(journal(home))) as connection, connection:
        connection.execute(statement)
    for entry in stored(home):
        code, out, _ = cockpit("verify", "1", "--head", entry.digest)
        assert (code, f"of entry {OUTPUT} " in out) == (2, True)


def test_an_output_with_its_name_changed_in_its_entry_is_told(cockpit: Cockpit, home: Path) -> None:
    entries = stored(home)
    content = b"eve did it"
    name = hashlib.sha256(content).hexdigest()
    made = replace(entries[OUTPUT - 1], data={"blob": name})
    rewrite(home, [*entries[: OUTPUT - 1], made, *entries[OUTPUT:]], resealed=True)
    with closing(sqlite3.connect(journal(home))) as connection, connection:
        connection.execute("UPDATE blob SET name = ?, content = ?", (name, content))
    assert cockpit("verify", "1")[0] == 0, "a journal made anew holds by itself"
    for entry in entries[OUTPUT - 1 :]:
        assert cockpit("verify", "1", "--head", entry.digest)[0] == 2


def test_the_columns_beside_the_entry_deceive_nobody(cockpit: Cockpit, home: Path) -> None:
    """They only help to find it: the list reads the kind that is hashed."""
    before = cockpit("incidents")[1]
    with closing(sqlite3.connect(journal(home))) as connection, connection:
        connection.execute("UPDATE entry SET kind = 'note', digest = 'x' WHERE seq < 9")
    assert cockpit("incidents")[1] == before
    assert "P0" in before


def test_a_short_piece_of_a_head_is_no_head(cockpit: Cockpit, home: Path) -> None:
    """12 digits are found by trying within hours."""
    head = stored(home)[-1].digest
    assert cockpit("verify", "1", "--head", head[:15])[0] == 64
    assert cockpit("verify", "1", "--head", head[:16])[0] == 0


def test_a_jsonl_export_is_verified_by_the_recipe_of_the_documentation(
    cockpit: Cockpit, home: Path
) -> None:
    cockpit("export", "1", "-f", "jsonl", "-o", "x.jsonl")
    previous = "0" * 64
    for line in (home / "x.jsonl").read_text().splitlines():
        members = json.loads(line)
        digest = members.pop("digest")
        body = {name: members.pop(name) for name in ("data", "salt", "text") if name in members}
        assert hashlib.sha256(rfc8785.dumps(members)).hexdigest() == digest
        assert members["previous"] == previous
        assert body or members["seq"] == REDACTED
        if body:
            assert hashlib.sha256(rfc8785.dumps(body)).hexdigest() == members["seal"]
        previous = digest
