from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from cockpit.incident import chain
from cockpit.incident.entry import (
    BODY,
    GENESIS,
    BadEntry,
    Entry,
    EntryKind,
    from_json,
    to_json,
    without_body,
)
from tests.core.records import START, Told, entries, lines


def among(stored: list[str]) -> chain.ChainFault | None:
    """The fault as a journal that is taken up again tells it."""
    read = [chain.parse_stored(text) for text in stored]
    return chain.fault_among([entry for entry, _ in read], [proved for _, proved in read])


TOLD: list[Told] = [
    ("opened", "checkout returns 5xx"),
    *[("note", f"note {n}") for n in range(2, 9)],
]

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text('ab"{}:,é', max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.dictionaries(st.text("digestko", max_size=6), JSON, max_size=4),
)
def test_an_entry_survives_its_line_and_holds(text: str, data: dict[str, Any]) -> None:
    (entry,) = entries(("note", text, data))
    again = chain.parse_line(chain.line(entry))
    assert to_json(again) == to_json(entry)
    assert chain.line(again) == chain.line(entry)
    assert chain.verify([chain.line(entry)]).holds
    assert chain.parse_stored(chain.line(entry)) == (again, True)


@given(st.dictionaries(st.text(max_size=3), JSON | st.floats(0, 1e-3) | st.floats(1e15, 1e22)))
@example({"\U0001f600": 1, "\ufb33": 2})
@example({"a": -0.0, "b": 1e-7, "c": 1e21, "d": 5e-324, "e": 2.0**53, "f": 100.0, "g": 0.1 + 0.2})
def test_the_canonical_form_is_that_of_the_library(members: dict[str, Any]) -> None:
    assert chain.canonical(members) == rfc8785.dumps(members)


@pytest.mark.parametrize("value", [2**53, float("nan"), "\ud800", {1: 2}, object()])
def test_what_json_is_not_has_no_canonical_form(value: object) -> None:
    with pytest.raises(BadEntry):
        chain.canonical({"a": [value]})


def test_what_is_made_of_an_entry_is_spelled_anew() -> None:
    (entry,) = entries(("note", "the card 4111"))
    assert entry.stored == (chain.head(entry), chain.body(entry))
    assert "4112" in chain.line(replace(entry, text="the card 4112"))
    assert chain.body(without_body(entry)) is None


@given(
    st.integers(0, 7),
    st.sampled_from(
        [
            "at",
            "actor",
            "role",
            "kind",
            "target",
            "text",
            "host",
            "mono",
            "seq",
            "salt",
            "previous",
            "digest",
            "data",
        ]
    ),
)
def test_a_changed_member_is_found_at_its_entry(place: int, member: str) -> None:
    stored = lines(entries(*TOLD))
    members = json.loads(stored[place])
    value = members[member]
    swaps = {"at": "2026-11-21T02:41:04.120Z", "kind": "todo", "data": {"new": 1}}
    if member in swaps:
        members[member] = swaps[member]
    elif isinstance(value, str):
        members[member] = ("1" if value[:1] != "1" else "2") + value[1:]
    else:
        members[member] = value + 1
    stored[place] = json.dumps(members)
    verdict = chain.verify(stored)
    assert verdict.fault is not None
    assert verdict.fault.place == place + 1
    assert among(stored) == verdict.fault
    assert verdict.entries == place


@pytest.mark.parametrize(
    ("change", "place"),
    [
        pytest.param(lambda s: s.pop(3), 4, id="one removed"),
        pytest.param(lambda s: s.insert(3, s[3]), 5, id="one twice"),
        pytest.param(lambda s: s.__setitem__(slice(2, 4), [s[3], s[2]]), 3, id="two swapped"),
        pytest.param(lambda s: s.pop(0), 1, id="the first removed"),
        pytest.param(lambda s: s.insert(0, "{}"), 1, id="an empty object in front"),
        pytest.param(lambda s: s.append("not JSON"), 9, id="garbage behind"),
        pytest.param(lambda s: s.append(s[7][:-9]), 9, id="a line cut short"),
        pytest.param(
            lambda s: s.__setitem__(2, s[2].replace('"text"', '"text":"x","text"')),
            3,
            id="a member twice",
        ),
        pytest.param(
            lambda s: s.__setitem__(2, s[2].replace('"mono":220', '"mono":NaN')),
            3,
            id="not a number",
        ),
        pytest.param(
            lambda s: s.__setitem__(2, s[2].replace('"seq":3', '"seq":true')),
            3,
            id="a boolean for a number",
        ),
        pytest.param(lambda s: s.__setitem__(2, "[" * 100_000), 3, id="nested without end"),
        pytest.param(
            lambda s: s.__setitem__(2, s[2][:-1] + ',"more":1}'), 3, id="an unknown member"
        ),
    ],
)
def test_what_was_done_to_the_lines_is_found_at_the_first_of_them(
    change: Callable[[list[str]], object], place: int
) -> None:
    stored = lines(entries(*TOLD))
    change(stored)
    verdict = chain.verify(stored)
    assert not verdict.holds
    assert verdict.fault is not None
    assert verdict.fault.place == place


