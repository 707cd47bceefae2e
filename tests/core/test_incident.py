from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cockpit import clock
from cockpit.connect.role import Role
from cockpit.errors import Misconfigured, Refused
from cockpit.incident import chain, sanitise
from cockpit.incident.entry import SEEN, Entry, EntryKind
from cockpit.incident.incident import Incident
from cockpit.incident.severity import DUTIES, Level, next_escalation, next_update
from cockpit.incident.state import IncidentStatus
from cockpit.redact import MASKER, SecretText
from tests.core.records import START, opened, resumed, store


@pytest.fixture
def incident(tmp_path: Path) -> Iterator[Incident]:
    with contextlib.closing(opened(tmp_path)) as made:
        yield made


def test_a_new_incident_knows_what_it_was_opened_with(incident: Incident) -> None:
    assert (incident.title, incident.severity, incident.status) == (
        "checkout returns 5xx",
        Level.P1,
        IncidentStatus.INVESTIGATING,
    )
    assert (incident.environment, incident.actor, incident.role) == ("prod", "ana", Role.COMMANDER)
    assert incident.id.startswith(f"INC-{clock.now().year}-")
    assert incident.head == incident.entries[0].digest
    assert not incident.degraded


async def test_severity_and_status_follow_the_entries(incident: Incident) -> None:
    await incident.set_severity("p0", "all regions")
    await incident.set_status("mitigated")
    assert (incident.severity, incident.status) == (Level.P0, IncidentStatus.MITIGATED)
    assert [entry.text for entry in incident.entries[1:]] == [
        "P1 → P0: all regions",
        "investigating → mitigated",
    ]
    await incident.set_status("closed")
    assert incident.state.closed_at is not None
    await incident.set_status("investigating", "it came back")
    assert incident.state.open


@pytest.mark.parametrize(
    ("words", "kind", "text"),
    [
        pytest.param("  support calls ", EntryKind.NOTE, "support calls", id="a note"),
        pytest.param("TODO add an alarm", EntryKind.TODO, "add an alarm", id="an action item"),
        pytest.param("todo: add an alarm", EntryKind.TODO, "add an alarm", id="in small letters"),
    ],
)
async def test_a_note_may_be_an_action_item(
    incident: Incident, words: str, kind: EntryKind, text: str
) -> None:
    entry = await incident.note(words)
    assert (entry.kind, entry.text) == (kind, text)


async def test_a_note_may_tell_of_an_earlier_time(incident: Incident) -> None:
    entry = await incident.note("first complaint", when=START)
    assert entry.when == START
    assert entry.at > START


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda i: i.append("gossip", "x"), id="an unknown kind"),
        pytest.param(lambda i: i.set_severity("P9"), id="an unknown severity"),
        pytest.param(lambda i: i.set_status("fine"), id="an unknown status"),
        pytest.param(lambda i: i.milestone("lunch"), id="an unknown milestone"),
        pytest.param(lambda i: i.correct(99, "x"), id="a correction of nothing"),
        pytest.param(lambda i: i.pin(99), id="a pin on nothing"),
    ],
)
async def test_what_makes_no_sense_is_refused_and_not_recorded(
    incident: Incident, call: Callable[[Incident], Awaitable[object]]
) -> None:
    with pytest.raises(Misconfigured):
        await call(incident)
    assert len(incident.entries) == 1


async def test_a_closed_session_takes_nothing_more(incident: Incident) -> None:
    incident.close()
    incident.close()
    with pytest.raises(Refused):
        await incident.note("too late")


async def test_an_intent_without_an_outcome_is_unfinished_after_a_crash(tmp_path: Path) -> None:
    first = opened(tmp_path)
    done = await first.intent("cancel_backend(4242)", target="orders-db")
    await first.outcome(done, "ok", text="cancelled")
    await first.intent("terminate_backend(4242)", target="orders-db", data={"plan": "ab"})
    assert first.unfinished == ()
    first.close()
    second = resumed(tmp_path)
    (left,) = second.unfinished
    assert (left.text, left.target, left.data["plan"]) == (
        "terminate_backend(4242)",
        "orders-db",
        "ab",
    )
    await second.outcome(left, "ok", text="verified: the session is gone")
    assert second.unfinished == ()
    second.close()


