from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from cockpit.errors import Misconfigured
from cockpit.incident import chain
from cockpit.incident.entry import REDACTED, Entry, EntryKind
from cockpit.redact import MASKER
from cockpit.report.markdown import code, escaped
from cockpit.report.postmortem import pieces, render, schema
from cockpit.report.story import _ended, gather
from tests.core.records import START, Told, entries

HOSTILE = "a|b `c` <script>x</script> [l](http://e) ![i](http://e) **x** # y ~~z~~ www.evil.example $m$ &amp; \\"


@dataclass
class Record:
    entries: list[Entry]
    id: str = "INC-2026-0042"


def story(*more: Any) -> Record:
    return Record(
        entries(
            ("opened", "checkout returns 5xx", {"severity": "P1", "environment": "prod"}),
            ("milestone", "detected: alarm", {"milestone": "detected"}),
            (
                "finding.opened",
                "97 of 100 connections used",
                {"code": "PG_SAT_CONNECTIONS", "severity": "critical", "target": "orders-db"},
            ),
            ("blind", "PROCESS missing", {"probe": "mysql.sessions", "target": "catalog"}),
            ("change", "checkout:42 deployed", {"target": "checkout", "actor": "dave"}),
            ("suspect", "explains 4 of 5", {"target": "orders-db"}),
            ("step.intent", "terminate_backend(4242)", {"target": "orders-db"}),
            ("step.outcome", "terminated", {"intent": 7, "outcome": "ok"}),
            ("step.intent", "ecs.UpdateService", {"target": "checkout"}),
            ("note", "bob found it, thanks Bob", {"actor!": "bob", "role!": "triage"}),
            ("todo", "alarm on idle transactions @carol by 2026-12-01"),
            ("note", "well: the lock tree"),
            ("note", "lucky: it was Saturday"),
            (
                "finding.cleared",
                "connections fine",
                {"code": "PG_SAT_CONNECTIONS", "target": "orders-db"},
            ),
            *more,
        )
    )


def markdown(record: Record, **more: Any) -> str:
    return render(record, format="md", at=START + timedelta(hours=1), **more)


def section(text: str, title: str) -> str:
    return text.split(f"## {title}\n")[1].split("\n## ")[0]


def test_the_draft_has_every_part_of_a_postmortem() -> None:
    titles = re.findall(r"^## (.*)$", markdown(story()), re.MULTILINE)
    assert titles == [
        "Summary",
        "Impact",
        "Timeline",
        "Trigger and contributing factors",
        "Detection",
        "Response",
        "Action items",
        "Metrics",
        "Not examined",
        "Appendix: the journal",
    ]
    subtitles = re.findall(r"^### (.*)$", markdown(story()), re.MULTILINE)
    assert subtitles == ["What went well", "What went badly", "Where we were lucky"]


@pytest.mark.parametrize(
    ("title", "words"),
    [
        pytest.param(
            "Summary", "critical: 97 of 100 connections used (until 02:54:03)", id="findings"
        ),
        pytest.param(
            "Timeline", "| 2026-11-21 02:43:03 | finding | `orders-db` 97 of 100", id="timeline"
        ),
        pytest.param(
            "Trigger and contributing factors", "`checkout` checkout:42 deployed", id="changes"
        ),
        pytest.param(
            "Trigger and contributing factors", "`orders-db` explains 4 of 5", id="suspects"
        ),
        pytest.param("Response", "`orders-db` | ana | ok: terminated", id="a step"),
        pytest.param(
            "Response", "`checkout` | ana | unknown: interrupted", id="a step without an end"
        ),
        pytest.param("Response", "- the lock tree", id="what went well"),
        pytest.param("Response", "- it was Saturday", id="luck"),
        pytest.param(
            "Action items", "| alarm on idle transactions | carol | 2026-12-01 |", id="action"
        ),
        pytest.param(
            "Metrics", "| time to acknowledge | -1m 00s | acknowledged − detected |", id="metric"
        ),
        pytest.param("Metrics", "not known: impact start", id="a metric that is not known"),
        pytest.param("Metrics", "acknowledged lies before detected", id="a violation"),
        pytest.param(
            "Not examined", "`catalog` `mysql.sessions`: PROCESS missing (still", id="blind"
        ),
    ],
)
def test_what_stands_where(title: str, words: str) -> None:
    assert words in section(markdown(story()), title).replace("\\", "")


