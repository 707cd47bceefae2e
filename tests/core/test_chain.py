from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cockpit.incident import chain
from cockpit.incident.entry import BadEntry, EntryKind, from_json, to_json
from tests.core.records import START, entries, lines

TOLD = [("opened", "checkout returns 5xx"), *[("note", f"note {n}") for n in range(2, 9)]]

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
    change: Callable[..., Any], place: int
) -> None:
    stored = lines(entries(*TOLD))
    change(stored)
    verdict = chain.verify(stored)
    assert not verdict.holds
    assert verdict.fault.place == place


def test_whole_lines_cut_from_the_end_show_only_against_a_head() -> None:
    stored = lines(entries(*TOLD))
    head = json.loads(stored[-1])["digest"]
    assert chain.verify(stored[:-2]).holds
    assert not chain.verify(stored[:-2], head).holds
    assert "cut or rewritten" in chain.verify(stored[:-2], head).fault.why


def test_a_rewritten_journal_holds_by_itself_but_not_against_a_head() -> None:
    head = entries(*TOLD)[-1].digest
    rewritten = lines(entries(*TOLD[:-1], ("note", "another end")))
    assert chain.verify(rewritten).holds
    assert not chain.verify(rewritten, head).holds


def test_an_earlier_head_anchors_what_came_before_it() -> None:
    chained = entries(*TOLD)
    verdict = chain.verify(lines(chained), chained[4].digest[:12].upper())
    assert verdict.holds
    assert verdict.anchor == 5


def test_too_short_a_head_anchors_nothing() -> None:
    chained = entries(*TOLD)
    assert not chain.verify(lines(chained), chained[4].digest[:11]).holds


def test_nothing_holds_and_has_no_head() -> None:
    verdict = chain.verify([])
    assert verdict.holds
    assert (verdict.entries, verdict.head) == (0, "")


def forged(place: int, **changed: Any) -> list[str]:
    """The lines with one entry as an attacker who has the code makes it: whatever is marked as
    redacted keeps its digest, and so its place in the chain; a later entry vouches for it.
    """
    chained = entries(*TOLD[:-1])
    bare = replace(chained[place], text="", data={"redacted": True}, salt="")
    made = replace(bare, **changed)
    form = hashlib.sha256(chain.canonical(to_json(made))).hexdigest()
    whole = entries(*TOLD[:-1], ("redaction", "a card number", {"seq": place + 1, "form": form}))
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
        assert (verdict.fault.place, verdict.entries) == (place + 1, place)
        assert "marked as redacted" in verdict.fault.why


def test_an_entry_that_is_marked_as_redacted_is_refused_also_with_its_own_digest() -> None:
    """It could hide what it says from the readers."""
    (one,) = entries(("note", "x", {"redacted": True}), salt="")
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