async def test_an_outcome_that_is_unknown_leaves_the_intent_unfinished_here_and_later(
    tmp_path: Path,
) -> None:
    first = opened(tmp_path)
    sent = await first.intent("terminate_backend(4242)", target="orders-db")
    assert not first.unfinished, "it runs"
    await first.outcome(sent, "unknown", text="cut off after it was sent")
    assert [intent.seq for intent in first.unfinished] == [sent.seq]
    first.close()
    second = resumed(tmp_path)
    assert [intent.seq for intent in second.unfinished] == [sent.seq]
    await second.outcome(sent, "ok", text="verified afterwards")
    assert not second.unfinished
    second.close()


async def test_subscribers_hear_every_entry_in_order_until_they_leave(incident: Incident) -> None:
    heard: list[Entry] = []
    leave = incident.subscribe(heard.append)
    await incident.note("one")
    incident.record(EntryKind.BLIND, "denied", target="catalog")
    leave()
    leave()
    await incident.note("two")
    assert [entry.kind for entry in heard] == [EntryKind.NOTE, EntryKind.BLIND]


async def test_many_at_once_make_one_chain(incident: Incident) -> None:
    await asyncio.gather(*(incident.note(f"note {number}") for number in range(50)))
    assert [entry.seq for entry in incident.entries] == list(range(1, 52))
    assert chain.verify(map(chain.line, incident.entries)).holds


HOSTILE = [
    pytest.param("[red]bold[/red] {{ 7*7 }} <script>", id="markup and templates"),
    pytest.param("a\x1b[31mred\x1b]0;title\x07b", id="terminal escapes"),
    pytest.param("nul\0 bell\a back\b", id="control characters"),
    pytest.param("abc\u202edrow\u2066x", id="direction overrides"),
    pytest.param("lone \ud800 surrogate", id="a lone surrogate"),
    pytest.param("zero\u200bwidth \ufeff", id="invisible characters"),
    pytest.param("'; DROP TABLE entry; --", id="SQL"),
    pytest.param("Zoë 東京 🔥 ﷽", id="other scripts"),
    pytest.param("", id="nothing"),
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_text_is_made_visible_and_comes_back_as_it_was_stored(
    tmp_path: Path, text: str
) -> None:
    incident = opened(tmp_path, title="t" + text, actor="a" + text)
    entry = await incident.append(
        EntryKind.NOTE, text, target=text, data={"k" + text: [text, {"x": text}]}
    )
    incident.close()
    again = store(tmp_path).read("1")
    assert again.entries[1] == entry
    stored = chain.line(again.entries[1])
    assert not any(character in stored for character in "\x1b\0\a\u202e\u2066\ud800\u200b\ufeff")
    assert chain.verify(store(tmp_path).lines(again.id)).holds
    if text.startswith(("[red]", "'", "Zo")):
        assert again.entries[1].text == text


async def test_a_megabyte_goes_whole_into_a_blob(tmp_path: Path) -> None:
    incident = opened(tmp_path)
    output = "line \x1b[1mbold\x1b[0m\n" * 60_000
    entry = await incident.append(EntryKind.STEP_OUTPUT, output, durable=True)
    assert len(entry.text) == sanitise.TEXT_LIMIT
    name = entry.data["blob"]
    assert incident.output(name) == output.replace("\x1b[1m", "").replace("\x1b[0m", "")
    incident.close()
    assert store(tmp_path).read("1").output(name) == "line bold\n" * 60_000
    assert store(tmp_path).read("1").output("0" * 64) is None


@dataclass(frozen=True)
class Facts:
    at: object
    sql: SecretText


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        pytest.param(float("nan"), None, id="not a number"),
        pytest.param(float("inf"), None, id="infinite"),
        pytest.param(2**63, "9223372036854775808", id="an integer beyond JSON"),
        pytest.param(START, "2026-11-21T02:41:03.120Z", id="a time"),
        pytest.param({"b", "a"}, ["a", "b"], id="a set"),
        pytest.param((1, None, True), [1, None, True], id="a tuple"),
        pytest.param({1: 2}, {"1": 2}, id="keys that are no text"),
        pytest.param(b"\xff\x00", "\ufffd\\x00", id="octets"),
        pytest.param(Level.P1, "P1", id="a word"),
        pytest.param(
            Facts(START, SecretText("SELECT 'card 4111'")),
            {"at": "2026-11-21T02:41:03.120Z", "sql": "SELECT ?"},
            id="a record with a secret text",
        ),
    ],
)
async def test_any_data_is_stored_as_json(
    incident: Incident,
    value: object,
    stored: Any,
) -> None:
    entry = await incident.append(EntryKind.NOTE, "x", data={"value": value})
    assert entry.data["value"] == stored
    assert chain.verify(map(chain.line, incident.entries)).holds