def test_what_nobody_can_know_is_a_blank_and_nothing_asks_for_an_eta() -> None:
    text = markdown(story())
    for title in ("Summary", "Impact", "Trigger and contributing factors", "Detection"):
        assert "_(not known to the cockpit: fill in)_" in section(text, title)
    assert not re.search(r"(?i)\beta\b|estimated", text)
    assert not re.search(r"(?i)\beta\b|estimated", json.dumps(schema()))


def test_the_appendix_carries_the_head_and_the_whole_journal() -> None:
    record = story()
    appendix = section(markdown(record), "Appendix: the journal")
    assert record.entries[-1].digest in appendix
    assert "all 14 entries hold" in appendix
    assert appendix.count('<a id="entry-') == 14


def test_an_empty_journal_still_gives_a_report() -> None:
    assert "none" in markdown(Record([]))
    jsonschema.validate(json.loads(render(Record([]), format="json")), schema())


def rendered(text: str) -> str:
    return str(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text))


def test_hostile_text_stays_text_in_markdown() -> None:
    hostile = story(
        ("note", HOSTILE, {"target": HOSTILE}),
        ("todo", HOSTILE),
        ("blind", HOSTILE, {"target": HOSTILE, "probe": HOSTILE}),
        ("finding.opened", HOSTILE, {"code": HOSTILE, "severity": HOSTILE}),
        ("step.intent", HOSTILE, {"target": HOSTILE}),
        ("change", HOSTILE),
    )
    html = rendered(markdown(hostile))
    assert "<script" not in html
    assert "<img" not in html
    assert 'href="http' not in html
    tables = re.findall(r"<table>.*?</table>", html, re.DOTALL)
    for table in tables:
        widths = {row.count("<td") for row in re.findall(r"<tr>.*?</tr>", table, re.DOTALL)[1:]}
        assert len(widths) == 1


TEXT = st.text(st.sampled_from(list("ab1 .)-+=:#>*_`|<>[]()!~&;\\/@$^{}é\n\t")), max_size=30)


@given(TEXT)
def test_escaped_text_reads_as_it_was_and_marks_nothing_up(text: str) -> None:
    line = escaped(text)
    shown = rendered(f"- {line}\n").replace("\n", "")
    inner = re.fullmatch(r"<ul><li>(.*)</li></ul>", shown)
    assert inner is not None, shown
    plain = inner[1].replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"')
    assert plain.replace("&amp;", "&").strip() == " ".join(text.split())


@given(TEXT)
def test_escaped_text_stays_one_cell_of_a_table(text: str) -> None:
    shown = rendered(f"| a | b |\n|---|---|\n| {escaped(text)} | {code(text)} |\n")
    assert shown.count("<td>") == 2
    assert re.sub(r"</?code>|</?t\w+>|\n", "", shown).count("<") == 0


@pytest.mark.parametrize("blameless", [False, True])
def test_json_fits_its_schema(blameless: bool) -> None:
    record = story(("note", HOSTILE), ("closed", ""), ("correction", "98", {"corrects": 3}))
    document = json.loads(render(record, format="json", blameless=blameless))
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(document, schema())
    assert document["journal"]["verifiable"] is not blameless
    assert document["journal"]["head"] == record.entries[-1].digest


def test_the_schema_knows_every_kind() -> None:
    assert set(schema()["$defs"]["kind"]["enum"]) == set(EntryKind)


def test_jsonl_is_the_journal_and_holds_by_itself() -> None:
    record = story()
    lines = render(record, format="jsonl").splitlines()
    assert chain.verify(lines, record.entries[-1].digest).holds
    one_line = {"$defs": schema()["$defs"], "$ref": "#/$defs/entry"}
    for line in lines:
        jsonschema.validate(json.loads(line), one_line)


@pytest.mark.parametrize("form", ["md", "json"])
def test_a_long_report_comes_in_pieces_of_whole_lines_that_are_the_report(form: str) -> None:
    record = story(*[("note", f"note {number} {'| long ' * 40}") for number in range(1_500)])
    at = START + timedelta(hours=1)
    found = list(pieces(record, format=form, at=at))

    assert "".join(found) == render(record, format=form, at=at)
    assert all(len(piece) < 80_000 for piece in found)
    assert len(found) > 5