def test_whole_lines_cut_from_the_end_show_only_against_a_head() -> None:
    stored = lines(entries(*TOLD))
    head = json.loads(stored[-1])["digest"]
    assert chain.verify(stored[:-2]).holds
    assert not chain.verify(stored[:-2], head).holds
    fault = chain.verify(stored[:-2], head).fault
    assert fault is not None
    assert "cut or rewritten" in fault.why


def test_a_rewritten_journal_holds_by_itself_but_not_against_a_head() -> None:
    head = entries(*TOLD)[-1].digest
    rewritten = lines(entries(*TOLD[:-1], ("note", "another end")))
    assert chain.verify(rewritten).holds
    assert not chain.verify(rewritten, head).holds


def test_an_earlier_head_anchors_what_came_before_it() -> None:
    chained = entries(*TOLD)
    verdict = chain.verify(lines(chained), chained[4].digest[: chain.SHORTEST_HEAD].upper())
    assert verdict.holds
    assert verdict.anchor == 5


def test_too_short_a_head_anchors_nothing() -> None:
    chained = entries(*TOLD)
    assert not chain.verify(lines(chained), chained[4].digest[: chain.SHORTEST_HEAD - 1]).holds


def test_nothing_holds_and_has_no_head() -> None:
    verdict = chain.verify([])
    assert verdict.holds
    assert (verdict.entries, verdict.head) == (0, "")


def forged(place: int, **changed: Any) -> list[str]:
    """The lines with one entry as an attacker who has the code makes it: whatever is marked as
    redacted keeps its digest, and so its place in the chain; a later entry vouches for it.
    """
    chained = entries(*TOLD[:-1], format=1)
    bare = replace(chained[place], text="", data={"redacted": True}, salt="")
    made = replace(bare, **changed)
    form = hashlib.sha256(chain.canonical(to_json(made))).hexdigest()
    by = ("redaction", "a card number", {"seq": place + 1, "form": form})
    whole = entries(*TOLD[:-1], by, format=1)
    whole[place] = made
    return lines(whole)


@pytest.mark.parametrize("place", [0, 2, 6], ids=["the first", "one inside", "the last told"])
@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({}, id="an empty entry"),
        pytest.param({"text": "eve did it"}, id="another text"),
        pytest.param({"actor": "eve"}, id="another actor"),
        pytest.param({"at": START + timedelta(days=1)}, id="another time"),
        pytest.param({"kind": EntryKind.STEP_OUTCOME}, id="another kind"),
        pytest.param({"target": "orders-db"}, id="another target"),
        pytest.param({"data": {"redacted": True, "outcome": "ok"}}, id="other data"),
    ],
)
def test_an_entry_that_is_marked_as_redacted_does_not_hold(
    place: int, changed: dict[str, Any]
) -> None:
    stored = forged(place, **changed)
    head = json.loads(stored[-1])["digest"]
    for verdict in (chain.verify(stored), chain.verify(stored, head)):
        assert not verdict.holds
        assert verdict.fault is not None
        assert (verdict.fault.place, verdict.entries) == (place + 1, place)
        assert "marked as redacted" in verdict.fault.why


def test_an_entry_that_is_marked_as_redacted_is_refused_also_with_its_own_digest() -> None:
    """It could hide what it says from the readers."""
    (one,) = entries(("note", "x", {"redacted": True}), salt="", format=1)
    with pytest.raises(BadEntry, match="marked as redacted"):
        chain.parse_line(chain.line(one))


def test_the_same_text_never_gives_the_same_digest_by_its_salt() -> None:
    (one,) = entries(("note", "4711"))
    assert chain.sealed(replace(one, salt="00" * 16)).digest != one.digest


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param([], id="a list"),
        pytest.param({}, id="nothing in it"),
        pytest.param(
            {**to_json(entries(("note", "x"))[0]), "kind": "gossip"}, id="an unknown kind"
        ),
        pytest.param({**to_json(entries(("note", "x"))[0]), "at": "yesterday"}, id="no time"),
        pytest.param(
            {**to_json(entries(("note", "x"))[0]), "at": "2026-11-21T02:41:03"}, id="no zone"
        ),
        pytest.param({**to_json(entries(("note", "x"))[0]), "data": []}, id="data is a list"),
    ],
)
def test_what_is_no_entry_is_refused(stored: list[Any] | dict[str, Any]) -> None:
    with pytest.raises(BadEntry):
        from_json(stored)