async def test_data_without_end_is_bounded(incident: Incident) -> None:
    deep: list[object] = []
    deep.append(deep)
    entry = await incident.append(
        EntryKind.NOTE, "x", data={"deep": deep, "wide": range(3), "many": ["x"] * 5000}
    )
    assert len(entry.data["many"]) == sanitise.ITEMS_LIMIT
    assert len(chain.line(entry)) < 20_000


async def test_secrets_are_masked_wherever_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MASKER, "_values", set())
    MASKER.learn("s3cr3t-Pa55")
    MASKER.learn("90125671")
    incident = opened(tmp_path, title="login s3cr3t-Pa55 fails")
    data = {"s3cr3t-Pa55": ["x s3cr3t-Pa55", {"pin": 90125671}], "split": "s3cr\x1b[1m3t-Pa55"}
    await incident.append(EntryKind.NOTE, "password=s3cr3t-Pa55", target="s3cr3t-Pa55", data=data)
    name = incident.keep_output("output s3cr3t-Pa55")
    await incident.note("after")
    incident.close()
    assert store(tmp_path).read("1").output(name) == "output •••"
    octets = b"".join(path.read_bytes() for path in (tmp_path / "data").iterdir())
    assert b"s3cr3t-Pa55" not in octets
    assert b"90125671" not in octets


def test_a_word_that_was_no_secret_is_masked_once_it_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MASKER, "_values", set())
    incident = opened(tmp_path)
    before = incident.record(EntryKind.NOTE, "Tr0ub4dor", data={"Tr0ub4dor": "Tr0ub4dor"})
    assert before.text == "Tr0ub4dor"
    MASKER.learn("Tr0ub4dor")
    after = incident.record(EntryKind.NOTE, "Tr0ub4dor", data={"Tr0ub4dor": "Tr0ub4dor"})
    assert (after.text, dict(after.data)) == ("•••", {"•••": "•••"})
    incident.close()


@pytest.mark.parametrize(
    ("name", "found"),
    [
        pytest.param("2", 2, id="the number"),
        pytest.param("0002", 2, id="with zeros"),
        pytest.param("INC-{year}-0002", 2, id="the whole id"),
        pytest.param("inc-{year}-2", 2, id="in small letters"),
        pytest.param("{year}-0002", 2, id="with the year"),
    ],
)
def test_an_incident_is_found_by_a_shortened_id(tmp_path: Path, name: str, found: int) -> None:
    for title in ("one", "two"):
        opened(tmp_path, title=title).close()
    year = clock.now().year
    assert store(tmp_path).find(name.format(year=year)) == f"INC-{year}-{found:04d}"


async def test_without_an_id_the_only_open_incident_is_meant(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="no incident is open"):
        store(tmp_path).find()
    first = opened(tmp_path)
    assert store(tmp_path).find() == first.id
    second = opened(tmp_path, title="two")
    with pytest.raises(Misconfigured, match="more than one") as told:
        store(tmp_path).find()
    assert second.id in told.value.hint
    await second.set_status("closed")
    assert store(tmp_path).find() == first.id
    first.close()
    second.close()


@pytest.mark.parametrize("name", ["7", "INC-1999-0001", "../../etc/passwd", "x", "1; DROP", "٣"])
def test_an_unknown_incident_is_a_clear_error(tmp_path: Path, name: str) -> None:
    opened(tmp_path).close()
    with pytest.raises(Misconfigured, match="there is no incident"):
        store(tmp_path).find(name)


def test_the_same_number_in_two_years_is_asked_about(tmp_path: Path) -> None:
    opened(tmp_path).close()
    (path,) = (tmp_path / "data").glob("*.sqlite")
    path.with_name("INC-2001-0001.sqlite").write_bytes(path.read_bytes())
    with pytest.raises(Misconfigured, match="may be INC-2001-0001 or"):
        store(tmp_path).find("1")


