"""A long journal: checked whole without making its entries, and kept in memory packed."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from cockpit.desk.recorder import still_open, taken_away
from cockpit.desk.recoveries import recoveries
from cockpit.incident import chain, history, keep, newest, scan, sound
from cockpit.incident.entry import BODY, GENESIS, SEEN, Entry, EntryKind, to_json, without_body
from cockpit.incident.history import History
from cockpit.incident.incident import Incident
from cockpit.incident.newest import NewestRows
from cockpit.incident.standing import Standing
from cockpit.incident.stored import Around
from cockpit.incident.timeline import timeline
from cockpit.report.postmortem import pieces
from tests import patience
from tests.core import records
from tests.core.records import Told, entries, journal, opened, resumed, stored_lines

Row = tuple[int, str, str | None]
KINDS = (
    "finding.opened",
    "finding.worsened",
    "finding.eased",
    "finding.cleared",
    "blind",
    "change",
)


def looks(count: int, offset: int = 0) -> list[Told]:
    """What looks write: few findings that come and go, changes, what was taken away."""
    return [
        (
            KINDS[(each * 7 + each // 5) % 6],
            f'pid {each} "waits" {{for}} it, äöü',
            {
                "target": f"db-{each % 3}",
                "code": "PG_LOCK_BLOCKED",
                "subject": f"pid {each % 4}",
                "severity": ("high", "warning")[each % 2],
                "probe": "postgres.locks",
                "reason": ("timeout", "missing")[each % 2],
                "when": f"2026-11-21T02:40:{each % 60:02}.000Z",
                "value": each / 3,
            },
        )
        for each in range(offset, offset + count)
    ]


def many(count: int = 60) -> list[Entry]:
    """A chain with people between looks, and one body taken out."""
    between: list[Told] = [
        ("severity", "worse", {"severity": "P0"}),
        ("note", "a note with a secret"),
        ("step.intent", "terminate 7"),
        *looks(count // 2, 100),
        ("redaction", "it was a secret", {"redacts": 2 + count // 2 + 1}),
        ("step.outcome", "it is", {"intent": 2 + count // 2 + 2, "outcome": "ok"}),
    ]
    return chain.redacted(entries(("opened", "slow"), *looks(count // 2), *between))


def rows(of: list[Entry]) -> list[Row]:
    return [(entry.seq, chain.head(entry), chain.body(entry)) for entry in of]


MANY = many()


def test_a_sound_journal_comes_to_what_its_entries_come_to() -> None:
    found = scan.scanned(rows(MANY))
    assert found is not None
    assert (found.count, found.head) == (len(MANY), MANY[-1].digest)
    assert found.done == [entry for entry in MANY if entry.kind not in SEEN]
    assert found.standing == Standing.of(MANY)
    assert found.standing.open
    assert found.standing.recovered


@given(
    st.integers(0, len(MANY) - 1), st.sampled_from([1, 2]), st.integers(0, 5000), st.characters()
)
def test_a_journal_with_one_character_changed_is_never_sound(
    number: int, part: int, place: int, put: str
) -> None:
    changed = rows(MANY)
    row: list[Any] = list(changed[number])
    text = row[part]
    if text is None or text[place % len(text)] == put:
        return
    place %= len(text)
    row[part] = text[:place] + put + text[place + 1 :]
    changed[number] = (row[0], row[1], row[2])
    assert scan.scanned(changed) is None


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda found: found.pop(7), id="one is gone"),
        pytest.param(lambda found: found.insert(7, found[7]), id="one stands twice"),
        pytest.param(lambda found: found.pop(0), id="the first is gone"),
        pytest.param(lambda found: found.pop(-2), id="the redaction is gone"),
        pytest.param(
            lambda found: found.__setitem__(7, (*found[7][:2], None)), id="a body is gone unsaid"
        ),
    ],
)
def test_a_journal_that_lacks_something_is_not_sound(damage: Callable[[list[Row]], None]) -> None:
    changed = rows(MANY)
    damage(changed)
    assert scan.scanned(changed) is None


def forged(change: Callable[[dict[str, Any]], None]) -> list[Row]:
    """The chain whose last entry is another, with digests that fit it."""
    members = to_json(MANY[-1])
    change(members)
    body = {name: members[name] for name in BODY if name in members}
    members["seal"] = hashlib.sha256(rfc8785.dumps(body)).hexdigest()
    head = {name: each for name, each in members.items() if name not in {*body, "digest"}}
    head["digest"] = hashlib.sha256(rfc8785.dumps(head)).hexdigest()
    last = (MANY[-1].seq, rfc8785.dumps(head).decode(), rfc8785.dumps(body).decode())
    return [*rows(MANY[:-1]), last]


def test_a_forged_entry_that_is_one_is_sound() -> None:
    assert scan.scanned(forged(lambda members: members.update(text="another"))) is not None


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda m: m.update(kind="finding.invented"), id="a kind that is none"),
        pytest.param(lambda m: m.update(at="2026-13-21T02:41:03.120Z"), id="no month"),
        pytest.param(lambda m: m.update(at="2026-11-21 02:41:03"), id="another form of time"),
        pytest.param(lambda m: m.update(actor=7), id="an actor that is no text"),
        pytest.param(lambda m: m.update(mono="7"), id="a clock that is a text"),
        pytest.param(lambda m: m.update(format=3), id="another format"),
        pytest.param(lambda m: m.update(seq=7), id="another number"),
        pytest.param(lambda m: m.update(previous=GENESIS), id="another before"),
        pytest.param(lambda m: m.update(salt=""), id="no salt"),
        pytest.param(lambda m: m.update(text=7), id="a text that is none"),
        pytest.param(lambda m: m.update(data=[]), id="data that are a list"),
        pytest.param(lambda m: m.pop("text"), id="a member too few"),
        pytest.param(lambda m: m.update(more=1), id="a member too many"),
        pytest.param(lambda m: m["links"].update(outcome="failed"), id="a link of its own"),
        pytest.param(lambda m: m["links"].pop("outcome"), id="a link too few"),
        pytest.param(lambda m: m["links"].update(code="X"), id="a link too many"),
        pytest.param(lambda m: m["links"].update(intent=True), id="a link of another type"),
        pytest.param(lambda m: m["links"].update(text="x"), id="a link that is none"),
    ],
)
def test_what_is_forged_and_no_entry_is_not_sound(change: Callable[[dict[str, Any]], None]) -> None:
    assert scan.scanned(forged(change)) is None


def test_what_is_no_text_is_not_sound() -> None:
    assert scan.scanned([(1, "", None)]) is None


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Journals of these tests are long."""
    monkeypatch.setattr(sound, "LONG", 20)
    monkeypatch.setattr(keep, "LATER", 0)
    monkeypatch.setattr(history, "BLOCK", 8)
    monkeypatch.setattr(history, "_WARM", 16)


