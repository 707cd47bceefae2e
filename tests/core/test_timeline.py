from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cockpit.incident import chain
from cockpit.incident.entry import EntryKind
from cockpit.incident.timeline import LOOKS, MACHINE, EntryGroup, continued, timeline
from tests.core.records import START, Told, entries

TOLD: list[Told] = [
    ("opened", "checkout returns 5xx"),
    ("finding.opened", "97 of 100 connections", {"severity": "critical", "target": "orders-db"}),
    ("note", "support calls"),
    ("step.intent", "terminate_backend(4242)", {"target": "orders-db"}),
    ("step.output", "one row"),
    ("step.outcome", "terminated", {"intent": 4, "outcome": "ok"}),
    ("sweep", "41 probes"),
]


def test_every_kind_has_a_look() -> None:
    assert set(LOOKS) == set(EntryKind)
    assert all(len(look.glyph) == 1 and look.word for look in LOOKS.values())


def test_the_timeline_leaves_out_what_shows_elsewhere() -> None:
    assert [row.word for row in timeline(entries(*TOLD))] == [
        "opened",
        "finding",
        "note",
        "step",
        "outcome",
    ]
    assert len(timeline(entries(*TOLD), everything=True)) == len(TOLD)


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        pytest.param({"kinds": [EntryKind.NOTE]}, ["note"], id="a kind"),
        pytest.param({"groups": [EntryGroup.STEPS]}, ["step", "outcome"], id="a group"),
        pytest.param(
            {"kinds": [EntryKind.NOTE], "groups": [EntryGroup.FINDINGS]},
            ["finding", "note"],
            id="either",
        ),
        pytest.param({"kinds": [EntryKind.SWEEP]}, ["sweep"], id="a quiet kind that was asked for"),
        pytest.param({"pinned": True}, [], id="nothing is pinned"),
    ],
)
def test_a_filter_shows_what_it_names(chosen: dict[str, Any], expected: list[str]) -> None:
    assert [row.word for row in timeline(entries(*TOLD), **chosen)] == expected


def test_a_finding_is_told_by_the_machine_with_its_severity_and_target() -> None:
    row = timeline(entries(*TOLD))[1]
    assert (row.actor, row.severity, row.target) == (MACHINE, "critical", "orders-db")


def test_a_step_shows_how_it_ended() -> None:
    row = next(row for row in timeline(entries(*TOLD)) if row.kind is EntryKind.STEP_INTENT)
    assert row.outcome == "ok"


def test_a_step_without_an_outcome_is_unknown() -> None:
    row = timeline(entries(("step.intent", "restart")))[0]
    assert row.outcome == "unknown"


@pytest.mark.parametrize(
    ("corrections", "text"),
    [
        pytest.param([], "5 of 6", id="none"),
        pytest.param([("4 of 6", 1)], "4 of 6", id="one"),
        pytest.param([("4 of 6", 1), ("3 of 6", 1)], "3 of 6", id="the newest wins"),
        pytest.param([("4 of 6", 1), ("3 of 6", 2)], "3 of 6", id="a correction of the correction"),
        pytest.param([("4 of 6", 77)], "5 of 6", id="of an entry that is not there"),
    ],
)
def test_a_correction_shows_at_the_entry_that_it_corrects(
    corrections: list[tuple[str, int]], text: str
) -> None:
    stored = entries(
        ("note", "5 of 6"), *[("correction", t, {"corrects": n}) for t, n in corrections]
    )
    row = timeline(stored)[0]
    assert row.text == text
    assert row.corrected == (text != "5 of 6")
    assert row.original == ("5 of 6" if row.corrected else "")


def test_pins_hold_until_they_are_taken_away() -> None:
    pinned: list[Told] = [*TOLD, ("pin", "", {"pins": 3}), ("pin", "", {"pins": 5})]
    assert [row.seq for row in timeline(entries(*pinned), pinned=True)] == [3, 5]
    unpinned: list[Told] = [*pinned, ("pin", "", {"pins": 3, "pinned": False})]
    assert [row.seq for row in timeline(entries(*unpinned), pinned=True)] == [5]


def test_what_happened_earlier_stands_earlier_and_is_marked() -> None:
    early = (START - timedelta(minutes=5)).isoformat()
    rows = timeline(entries(("opened", "x"), ("note", "first complaint", {"when": early})))
    assert [(row.text, row.late) for row in rows] == [("first complaint", True), ("x", False)]