def test_an_incident_needs_a_title(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="title"):
        opened(tmp_path, title=" ")
    assert store(tmp_path).list() == ()


def test_the_list_tells_who_holds_what_newest_first(tmp_path: Path) -> None:
    first, second = opened(tmp_path, title="one"), opened(tmp_path, title="two", actor="bob")
    second.close()
    told = store(tmp_path).list()
    assert [(one.title, one.holder.split(" on ")[0], one.entries) for one in told] == [
        ("two", "", 1),
        ("one", "ana", 1),
    ]
    first.close()


def test_a_journal_that_cannot_be_read_is_in_the_list_and_says_so(tmp_path: Path) -> None:
    opened(tmp_path).close()
    (path,) = (tmp_path / "data").glob("*.sqlite")
    path.write_bytes(b"no database at all" * 100)
    (summary,) = store(tmp_path).list()
    assert "cannot be read" in summary.damage
    assert not summary.open


async def test_the_commander_is_who_took_the_role_last(tmp_path: Path) -> None:
    first = opened(tmp_path)
    assert first.state.commander == "ana"
    first.close()
    second = store(tmp_path).resume("1", role=Role.TRIAGE, actor="bob")
    assert second.state.commander == "ana"
    second.close()
    third = store(tmp_path).resume("1", role=Role.COMMANDER, actor="bob")
    assert third.state.commander == "bob"
    third.close()


# Severity


@pytest.mark.parametrize(
    ("level", "opened_for", "last", "due"),
    [
        pytest.param("P0", 0, None, 20, id="the first update of a P0"),
        pytest.param("P1", 60, 60, 80, id="twenty minutes after the last"),
        pytest.param("P1", 119, 119, 139, id="just before two hours"),
        pytest.param("P1", 120, 120, 180, id="hourly after two hours"),
        pytest.param("P2", 60, None, None, id="a P2 owes none"),
    ],
)
def test_when_the_next_update_is_due(
    level: str, opened_for: int, last: int | None, due: int | None
) -> None:
    spoken = None if last is None else START + timedelta(minutes=last)
    expected = None if due is None else START + timedelta(minutes=due)
    assert next_update(Level(level), START, last_update=spoken) == expected


@pytest.mark.parametrize(
    ("level", "minutes", "expected"),
    [
        pytest.param("P0", 0, (1, 30), id="the first step"),
        pytest.param("P0", 30, (2, 60), id="at the first step's time the second is next"),
        pytest.param("P0", 239, (4, 240), id="the last step"),
        pytest.param("P0", 241, None, id="the ladder is at its end"),
        pytest.param("P1", 0, None, id="a P1 has no ladder"),
    ],
)
def test_when_the_next_escalation_is_due(
    level: str, minutes: int, expected: tuple[int, int] | None
) -> None:
    found = next_escalation(Level(level), START, now=START + timedelta(minutes=minutes))
    wanted = expected and (expected[0], START + timedelta(minutes=expected[1]))
    assert found == wanted


def test_graver_levels_are_answered_sooner() -> None:
    respond = [DUTIES[level].respond for level in Level]
    assert respond == [900, 3600, 14400, 86400]


def test_what_was_done_is_told_apart_from_what_looks_wrote_also_after_a_redaction(
    tmp_path: Path,
) -> None:
    incident = opened(tmp_path)
    incident.record(EntryKind.FINDING_OPENED, "commits wait", target="db", data={"code": "PG_X"})
    incident.record(EntryKind.STEP_OUTPUT, "killed 41", data={"intent": 9})
    said = incident.record(EntryKind.NOTE, "the word is hunter2hunter2")
    assert [entry.kind for entry in incident.done] == ["opened", "step.output", "note"]

    incident.record(EntryKind.REDACTION, "a secret", data={"redacts": said.seq})
    told = [entry for entry in incident.entries if entry.kind not in SEEN]
    assert list(incident.done) == told
    assert [entry.redacted for entry in incident.done] == [False, False, True, False]
    incident.close()

    again = resumed(tmp_path)
    assert list(again.done_earlier) == told
    assert list(again.done) == [entry for entry in again.entries if entry.kind not in SEEN]
    again.close()