def written(folder: Path, count: int = 60) -> Incident:
    incident = opened(folder)
    for place, (kind, text, *more) in enumerate(looks(count)):
        data = dict(more[0]) if more else {}
        incident.record(kind, text, target=data.pop("target", ""), data=data)
        if place % 9 == 0:
            incident.record(EntryKind.NOTE, f"note {place}")
    incident.settle()
    return incident


@pytest.fixture
def long(tmp_path: Path, short: None) -> Iterator[tuple[Incident, list[Entry]]]:
    """A long incident that was taken up, and what it had before."""
    first = written(tmp_path)
    before = list(first.entries)
    first.close()
    incident = resumed(tmp_path)
    yield incident, before
    incident.close()


def test_a_long_journal_is_taken_up_as_every_other(
    long: tuple[Incident, list[Entry]], tmp_path: Path
) -> None:
    incident, before = long
    count = len(before)
    assert incident.troubles == ()
    assert incident.entries[:count] == before
    assert [*incident.entries][:count] == before
    assert [*reversed(incident.entries)][:0:-1] == before
    assert incident.entries[count].kind is EntryKind.RESUMED
    assert incident.done == [e for e in incident.entries if e.kind not in SEEN]
    assert incident.standing == Standing.of(incident.entries)
    assert still_open(incident.standing)
    assert taken_away(incident.standing)
    assert recoveries(incident.recovered) == recoveries(incident.entries)
    assert recoveries(incident.recovered)
    assert chain.verify(stored_lines(tmp_path)).holds