@pytest.mark.parametrize("when", ["yesterday", "", 5, None, "2026-11-21T02:41:03"])
def test_a_time_that_cannot_be_read_falls_back_to_the_writing(when: str | int | None) -> None:
    assert timeline(entries(("note", "x", {"when": when})))[0].at == START


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({"corrects": "1"}, id="text for a number"),
        pytest.param({"pins": [1]}, id="a list for a number"),
        pytest.param({"intent": {"a": 1}, "outcome": 3}, id="an object for a number"),
    ],
)
@pytest.mark.parametrize("kind", ["correction", "pin", "step.outcome"])
def test_odd_data_never_stops_the_timeline(kind: str, data: dict[str, Any]) -> None:
    assert timeline(entries(("note", "x"), (kind, "y", data)))[0].text == "x"


def test_ten_thousand_rows_are_folded_quickly() -> None:
    import time

    stored = entries(
        *[("finding.opened", f"finding {n}", {"severity": "high"}) for n in range(10_000)]
    )
    began = time.process_time()
    assert len(timeline(stored)) == 10_000
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize(
    "later",
    [
        pytest.param([("note", "second")], id="a note"),
        pytest.param([("note", "before", {"when": "2026-11-21T02:00:00.000Z"})], id="told of earlier"),
        pytest.param([("correction", "better", {"corrects": 1})], id="a correction of what is shown"),
        pytest.param([("pin", "pinned", {"pins": 2, "pinned": True})], id="a pin"),
        pytest.param([("step.outcome", "done", {"intent": 2, "outcome": "ok"})], id="an outcome"),
        pytest.param([("step.intent", "again"), ("sweep", "quiet")], id="a step that is under way"),
        pytest.param([], id="nothing"),
    ],
)  # fmt: skip
def test_a_timeline_that_goes_on_is_the_timeline_of_all(
    later: list[Told],
) -> None:
    told: list[Told] = [("note", "first"), ("step.intent", "terminate")]
    everything = entries(*told, *later)
    for known in range(len(everything) + 1):
        rows = timeline(everything[:known])
        assert continued(rows, everything, known=known) == timeline(everything)


SET_BACK: list[Told] = [
    ("opened", "x"),
    ("step.intent", "terminate", {"at!": START + timedelta(minutes=10)}),
    ("step.outcome", "terminated", {"intent": 2, "outcome": "ok", "at!": START}),
    ("note", "told of earlier", {"when": "2026-11-21T02:00:00.000Z"}),
    ("sweep", "41 probes", {"at!": START + timedelta(hours=9)}),
    ("note", "goes on", {"at!": START + timedelta(seconds=1)}),
    ("note", "later", {"at!": START + timedelta(minutes=11)}),
]


def test_where_the_clock_was_set_back_the_order_is_that_of_writing_and_it_is_marked() -> None:
    rows = timeline(entries(*SET_BACK))
    assert [(row.text, row.clock_back) for row in rows] == [
        ("told of earlier", 0.0),
        ("x", 0.0),
        ("terminate", 0.0),
        ("terminated", 600.0),
        ("goes on", 0.0),
        ("later", 0.0),
    ]
    assert rows[3].at == START, "the time is the one that the clock said"


def test_a_timeline_goes_on_over_a_clock_that_was_set() -> None:
    everything = entries(*SET_BACK)
    for known in range(len(everything) + 1):
        rows = timeline(everything[:known])
        assert continued(rows, everything, known=known) == timeline(everything)


def test_a_clock_that_is_slewed_by_less_than_a_second_is_not_marked() -> None:
    back = START - timedelta(milliseconds=900)
    rows = timeline(entries(("note", "x"), ("note", "y", {"at!": back})))
    assert [(row.text, row.clock_back) for row in rows] == [("x", 0.0), ("y", 0.0)]


def test_a_redacted_row_names_who_took_it_out_and_why() -> None:
    told: list[Told] = [*TOLD, ("redaction", "a card number", {"redacts": 3})]
    rows = {row.seq: row for row in timeline(chain.redacted(entries(*told)))}
    assert (rows[3].text, rows[3].redacted) == ("redacted by entry 8: a card number", 8)
    assert rows[8].text == "a card number"


def test_a_redaction_takes_nothing_from_what_others_said() -> None:
    told: list[Told] = [
        *TOLD,
        ("correction", "support calls twice", {"corrects": 3}),
        ("redaction", "a name", {"redacts": 8}),
        ("redaction", "a command line", {"redacts": 6}),
    ]
    rows = {row.seq: row for row in timeline(chain.redacted(entries(*told)))}
    assert rows[3].text == "support calls (its correction was redacted)"
    assert rows[4].outcome == "ok"