@pytest.mark.parametrize("form", ["md", "json"])
def test_a_secret_that_was_learnt_later_is_masked_in_every_piece(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = story(*[("note", f"note {number} s3cr3tword") for number in range(1_500)])
    monkeypatch.setattr(MASKER, "_values", set())
    MASKER.learn("s3cr3tword")
    assert "s3cr3t" not in render(record, format=form)
    MASKER._longest_first = None


def test_a_finding_that_was_redacted_ends_with_the_only_one_that_it_can_be() -> None:
    assert _ended(["pid 1", "pid 2"], "pid 2") == "pid 2"
    assert _ended(["pid 1", REDACTED], "pid 2") == REDACTED
    assert _ended(["pid 1"], REDACTED) == "pid 1"
    assert _ended(["pid 1", "pid 2"], REDACTED) is None
    assert _ended(["pid 1"], "pid 2") is None


def test_jsonl_gives_also_the_lines_that_are_no_entries() -> None:
    lines = ["broken", *[chain.line(entry) for entry in story().entries]]
    assert render(story(), format="jsonl", lines=lines).splitlines() == lines


def test_a_journal_that_does_not_hold_says_so_in_the_report() -> None:
    lines = [chain.line(entry) for entry in story().entries]
    lines[4] = lines[4].replace("deployed", "destroyed")
    text = markdown(story(), lines=lines)
    assert "**does not hold** from entry 5 on" in text
    document = json.loads(render(story(), format="json", lines=lines))
    assert document["journal"]["fault"]["place"] == 5


@pytest.mark.parametrize("form", ["md", "json"])
def test_blameless_names_nobody(form: str) -> None:
    text = render(story(), format=form, blameless=True)
    for name in ("ana", "bob", "Bob", "carol", "dave", "bastion"):
        assert not re.search(rf"\b{name}\b", text), name
    assert "commander" in text
    assert "triage found it, thanks triage" in text


def test_two_people_of_one_role_stay_two() -> None:
    record = story(("note", "x", {"actor!": "eve", "role!": "triage"}))
    assert "triage 2" in markdown(record, blameless=True)


def test_an_account_that_names_nobody_is_no_name_in_the_text() -> None:
    record = Record(entries(("note", "the root cause"), actor="root"))
    text = markdown(record, blameless=True)
    assert "the root cause" in text
    assert "| root" not in text


@pytest.mark.parametrize(
    ("form", "blameless"),
    [pytest.param("pdf", False, id="unknown"), pytest.param("jsonl", True, id="blameless jsonl")],
)
def test_what_cannot_be_given_is_refused_with_a_hint(form: str, blameless: bool) -> None:
    with pytest.raises(Misconfigured) as told:
        render(story(), format=form, blameless=blameless)
    assert told.value.hint


@pytest.mark.parametrize("form", ["md", "json"])
def test_a_secret_that_is_learned_later_is_masked_in_the_export(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MASKER, "_values", set())
    record = story(("note", "token tok-4711-xyz seen"))
    MASKER.learn("tok-4711-xyz")
    assert "tok-4711-xyz" not in render(record, format=form)


def test_jinja_is_loaded_only_for_markdown() -> None:
    program = (
        "import sys\nfrom cockpit.report.postmortem import render\n"
        "from tests.core.test_export import Record\nassert 'jinja2' not in sys.modules\n"
    )
    # the test module itself imports no jinja2, so only `render` could have
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_ten_thousand_entries_are_exported_quickly() -> None:
    import time

    record = Record(entries(*[("finding.opened", f"finding {n}") for n in range(10_000)]))
    began = time.process_time()
    render(record, format="md")
    assert time.process_time() - began < 15


def test_a_finding_whose_opening_or_end_was_redacted_is_still_one_span() -> None:
    told: list[Told] = [
        ("opened", "x"),
        ("finding.opened", "a", {"code": "X", "subject": "pid 1", "target": "db"}),
        ("finding.opened", "b", {"code": "X", "subject": "pid 2", "target": "db"}),
        ("finding.cleared", "a is gone", {"code": "X", "subject": "pid 1", "target": "db"}),
        ("finding.cleared", "b is gone", {"code": "X", "subject": "pid 2", "target": "db"}),
        ("redaction", "a name", {"redacts": 2}),
    ]
    for redacts in (2, 3, 4, 5):
        told[-1] = ("redaction", "a name", {"redacts": redacts})
        found = gather("x", chain.redacted(entries(*told))).findings
        assert len(found) == 2
        if redacts != 4:  # then it could be either that ended
            assert all(one.until is not None for one in found)


@pytest.mark.parametrize("text", ["rotate the db password:", "set Cookie: ", "export TOKEN="])
def test_a_text_that_ends_where_a_secret_would_begin_keeps_json_whole(text: str) -> None:
    """Masked in its line, the secret would have been the quote and the member after it."""
    told = json.loads(
        render(story(("note", text), ("note", "see https://ann:hunter22@db/x")), format="json")
    )
    rows = {row["text"]: row for row in told["timeline"]}
    assert rows[text.strip() if text not in rows else text]["actor"]
    assert "hunter22" not in json.dumps(told)