# Two digests: what an attacker with the file, the code and an hour can do


BEFORE: list[Told] = [
    ("opened", "checkout returns 5xx", {"severity": "P1"}),
    ("note", "the card is 4111 1111 1111 1111"),
    ("step.intent", "terminate_backend(4242)"),
    ("step.outcome", "terminated", {"intent": 3, "outcome": "ok"}),
    ("note", "support calls"),
    ("redaction", "a card number", {"redacts": 2}),
    ("note", "all is well"),
]


def before() -> list[Entry]:
    """A journal with a redaction in it, as the store has it."""
    return chain.redacted(entries(*BEFORE))


def resealed(chained: list[Entry], start: int) -> list[Entry]:
    """The chain made anew from an entry on, as who has the code makes it."""
    found = chained[:start]
    for entry in chained[start:]:
        previous = found[-1].digest if found else GENESIS
        linked = replace(entry, seq=len(found) + 1, previous=previous)
        if linked.redacted:
            found.append(replace(linked, digest=chain.digest_of(to_json(linked))))
        else:
            found.append(chain.sealed(linked))
    return found


def test_a_redacted_journal_holds_against_every_head_of_before_and_after() -> None:
    whole, stored = entries(*BEFORE), lines(before())
    assert "4111" not in "".join(stored)
    for entry in whole:
        verdict = chain.verify(stored, entry.digest)
        assert verdict.holds
        assert verdict.anchor == entry.seq
        assert [(one.seq, one.by.seq, one.by.text) for one in verdict.redactions] == [
            (2, 6, "a card number")
        ]


MEMBERS = {
    "at": "2026-11-21T03:00:00.000Z",
    "mono": 1.5,
    "boot": "x",
    "host": "x",
    "actor": "eve",
    "role": "triage",
    "kind": "todo",
    "target": "x",
    "links": {"outcome": "failed"},
    "seal": "0" * 64,
    "format": 3,
    "text": "x",
    "data": {"outcome": "failed"},
    "salt": "00" * 16,
    "seq": 99,
    "previous": "0" * 64,
    "digest": "0" * 64,
}


@pytest.mark.parametrize("member", MEMBERS)
@pytest.mark.parametrize("place", range(len(BEFORE)))
def test_no_member_of_no_entry_can_be_changed_redacted_ones_too(place: int, member: str) -> None:
    stored = lines(before())
    made = json.loads(stored[place])
    made[member] = MEMBERS[member]
    if json.loads(stored[place]).get(member) == MEMBERS[member]:
        made[member] = "1" * 64  # the first names the genesis already
    stored[place] = json.dumps(made)
    for entry in entries(*BEFORE):
        verdict = chain.verify(stored, entry.digest)
        assert not verdict.holds
        assert verdict.fault is not None
        # without the redaction the first that does not hold is what it named
        assert verdict.fault.place == (2 if "no redaction" in verdict.fault.why else place + 1)
        assert "no redaction" not in verdict.fault.why or place == 5


REWRITES = [
    pytest.param(lambda e: replace(e, text="eve did it"), id="another text"),
    pytest.param(lambda e: replace(e, actor="eve"), id="another actor"),
    pytest.param(lambda e: replace(e, at=START + timedelta(days=1)), id="another time"),
    pytest.param(lambda e: replace(e, kind=EntryKind.TODO), id="another kind"),
    pytest.param(lambda e: replace(e, target="orders-db"), id="another target"),
    pytest.param(lambda e: replace(e, data={"outcome": "failed"}), id="other data"),
    pytest.param(
        lambda e: replace(e, format=1, seal="", salt=e.salt or "5a" * 16), id="an older format"
    ),
]


@pytest.mark.parametrize("change", REWRITES)
@pytest.mark.parametrize("place", range(len(BEFORE)))
def test_who_rewrites_all_that_follows_is_caught_by_every_head_from_there_on(
    place: int, change: Callable[[Entry], Entry]
) -> None:
    chained = before()
    chained[place] = change(chained[place])
    if chained[place].redacted:
        chained[place] = replace(chained[place], salt="5a" * 16)  # a body of his own
    stored = lines(resealed(chained, place))
    for entry in before()[place:]:
        assert not chain.verify(stored, entry.digest).holds
        assert chain.verify(stored, entry.digest).anchor is None


@pytest.mark.parametrize("place", range(len(BEFORE)))
def test_order_and_tail_are_caught_by_every_head_from_there_on(place: int) -> None:
    chained = before()
    swapped = [*chained[:place], *reversed(chained[place:])]
    for made in (chained[:place], chained[:place] + chained[place + 1 :], swapped):
        if made == chained:
            continue
        for stored in (lines(made), lines(resealed(made, place))):
            for entry in chained[place:]:
                assert not chain.verify(stored, entry.digest).holds