def test_what_becomes_old_is_packed_and_reads_the_same(
    long: tuple[Incident, list[Entry]], tmp_path: Path
) -> None:
    incident, before = long
    added = [incident.record(EntryKind.BLIND, f"blind {each}") for each in range(50)]
    incident.settle()
    assert incident.entries[len(before) + 1 :] == added
    assert list(incident.entries)[len(before) + 1 :] == added
    assert list(stored_lines(tmp_path)) == [chain.line(entry) for entry in incident.entries]


def kept(incident: Incident) -> bool:
    assert isinstance(incident.entries, History)
    return all(block is not None for block in incident.entries._blocks)


def test_a_file_that_is_lost_is_written_again_once_all_is_kept(
    long: tuple[Incident, list[Entry]], tmp_path: Path
) -> None:
    incident, _ = long
    incident.settle()
    patience.eventually(lambda: kept(incident))
    for path in (tmp_path / "data").glob("*.sqlite*"):
        path.unlink()
    incident.record(EntryKind.NOTE, "after")
    assert incident.settle()
    assert list(stored_lines(tmp_path)) == [chain.line(entry) for entry in incident.entries]


def test_a_file_that_is_lost_before_that_is_read_through_what_is_open(
    tmp_path: Path, short: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path).close()
    monkeypatch.setattr(History, "keep", lambda *_: None)
    incident = resumed(tmp_path)
    incident.settle()
    assert not kept(incident)
    for path in (tmp_path / "data").glob("*.sqlite*"):
        path.unlink()
    incident.record(EntryKind.NOTE, "after")
    assert incident.settle()
    assert chain.verify(stored_lines(tmp_path)).entries == len(incident.entries)
    incident.close()


def test_a_body_that_is_taken_out_is_gone_from_what_is_packed(
    long: tuple[Incident, list[Entry]], tmp_path: Path
) -> None:
    incident, before = long
    patience.eventually(lambda: kept(incident))
    for seq in (5, len(before)):
        incident.record(EntryKind.REDACTION, "a secret", data={"redacts": seq})
        assert incident.entries[seq - 1] == without_body(before[seq - 1])
    assert incident.settle()
    for path in (tmp_path / "data").glob("*.sqlite*"):
        path.unlink()
    incident.record(EntryKind.NOTE, "after")
    assert incident.settle()
    found = chain.verify(stored_lines(tmp_path))
    assert found.holds
    assert [one.seq for one in found.redactions] == [5, len(before)]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param(
            "UPDATE entry SET body = replace(body, 'waits', 'was') WHERE seq = 9",
            "entry 9 does not hold",
            id="a body",
        ),
        pytest.param("UPDATE entry SET line = 'x' WHERE seq = 9", "1 entry cannot be read", id="no entry"),
        pytest.param("DELETE FROM entry WHERE seq = 9", "entry 9 does not hold", id="one is gone"),
        pytest.param("UPDATE entry SET line = x'00' WHERE seq = 9", "cannot be read", id="no text"),
    ],
)  # fmt: skip
def test_a_long_journal_that_was_changed_is_told_as_every_other(
    tmp_path: Path, short: None, change: str, told: str
) -> None:
    written(tmp_path).close()
    with closing(sqlite3.connect(journal(tmp_path))) as connection, connection:
        connection.execute(change)
    incident = resumed(tmp_path)
    assert told in "\n".join(incident.troubles)
    assert told in "\n".join(e.text for e in incident.done if e.kind is EntryKind.RECOVERY)
    incident.close()


