"""`cockpit changes`: what somebody changed, ranked against what is wrong now."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from cockpit.errors import Misconfigured

if TYPE_CHECKING:
    from cockpit.check_text import Style
    from cockpit.config import Config
    from cockpit.triage.onset import Onset
    from cockpit.triage.ranking import Ranked

SECTION, PLACE = "Looking", 3
SCHEMA = "cockpit.changes/1"
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([mhd])", re.ASCII)
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_DETAILED = 8
"""Of how many changes it is told what exactly they changed."""
_LINES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesReport:
    """What is told, in text or JSON."""

    environment: str
    at: datetime
    since: datetime
    began: Onset | None
    ranked: tuple[Ranked, ...]
    hidden: int
    """How many are not shown, since they have nothing to do with the chosen targets."""
    unseen: tuple[str, ...]
    complete_until: str
    blind: int = 0
    """Looks of any kind that could not be made: what is wrong there is not known."""


@click.command()
@click.option("--since", default="1h", metavar="SPAN", help="`90m`, `6h`, `2d`, or a time (UTC).")
@click.option("--onset", default="", metavar="TIME", help="When it began (UTC), if somebody knows.")
@click.option(
    "--target", "-t", "targets", multiple=True, help="Only what it needs and uses; repeatable."
)
@click.option("--json", "as_json", is_flag=True, help="The public format cockpit.changes/1.")
@click.pass_context
def changes(
    ctx: click.Context, *, since: str, onset: str, targets: Sequence[str], as_json: bool
) -> int:
    """Say what was changed, by whom, and what stands closest before the trouble.

    Looks at everything once, read-only. Exit codes: 0 all histories were read, 3 something of them
    could not be seen, 64 usage or configuration.
    """
    import asyncio

    from cockpit import config
    from cockpit.triage.registry import catalog

    settings = config.load(config.find((ctx.obj or {}).get("config")), catalog())
    report = asyncio.run(_look(settings, since=since, onset=onset, targets=targets))
    if as_json:
        click.echo(json.dumps(_document(report), ensure_ascii=False, indent=1))
    else:
        from cockpit.check_text import printed
        from cockpit.cli.commands.check import style

        drawn = style()
        for line in printed(_lines(report, drawn), drawn):
            click.echo(line)
    return 3 if report.unseen else 0


async def _look(
    settings: Config, *, since: str, onset: str, targets: Sequence[str]
) -> ChangesReport:
    from cockpit import check, clock
    from cockpit.triage.onset import Onset
    from cockpit.triage.onset import onset as onset_of
    from cockpit.triage.registry import catalog
    from cockpit.triage.related import changes_of
    from cockpit.triage.topology import DependencyGraph
    from cockpit.triage.unseen import complete_until, unseen

    start, told = start_of(since, clock.now()), told_time(onset, clock.now())
    graph = DependencyGraph(settings.targets)
    for name in targets:
        if name not in {target.name for target in settings.targets}:
            raise Misconfigured(f"no target {name!r}", hint="cockpit check names them")
    looked = _reaching(settings, clock.now() - start)
    report = await check.look_once(looked, catalog().probes)
    began = (
        Onset(told, timedelta(seconds=60), told=True)
        if told
        else onset_of(report.board, report.started_at)
    )
    found = changes_of(report.board, graph, at=clock.now(), began=began)
    young = [each for each in found.ranked if each.change.at >= start]
    uses = dict(found.uses)
    near = {each for name in targets for each in (name, *graph.below(name))}
    shown = [
        each
        for each in young
        if not near or each.change.target in near or near & {*uses.get(each.change.resource, ())}
    ]
    return ChangesReport(
        environment=settings.environment,
        at=clock.now(),
        since=start,
        began=began,
        ranked=tuple(shown),
        hidden=len(young) - len(shown),
        unseen=unseen(report.board, settings.targets),
        complete_until=complete_until(report.board),
        blind=len(report.board.blind()),
    )


def start_of(text: str, now: datetime) -> datetime:
    """The beginning that `--since` names. Raises `Misconfigured`."""
    span = _SPAN.fullmatch(text.strip())
    try:
        start = now - float(span[1]) * _UNITS[span[2]] if span else told_time(text, now)
    except Misconfigured:
        start = None
    if start is None or not timedelta(0) < now - start <= timedelta(days=90):
        raise Misconfigured(
            f"--since {text!r} is no time of the last 90 days", hint="--since 90m, 6h, 2d or 02:40"
        )
    return start


def told_time(text: str, now: datetime) -> datetime | None:
    """The time that a person wrote; None: none. Raises `Misconfigured`."""
    from cockpit.incident.note_line import span

    return span(text, now).at if text else None


def _reaching(settings: Config, back: timedelta) -> Config:
    """The configuration with feeds that read so far back."""
    import dataclasses

    from cockpit.connect.aws.settings import ChangesSettings

    hours = back.total_seconds() / 3600
    targets = tuple(
        dataclasses.replace(target, settings=dataclasses.replace(target.settings, hours=hours))
        if isinstance(target.settings, ChangesSettings)
        else target
        for target in settings.targets
    )
    return dataclasses.replace(settings, targets=targets)


def _document(report: ChangesReport) -> dict[str, Any]:
    from cockpit import clock
    from cockpit.redact import masked

    began = report.began
    document = {
        "schema": SCHEMA,
        "environment": report.environment,
        "at": clock.stamp(report.at),
        "since": clock.stamp(report.since),
        "onset": None
        if began is None
        else {
            "at": clock.stamp(began.at),
            "slack_s": began.slack.total_seconds(),
            "vague": began.vague,
            "told": began.told,
        },
        "not_seen": list(report.unseen),
        "cloudtrail_complete_until": report.complete_until or None,
        "hidden": report.hidden,
        "changes": [_change(each) for each in report.ranked],
    }
    told = masked(document)
    assert isinstance(told, dict)
    return told


def _change(each: Ranked) -> dict[str, Any]:
    from cockpit import clock

    change = each.change
    return {
        "at": clock.stamp(change.at),
        "kind": change.kind,
        "target": change.target,
        "resource": change.resource,
        "summary": change.summary,
        "details": list(change.details),
        "actor": change.actor,
        "by": change.by,
        "source": change.source,
        "late_s": change.late,
        "call": change.call,
        "failed": change.failed,
        "own": change.own,
        "score": round(each.score, 3),
        "parts": {name: round(value, 3) for name, value in each.parts},
        "before_s": None if each.before is None else round(each.before.total_seconds()),
        "where": each.where,
        "against": list(each.against),
    }


def _lines(report: ChangesReport, style: Style) -> Iterator[str]:
    from cockpit.units import count

    many = count(len(report.ranked), "change")
    yield f"{report.environment}: {many} since {report.since:%Y-%m-%d %H:%M} UTC · {_onset(report)}"
    if report.complete_until:
        yield f"CloudTrail is up to 15 min late: complete until {report.complete_until} UTC"
    if report.unseen:
        yield "not seen, so no change there means nothing"
        yield from (f"? {line}" for line in report.unseen)
    if report.hidden:
        yield f"{report.hidden} more that the chosen targets neither are, need nor use"
    if report.ranked:
        yield ""
    rows = [_cells(each) for each in report.ranked]
    heads = ("time", "before", "what", "who", "distance")
    widths = [
        max(map(len, column)) for column in zip(heads, *(row[:-1] for row in rows), strict=True)
    ]
    if rows:
        yield _row((*heads, "change"), widths, style.width)
    for place, (each, row) in enumerate(zip(report.ranked, rows, strict=True)):
        yield from _row(row, widths, style.width).splitlines()
        if place < _DETAILED:
            yield from _details(each)


def _onset(report: ChangesReport) -> str:
    from cockpit.units import count

    began = report.began
    if began is None:
        dark = f" in what is seen, {count(report.blind, 'look')} blind" if report.blind else ""
        return f"nothing high is open{dark}: newest first, none suspected"
    if began.vague:
        return "when it began is unknown (--onset TIME tells it)"
    return f"onset {began.at:%H:%M} ± {max(1, round(began.slack.total_seconds() / 60))} min"


def _cells(each: Ranked) -> tuple[str, ...]:
    from cockpit.units import duration

    change = each.change
    before = ""
    if each.before is not None:
        sign = "+" if each.before < timedelta(0) else ""
        before = sign + duration(abs(each.before.total_seconds()))
    who = f"ours: {change.own}" if change.own else change.actor or change.by or "?"
    what = f"{change.kind} {change.target}".strip()
    return f"{change.at:%H:%M:%S}", before, what, who, each.where, change.summary


def _details(each: Ranked) -> Iterator[str]:
    details = each.change.details
    yield from (f"          {line}" for line in details[:_LINES])
    if len(details) > _LINES:
        yield f"          … {len(details) - _LINES} more (--json has them)"
    yield from (f"          against: {line}" for line in each.against)


def _row(cells: Sequence[str], widths: Sequence[int], room: int) -> str:
    """As wide as what stands in its columns; the change on a line of its own where it has less
    than forty cells.
    """
    fixed = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=False))
    if len(fixed) + 42 <= room:
        return f"{fixed}  {cells[-1]}".rstrip()
    return f"{fixed.rstrip()}\n          {cells[-1]}"


COMMAND = changes