@pytest.mark.parametrize("place", [0, 2, 3, 4, 6])
def test_a_body_that_nobody_redacted_is_missed(place: int) -> None:
    chained = before()
    chained[place] = without_body(chained[place])
    verdict = chain.verify(lines(chained), chained[-1].digest)
    assert not verdict.holds
    assert verdict.fault is not None
    assert verdict.fault.place == place + 1
    assert "no redaction names it" in verdict.fault.why


@pytest.mark.parametrize(
    ("place", "names"),
    [
        pytest.param(4, 5, id="itself"),
        pytest.param(4, 7, id="a later one"),
        pytest.param(4, True, id="no number"),
    ],
)
def test_a_redaction_names_only_what_was_before_it(place: int, names: object) -> None:
    told: list[Told] = [*BEFORE[:4], ("redaction", "x", {"redacts": names}), *BEFORE[5:]]
    chained = chain.redacted(entries(*told))
    chained[place] = without_body(chained[place])
    chained[6] = without_body(chained[6])
    assert not chain.verify(lines(chained)).holds


def test_a_body_that_comes_back_after_its_redaction_is_told() -> None:
    verdict = chain.verify(lines(entries(*BEFORE)))
    assert verdict.fault is not None
    assert verdict.fault.place == 2
    assert "was redacted by entry 6, but its text is there" in verdict.fault.why


def test_a_redaction_leaves_what_other_entries_mean_something_by() -> None:
    outcome = entries(*BEFORE)[3]
    bare = chain.parse_line(chain.line(without_body(outcome)))
    assert bare.data == {"intent": 3, "outcome": "ok"}
    assert bare.text == "(redacted)"
    assert "terminated" not in chain.line(bare)


@pytest.mark.parametrize("left", ["text", "data", "salt"])
def test_a_body_is_there_as_a_whole_or_not_at_all(left: str) -> None:
    members = to_json(entries(*BEFORE)[1])
    kept = {name: v for name, v in members.items() if name == left or name not in BODY}
    with pytest.raises(BadEntry, match="missing"):
        from_json(kept)


def test_what_a_redaction_leaves_is_words_never_a_text() -> None:
    members = to_json(without_body(entries(*BEFORE)[3]))
    for links in ({"outcome": "x" * 101}, {"reason": "x"}, {"outcome": ["x"]}):
        with pytest.raises(BadEntry, match="more than a redaction leaves"):
            from_json({**members, "links": links})


# Journals of 0.1


def test_a_journal_of_01_holds_by_its_own_rules_and_goes_on_in_format_2() -> None:
    old = entries(*BEFORE[:4], format=1)
    assert set(to_json(old[0])) == {
        "seq", "at", "mono", "boot", "host", "actor", "role", "kind", "target", "text", "data",
        "salt", "previous", "digest",
    }  # fmt: skip
    mixed = [*old, chain.sealed(replace(entries(*BEFORE)[4], previous=old[-1].digest))]
    verdict = chain.verify(lines(mixed), old[2].digest)
    assert (verdict.holds, verdict.entries, verdict.old) == (True, 5, 4)
    with pytest.raises(BadEntry, match="its one digest needs its text"):
        without_body(old[1])


def test_a_line_that_01_wrote_holds_octet_for_octet() -> None:
    line = (
        '{"actor":"ana","at":"2026-11-21T02:41:03.120Z","boot":"b","data":{"when":'
        '"2026-11-21T02:40:00.000Z"},"digest":"DIGEST","host":"bastion","kind":"note","mono":100,'
        '"previous":"' + "0" * 64 + '","role":"commander","salt":"' + "5a" * 16 + '","seq":1,'
        '"target":"","text":"support calls"}'
    )
    digest = hashlib.sha256(line.replace('"digest":"DIGEST",', "").encode()).hexdigest()
    verdict = chain.verify([line.replace("DIGEST", digest)], digest)
    assert (verdict.holds, verdict.old) == (True, 1)
    assert chain.line(chain.parse_line(line.replace("DIGEST", digest))) == line.replace(
        "DIGEST", digest
    )


def test_entries_that_are_read_share_their_names_and_short_words() -> None:
    told: dict[str, Any] = {
        "code": "PG_LOCK_BLOCKED",
        "evidence": [{"label": "longest", "value": 1}],
    }
    one, other = (
        chain.parse_line(text) for text in lines(entries(("note", "x", told), ("note", "y", told)))
    )
    assert one.data == told
    for first, second in (
        (one.data["code"], other.data["code"]),
        (next(iter(one.data)), next(iter(other.data))),
        (next(iter(one.data["evidence"][0])), next(iter(other.data["evidence"][0]))),
        (one.digest, other.previous),
    ):
        assert first is second
