"""The report that a postmortem is written from: Markdown, JSON, or the journal itself.

There is no field for an estimated time of repair. What the journal cannot know is a blank that
says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Protocol

from cockpit import clock, units
from cockpit.errors import Misconfigured
from cockpit.incident import chain
from cockpit.incident.entry import Entry, to_json
from cockpit.incident.metrics import Metric
from cockpit.incident.milestones import Milestone
from cockpit.incident.stored import Around, Output
from cockpit.incident.timeline import TimelineRow
from cockpit.redact import MASKER, masked
from cockpit.report.blameless import NOTICE, Roles, roles_of
from cockpit.report.markdown import Markdown, code, finished
from cockpit.report.story import Story, Trouble, gather
from cockpit.report.suspected import Cleared, ConfirmedCause, Suspected
from cockpit.secret_shapes import may_have_shapes

if TYPE_CHECKING:
    import jinja2

FORMATS = ("md", "json", "jsonl")
SCHEMA = "cockpit.export/1"
NOTHING_AROUND = Around()
_PIECE = 65_536
_DUMPS = json.JSONEncoder(ensure_ascii=False).encode


class Recorded(Protocol):
    """What a report needs of an incident."""

    @property
    def id(self) -> str:
        """`INC-2026-0042`."""
        ...

    @property
    def entries(self) -> Sequence[Entry]:
        """All entries, oldest first."""
        ...


def render(
    incident: Recorded,
    *,
    format: str = "md",  # noqa: A002  (the word that people type)
    blameless: bool = False,
    lines: Sequence[str] = (),
    around: Around = NOTHING_AROUND,
    at: datetime | None = None,
) -> str:
    """The report as text that ends with a line break; see `pieces`."""
    verdict = chain.verify(lines) if lines else None
    return "".join(
        pieces(
            incident,
            format=format,
            blameless=blameless,
            lines=lines,
            verdict=verdict,
            around=around,
            at=at,
        )
    )


def pieces(
    incident: Recorded,
    *,
    format: str = "md",  # noqa: A002  (the word that people type)
    blameless: bool = False,
    lines: Iterable[str] = (),
    verdict: chain.Verdict | None = None,
    around: Around = NOTHING_AROUND,
    at: datetime | None = None,
) -> Iterator[str]:
    """The report in pieces of whole lines: that of a long incident is never in memory as one text.

    `lines` are the stored lines when they may differ from the entries, `verdict` says whether they
    hold (None: work it out from the entries), `around` is what is stored beside them; `at` the
    time of the export, None: now. Raises `Misconfigured` for an unknown format, and for a blameless
    `jsonl`, which could not be verified.
    """
    if format not in FORMATS:
        raise Misconfigured(f"unknown format {format!r}", hint=f"one of {', '.join(FORMATS)}")
    if format == "jsonl":
        if blameless:
            hint = "use --format json or md with --blameless"
            raise Misconfigured(
                "jsonl is the journal itself: without names it cannot hold", hint=hint
            )
        return (text + "\n" for text in lines or map(chain.line, incident.entries))
    story = gather(incident.id, incident.entries, verdict=verdict, at=at)
    if blameless:
        story = _without_names(story, roles_of(story.entries))
    if format == "json":
        return _json(story, around)
    return map(_masked, _whole_lines(_markdown(story, around)))


def _masked(piece: str) -> str:
    """A line at a time: most have nothing that looks like a secret, and cost one search."""
    return "".join(map(MASKER.mask, piece.splitlines(keepends=True)))


def _whole_lines(text: Iterable[str]) -> Iterator[str]:
    """Larger pieces that end with a line: no value goes over one, so none is masked in part."""
    kept: list[str] = []
    size = 0
    for piece in text:
        if size >= _PIECE and (kept[-1].endswith("\n") or piece.startswith(",\n")):
            yield "".join(kept)
            kept, size = [], 0
        kept.append(piece)
        size += len(piece)
    yield "".join(kept)


def _without_names(story: Story, roles: Roles) -> Story:
    """The story told again from entries without names; what was verified stays verified."""
    entries = [roles.entry(entry) for entry in story.entries]
    bare = gather(story.id, entries, at=story.exported_at)
    actions = tuple(
        replace(action, text=roles.text(action.text), owner=roles.name(action.owner))
        for action in story.actions
    )
    return replace(bare, verdict=story.verdict, actions=actions, blameless=True)


def _markdown(story: Story, around: Around) -> Iterator[str]:
    template = _templates().get_template("postmortem.md.j2")
    return template.generate(
        story=story, state=story.state, around=around, limits=chain.LIMITS, notice=NOTICE
    )


@cache
def _templates() -> jinja2.Environment:
    import jinja2

    # Not HTML: `finished` escapes every value for Markdown, which HTML escaping would garble.
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("cockpit.report"),
        autoescape=False,  # noqa: S701
        finalize=finished,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["time"] = _time
    environment.filters["clock"] = _clock
    environment.filters["code"] = code
    environment.filters["took"] = lambda seconds: units.duration(seconds)
    environment.globals["blank"] = Markdown("_(not known to the cockpit: fill in)_")
    return environment


def _time(moment: datetime | None) -> str:
    """`2026-11-21 02:41:03 UTC`."""
    return "" if moment is None else clock.stamp(moment)[:19].replace("T", " ") + " UTC"


def _clock(moment: datetime | None) -> str:
    return "" if moment is None else clock.stamp(moment)[11:19]


def _json(story: Story, around: Around) -> Iterator[str]:
    state, verdict = story.state, story.verdict
    fault = verdict.fault
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "exported_at": clock.stamp(story.exported_at),
        "blameless": story.blameless,
        "incident": {
            "id": story.id,
            "title": state.title,
            "severity": state.severity.value,
            "status": state.status.value,
            "environment": state.environment,
            "opened_at": _stamp(state.opened_at),
            "closed_at": _stamp(state.closed_at),
        },
        "people": [{"name": one.name, "role": one.role} for one in story.people],
        "milestones": [_milestone(one) for one in story.metrics.milestones],
        "metrics": [_metric(one) for one in story.metrics.metrics],
        "violations": list(story.metrics.violations),
        "timeline": map(_row, story.rows),
        "findings": map(_trouble, story.findings),
        "steps": [
            {
                "seq": act.seq,
                "at": clock.stamp(act.at),
                "actor": act.actor,
                "target": act.target,
                "text": act.text,
                "outcome": act.outcome,
                "told": act.told,
            }
            for act in story.acts
        ],
        "actions": [
            {"seq": one.seq, "text": one.text, "owner": one.owner, "due": one.due}
            for one in story.actions
        ],
        "causes": [_cause(one) for one in story.suspicion.causes],
        "suspects": [_suspected(one) for one in story.suspicion.suspects],
        "ruled_out": [_cleared(one) for one in story.suspicion.ruled_out],
        "not_examined": map(_trouble, story.blind),
        "journal": {
            "head": verdict.head,
            "holds": verdict.holds,
            "fault": None if fault is None else {"place": fault.place, "why": fault.why},
            "verifiable": not story.blameless,
            "limits": list(chain.LIMITS),
            "redactions": [{"seq": one.seq, "by": one.by.seq} for one in story.verdict.redactions],
            "troubles": list(around.troubles),
            "waiting": [] if story.blameless else list(around.waiting),
            "outputs": [_output(one, story, around) for one in around.outputs],
            "entries": map(to_json, story.entries),
        },
    }
    yield from _object(document, "")
    yield "\n"


def _object(members: Mapping[str, Any], indent: str) -> Iterator[str]:
    """An object with a line a member, and a line each of what may be many: nothing is gathered."""
    before = "{\n"
    for name, value in members.items():
        yield f"{before}{indent}  {_DUMPS(name)}: "
        before = ",\n"
        if isinstance(value, map):
            yield from _array(value, indent + "  ")
        elif isinstance(value, Mapping):
            yield from _object(value, indent + "  ")
        else:
            yield _safe(value)
    yield f"\n{indent}}}"


def _safe(value: object) -> str:
    """As JSON, masked before it is: in a line of it, a text that ends in `password:` would take
    what follows for the secret, and the quote between them. Most have nothing that looks like one.
    """
    line = _DUMPS(value)
    clean = not may_have_shapes(line) and MASKER.without_known(line) == line
    return line if clean else _DUMPS(masked(value))


def _array(members: Iterable[Any], indent: str) -> Iterator[str]:
    before = "[\n"
    for each in members:
        yield f"{before}{indent}  {_safe(each)}"
        before = ",\n"
    yield "[]" if before == "[\n" else f"\n{indent}]"


def _output(one: Output, story: Story, around: Around) -> dict[str, Any]:
    return {
        "name": one.name,
        "entries": list(one.entries),
        "state": one.state,
        "size": one.size,
        "content": None if story.blameless else around.contents.get(one.name) or None,
    }


def _row(row: TimelineRow) -> dict[str, Any]:
    return {
        "seq": row.seq,
        "at": clock.stamp(row.at),
        "kind": row.kind.value,
        "text": row.text,
        "actor": row.actor,
        "role": row.role,
        "target": row.target,
        "severity": row.severity,
        "pinned": row.pinned,
        "late": row.late,
        "clock_back": row.clock_back,
        "redacted": row.redacted,
        "original": row.original,
        "outcome": row.outcome,
    }


def _trouble(one: Trouble) -> dict[str, Any]:
    return {
        "target": one.target,
        "name": one.name,
        "severity": one.severity,
        "text": one.text,
        "since": clock.stamp(one.since),
        "until": _stamp(one.until),
    }


def _cause(one: ConfirmedCause) -> dict[str, Any]:
    return {
        "seq": one.seq,
        "at": clock.stamp(one.at),
        "name": one.name,
        "confirmed_by": one.by,
        "suspected": _suspected(one.suspected) if one.suspected is not None else None,
    }


def _suspected(one: Suspected) -> dict[str, Any]:
    return {
        "seq": one.seq,
        "at": clock.stamp(one.at),
        "name": one.name,
        "text": one.text,
        "verdict": one.verdict,
        "reason": one.reason,
        "began": _stamp(one.began),
        "change": one.change,
        "for": list(one.for_),
        "against": list(one.against),
        "not_examined": list(one.not_examined),
    }


def _cleared(one: Cleared) -> dict[str, Any]:
    return {
        "name": one.name,
        "at": clock.stamp(one.at),
        "by": one.by,
        "probes": list(one.probes),
        "until": _stamp(one.until),
        "lapsed": one.lapsed,
    }


def _milestone(one: Milestone) -> dict[str, Any]:
    return {
        "name": one.name,
        "at": _stamp(one.at),
        "until": _stamp(one.until),
        "source": one.source,
    }


def _metric(one: Metric) -> dict[str, Any]:
    return {
        "name": one.name,
        "title": one.title,
        "definition": one.definition,
        "seconds": one.seconds,
        "longest": one.longest,
        "text": one.text,
        "why": one.why,
    }


def _stamp(moment: datetime | None) -> str | None:
    return None if moment is None else clock.stamp(moment)


def schema() -> dict[str, Any]:
    """The JSON Schema of `--format json`."""
    file = resources.files("cockpit.report").joinpath("schema/export.json")
    document: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return document
