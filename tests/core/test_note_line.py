from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cockpit.errors import Misconfigured
from cockpit.incident.entry import EntryKind
from cockpit.incident.note_line import Span, milestone, parse, span

NOW = datetime(2026, 11, 21, 3, 5, tzinfo=UTC)


def at(hour: int, minute: int, second: int = 0, *, day: int = 21) -> datetime:
    return datetime(2026, 11, day, hour, minute, second, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("02:40", Span(at(2, 40)), id="a time of day"),
        pytest.param("2:40", Span(at(2, 40)), id="one digit"),
        pytest.param("02:40:30Z", Span(at(2, 40, 30)), id="seconds"),
        pytest.param("23:50", Span(at(23, 50, day=20)), id="yesterday evening"),
        pytest.param("2026-11-20T23:50:00+01:00", Span(at(22, 50, day=20)), id="another zone"),
        pytest.param("02:30..02:40", Span(at(2, 30), at(2, 40)), id="a range"),
        pytest.param("23:50..00:10", Span(at(23, 50, day=20), at(0, 10)), id="over midnight"),
        pytest.param(
            "23:50..2026-11-19T00:10:00Z",
            Span(at(23, 50, day=18), at(0, 10, day=19)),
            id="a time of day before a date",
        ),
    ],
)
def test_a_time_is_read(text: str, expected: Span) -> None:
    assert span(text, NOW) == expected


@pytest.mark.parametrize("text", ["", "noon", "25:00", "02:61", "02:40..", "..02:40", "2026-11-21"])
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(Misconfigured, match="is not a time") as caught:
        span(text, NOW)
    assert "02:40" in caught.value.hint


@pytest.mark.parametrize(
    ("line", "kind", "text", "data"),
    [
        pytest.param(" support calls ", EntryKind.NOTE, "support calls", {}, id="a note"),
        pytest.param("TODO add an alarm", EntryKind.TODO, "add an alarm", {}, id="an action item"),
        pytest.param("!! it is back", EntryKind.NOTE, "!! it is back", {}, id="a shout"),
        pytest.param("! look here", EntryKind.NOTE, "! look here", {}, id="a mark alone"),
        pytest.param(
            "!impact_start 02:40 support calls",
            EntryKind.MILESTONE,
            "impact start: support calls",
            {"milestone": "impact_start", "when": "2026-11-21T02:40:00.000Z"},
            id="a milestone",
        ),
        pytest.param(
            "!Impact-Start 02:30..02:40",
            EntryKind.MILESTONE,
            "impact start",
            {
                "milestone": "impact_start",
                "when": "2026-11-21T02:30:00.000Z",
                "until": "2026-11-21T02:40:00.000Z",
            },
            id="a range without words",
        ),
        pytest.param(
            "!detected 5xx alarm",
            EntryKind.MILESTONE,
            "detected: 5xx alarm",
            {"milestone": "detected", "when": "2026-11-21T03:05:00.000Z"},
            id="now",
        ),
        pytest.param(
            "!detected 500 errors",
            EntryKind.MILESTONE,
            "detected: 500 errors",
            {"milestone": "detected", "when": "2026-11-21T03:05:00.000Z"},
            id="a number that is no time",
        ),
    ],
)
def test_a_line_is_read(line: str, kind: EntryKind, text: str, data: dict[str, str]) -> None:
    read = parse(line, NOW)
    assert (read.kind, read.text, dict(read.data)) == (kind, text, data)


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        pytest.param(
            "!impact 02:40", "unknown milestone 'impact'", "mean impact_start?", id="a short name"
        ),
        pytest.param(
            "!mitigate 02:40", "unknown milestone 'mitigate'", "mean mitigated?", id="a near name"
        ),
        pytest.param("!lunch", "unknown milestone 'lunch'", "one of impact_start, ", id="no name"),
        pytest.param("!detected 2.40 calls", "'2.40' is not a time", "02:40", id="a point in it"),
        pytest.param("!detected 0240", "'0240' is not a time", "02:40", id="no colon"),
        pytest.param("!detected 2:40pm", "'2:40pm' is not a time", "02:40", id="afternoon"),
        pytest.param(
            "!detected 2026-11-21T02:40:00Z..2026-11-21T02:30:00Z",
            "ends before it begins",
            "",
            id="a range backwards",
        ),
        pytest.param(
            "!detected 02:40..02:30", "ends before it begins", "12 h", id="times of day backwards"
        ),
    ],
)
def test_a_line_that_would_be_recorded_wrongly_is_refused(
    line: str, message: str, hint: str
) -> None:
    with pytest.raises(Misconfigured, match=message) as caught:
        parse(line, NOW)
    assert hint in caught.value.hint


def test_a_note_tells_of_one_time() -> None:
    with pytest.raises(Misconfigured, match="not of a range"):
        parse("support calls", NOW, Span(at(2, 30), at(2, 40)))


def test_a_name_alone_is_enough_for_a_milestone() -> None:
    assert milestone("resolved", Span(NOW)).text == "resolved"
