"""What the report tells of suspects: each once, by the newest word of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema
from markdown_it import MarkdownIt

from cockpit.desk.suspicion import entry_of
from cockpit.incident.said import GUILTY, INNOCENT, OPEN
from cockpit.report.postmortem import render, schema
from cockpit.report.story import gather
from cockpit.triage.changes import Change
from cockpit.triage.suspects import Suspect
from cockpit.triage.suspicion.certainty import Certainty
from cockpit.triage.suspicion.ruled_out import RuledOut
from tests.core.records import Told, entries
from tests.core.test_export import HOSTILE, Record, markdown, section

_LOOKED = datetime(2026, 11, 21, 2, 41, 30, tzinfo=UTC)
_LOCKS = ("postgres.locks",)
_TEXT, _DATA = entry_of(
    Suspect(
        rank=1,
        kind="target",
        name="cache",
        score=0.8,
        summary="KEYS took 900 ms",
        target="cache",
        verdict=Certainty.LIKELY,
        change=Change(
            at=_LOOKED, kind="elasticache.failover", target="cache", summary="to the replica"
        ),
        began=_LOOKED - timedelta(seconds=330),
        for_=("KEYS took 900 ms: RD_LAT_EXPENSIVE_CMD@cache, a cause",),
        against=("does not explain TG_NO_HEALTHY_TARGETS@tg",),
        not_examined=("queue (denied)",),
    ),
    [
        RuledOut("db", _LOCKS, at=_LOOKED, until=_LOOKED + timedelta(minutes=4)),
        RuledOut("catalog", _LOCKS, at=_LOOKED, until=_LOOKED + timedelta(minutes=4)),
        RuledOut("mail", (), at=_LOOKED, until=None, by="ana"),
    ],
)
_CACHE: Told = ("suspect", _TEXT, {**_DATA, "target": "cache"})


def _said(name: str, word: str, by: str = "ana") -> Told:
    return ("suspect", f"{name}: {word}", {"name": name, "said": word, "actor!": by})


def _told(*more: Told) -> str:
    return section(markdown(Record(entries(*more))), "Trigger and contributing factors")


def _exported(*more: Told, **how: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(render(Record(entries(*more)), format="json", **how))
    jsonschema.validate(document, schema())
    return document


def test_a_suspect_is_told_once_with_its_reasons_and_what_was_ruled_out() -> None:
    earlier: Told = ("suspect", "possible: cache – slow", {"target": "cache", "name": "cache"})
    told = _told(earlier, _CACHE)
    assert told.count("cache – ") == 1
    for words in (
        "- 02:42:03 likely: cache – KEYS took 900 ms",
        "began: 2026-11-21 02:36:00 UTC",
        "changed before: elasticache.failover on cache: to the replica",
        "for: KEYS took 900 ms: RD_LAT_EXPENSIVE_CMD@cache, a cause",
        "against: does not explain TG_NO_HEALTHY_TARGETS@tg",
        "not examined: queue (denied)",
        "`db` by `postgres.locks`, 2026-11-21 02:41:30 UTC; held until 02:45:30 unless",
    ):
        assert words in told
    assert "\n\nRuled out:\n" in told, "a list before it would go on"
    (one,) = _exported(earlier, _CACHE)["suspects"]
    assert (one["began"], one["verdict"]) == ("2026-11-21T02:36:00.000Z", "likely")


def test_what_a_person_confirmed_is_told_as_the_cause_and_by_whom() -> None:
    told = _told(_CACHE, _said("cache", GUILTY, "bob"), _said("dns", GUILTY))
    assert "Cause, as confirmed by bob at 2026-11-21 02:42:03 UTC: `cache`" in told
    assert "Cause, as confirmed by ana at 2026-11-21 02:43:03 UTC: `dns`" in told
    assert "for: KEYS took 900 ms" in told
    assert "Suspects that the cockpit named" not in told
    document = _exported(_CACHE, _said("cache", GUILTY, "bob"))
    assert document["suspects"] == []
    assert document["causes"][0]["suspected"]["for"]


def test_not_this_is_ruled_out_by_whom_and_a_word_taken_back_is_none() -> None:
    told = _told(_CACHE, _said("cache", INNOCENT, "bob"))
    assert "`cache` by bob, 2026-11-21 02:42:03 UTC\n" in told
    assert "Suspects" not in told
    told = _told(_CACHE, _said("cache", INNOCENT), _said("cache", OPEN))
    assert "likely: cache – KEYS" in told
    assert "`mail`" not in told, "what people said is told by their own entries"


def test_what_looks_found_innocent_is_no_longer_proven_after_what_was_told_of_it_later() -> None:
    later: Told = ("finding.opened", "3 sessions wait", {"code": "PG_LOCK", "target": "db"})
    rows = {each["name"]: each for each in _exported(_CACHE, later)["ruled_out"]}
    assert rows["db"]["lapsed"] == "3 sessions wait"
    assert rows["catalog"]["lapsed"] == ""
    assert "no longer proven, for later: 3 sessions wait" in _told(_CACHE, later)


def test_who_is_innocent_by_the_newest_look_is_no_suspect() -> None:
    earlier: Told = ("suspect", "possible: db – slow", {"target": "db", "name": "db"})
    assert [each["name"] for each in _exported(earlier, _CACHE)["suspects"]] == ["cache"]


def test_blameless_names_nobody_who_said_something_of_a_suspect() -> None:
    people = (("note", "hello", {"actor!": "bob", "role!": "triage"}), _CACHE)
    words = (_said("cache", GUILTY, "bob"), _said("db", INNOCENT, "bob"))
    document = _exported(*people, *words, blameless=True)
    assert "bob" not in json.dumps(document)
    assert document["causes"][0]["confirmed_by"] == "commander"
    assert document["ruled_out"][0]["by"] == "commander"
    assert document["journal"]["entries"][0]["text"] == "hello", "it was not redacted"


def test_hostile_words_on_a_suspect_stay_text() -> None:
    data = {"name": HOSTILE, "for": [HOSTILE], "change": HOSTILE, "against": "no list", "began": 3}
    hostile: Told = ("suspect", HOSTILE, {**data, "ruled_out": ["db", {"target": HOSTILE}]})
    told = markdown(Record(entries(hostile, _said(HOSTILE, GUILTY), hostile)))
    tokens = [token.type for token in MarkdownIt("gfm-like").parse(told)]
    assert "html_block" not in tokens
    kinds = {
        child.type
        for token in MarkdownIt("gfm-like").parse(told)
        for child in token.children or ()
        if "entry-" not in child.content
    }
    assert not kinds & {"image", "s_open"}
    (cause,) = gather("INC-2026-0001", entries(hostile, _said(HOSTILE, GUILTY))).suspicion.causes
    assert cause.suspected is not None
    assert (cause.suspected.against, cause.suspected.began) == ((), None)