def test_an_output_of_a_long_journal_that_is_gone_is_told(tmp_path: Path, short: None) -> None:
    incident = written(tmp_path)
    incident.record(EntryKind.NOTE, "x" * 20_000)
    incident.settle()
    incident.close()
    with closing(sqlite3.connect(journal(tmp_path))) as connection, connection:
        connection.execute("DELETE FROM blob")
    again = records.resumed(tmp_path)
    assert "is missing" in "\n".join(again.troubles)
    again.close()


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 3), st.booleans()), max_size=30))
def test_what_stands_is_what_a_fold_over_all_entries_says(
    told: list[tuple[str, int, bool]],
) -> None:
    found = entries(
        *[
            (kind, "x", {"code": "C", "subject": f"{which}", "severity": "high", "probe": "p.q"})
            for kind, which, _ in told
        ]
    )
    found = [
        without_body(entry) if bare else entry
        for entry, (_, _, bare) in zip(found, told, strict=True)
    ]
    standing = Standing.of(found)
    pairs = {seq for pair in standing.recovered.values() for seq in pair}
    assert recoveries([e for e in found if e.seq in pairs]) == recoveries(found)
    newest = {
        str(entry.data["subject"]): entry.kind
        for entry in found
        if entry.kind.startswith("finding") and not entry.redacted
    }
    here = {subject for subject, kind in newest.items() if kind is not EntryKind.FINDING_CLEARED}
    assert {id_.subject for id_ in still_open(standing)} == here


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A timeline that leaves out what is older than a few lines."""
    monkeypatch.setattr(newest, "LEAST", 10)
    monkeypatch.setattr(newest, "MOST", 20)


def test_a_timeline_shows_the_newest_and_all_that_people_did(
    long: tuple[Incident, list[Entry]], few: None
) -> None:
    incident, before = long
    rows = NewestRows(incident)
    first, *shown = rows.rows()
    assert rows.rows() is rows.rows()
    whole = timeline(incident.entries)
    old = len(incident.entries) - 10
    expected = [row.seq for row in whole if row.seq > old or row.kind not in SEEN]
    assert [row.seq for row in shown] == expected
    hidden = sum(entry.kind in SEEN for entry in incident.entries[:old])
    assert first.text.startswith(f"{hidden} older lines")
    assert f"cockpit timeline {incident.id}" in first.text
    assert {row.text for row in shown if row.seq <= len(before)} >= {"note 0", "note 27"}


def test_a_timeline_shows_what_was_marked_however_old(
    long: tuple[Incident, list[Entry]], few: None
) -> None:
    incident, _ = long
    rows = NewestRows(incident)
    rows.rows()
    incident.record(EntryKind.PIN, "pinned", data={"pins": 5})
    incident.record(EntryKind.CORRECTION, "it was another", data={"corrects": 6})
    incident.record(EntryKind.PIN, "pinned", data={"pins": 7_000})
    shown = {row.seq: row for row in rows.rows()}
    assert shown[5].pinned
    assert shown[6].text == "it was another"
    assert 4 not in shown


def test_a_timeline_that_grows_stays_small_and_as_if_it_were_made_anew(
    long: tuple[Incident, list[Entry]], few: None
) -> None:
    incident, _ = long
    rows = NewestRows(incident)
    for each in range(60):
        incident.record(EntryKind.BLIND, f"blind {each}")
        shown = rows.rows()
        assert shown[-1].text == f"blind {each}"
        of_looks = [row for row in shown if row.kind in SEEN and row.seq]
        assert len(of_looks) <= 20
        assert [row.seq for row in of_looks] == sorted(row.seq for row in of_looks)
    assert shown[1:] == tuple(
        row for row in timeline(incident.entries) if row.seq in {r.seq for r in shown}
    )


@pytest.mark.parametrize("form", ["jsonl", "json", "md"])
def test_an_export_of_a_long_journal_is_that_of_every_other(
    tmp_path: Path, short: None, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    incident = written(tmp_path)
    incident.record(EntryKind.REDACTION, "a secret", data={"redacts": 5})
    incident.record(EntryKind.NOTE, "x" * 20_000)
    incident.close()
    exports: list[str] = []
    for least in (20, 10_000):
        monkeypatch.setattr(sound, "LONG", least)
        found = records.store(tmp_path).examined("1")
        assert (None in found.incident.entries._blocks) == (least == 20)
        around = Around(found.outputs, {}, found.incident.troubles, found.incident.waiting)
        exports.append(
            "".join(
                pieces(
                    found.incident,
                    format=form,
                    lines=found.lines,
                    verdict=found.verdict,
                    around=around,
                    at=records.START,
                )
            )
        )
        found.incident.close()
    assert exports[0] == exports[1]
    assert "x" * 100 in exports[0]


def test_an_export_sees_one_moment_while_somebody_writes(tmp_path: Path, short: None) -> None:
    incident = written(tmp_path)
    found = records.store(tmp_path).examined("1")
    incident.record(EntryKind.REDACTION, "a secret", data={"redacts": 5})
    assert incident.settle()
    verdict = chain.verify(found.lines)
    assert (verdict.holds, verdict.entries) == (True, found.verdict.entries)
    found.incident.close()
    incident.close()
