"""`cockpit logs`: the lines of errors of a target, grouped, what is new first."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from cockpit.errors import BlindError, CockpitError, Misconfigured, Refused

if TYPE_CHECKING:
    from cockpit.config import Config
    from cockpit.logs.insights import QueryEstimate, QueryFound
    from cockpit.logs.reading import LogLine
    from cockpit.logs.source import LogSource
    from cockpit.triage.target_logs import LogView, PatternLines, TargetLogs

SECTION, PLACE = "Looking", 4
SCHEMA = "cockpit.logs/1"
_PATTERNS = 30
_SPEND = 0.25
_SOURCES = 8
_PATIENCE = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceReport:
    """What is told of one source."""

    source: LogSource
    view: LogView | None = None
    blind: CockpitError | None = None
    estimate: QueryEstimate | None = None
    query: QueryFound | None = None


@click.command()
@click.argument("target")
@click.option(
    "--since", default="15m", metavar="SPAN", help="`15m`, `2h`, a time; six hours at most"
)
@click.option(
    "--onset", default="", metavar="TIME", help="When it began (UTC): what came since is new."
)
@click.option(
    "--lines",
    "many",
    default=1,
    type=click.IntRange(min=0),
    metavar="N",
    help="Lines shown of each pattern.",
)
@click.option(
    "--source", "only", default="", metavar="WORDS", help="Only sources whose name has them."
)
@click.option(
    "--insights", is_flag=True, help="Ask Logs Insights besides, which costs by the byte."
)
@click.option(
    "--spend",
    default=_SPEND,
    type=click.FloatRange(min=0),
    metavar="USD",
    help="What --insights may cost at most.",
)
@click.option("--json", "as_json", is_flag=True, help="The public format cockpit.logs/1.")
@click.pass_context
def logs(
    ctx: click.Context,
    target: str,
    *,
    since: str,
    onset: str,
    many: int,
    only: str,
    insights: bool,
    spend: float,
    as_json: bool,
) -> int:
    """Read what the logs of TARGET tell of errors, grouped, what is new since the onset first.

    Read-only and bounded; filtering lines costs nothing. Of a stopped task the last lines are
    shown. Exit codes: 0 everything was read, 3 something could not be, 64 usage or configuration.
    """
    import asyncio

    from cockpit import clock, config
    from cockpit.cli.commands.changes import start_of, told_time
    from cockpit.triage.registry import catalog

    settings = config.load(config.find((ctx.obj or {}).get("config")), catalog())
    now = clock.now()
    span, began = now - start_of(since, now), told_time(onset, now)
    found = asyncio.run(_read(settings, target, span=span, began=began, only=only,
                              spend=spend if insights else None))  # fmt: skip
    if as_json:
        click.echo(json.dumps(_document(target, now, found, many), ensure_ascii=False, indent=1))
    else:
        from cockpit.check_text import printed
        from cockpit.cli.commands.check import style

        for line in printed(_lines(target, found, many), style()):
            click.echo(line)
    return 3 if any(each.blind or (each.view and each.view.short) for each in found) else 0


async def _read(
    settings: Config,
    name: str,
    *,
    span: timedelta,
    began: datetime | None,
    only: str,
    spend: float | None,
) -> list[SourceReport]:
    """Every source of the target, one after the other. Raises `CockpitError`."""
    import asyncio
    from typing import cast

    from cockpit import sweep
    from cockpit.connect.role import Role
    from cockpit.connect.session import AwsReads
    from cockpit.text import nearest
    from cockpit.triage.registry import registry
    from cockpit.triage.target_logs import LONGEST, TargetLogs, logs_probe
    from cockpit.triage.topology import DependencyGraph

    if span > LONGEST:
        raise Misconfigured("--since reaches back more than six hours", hint="--since 2h")
    known = {each.name: each for each in settings.targets}
    if name not in known:
        raise Misconfigured(
            f"no target {name!r}{nearest(name, known)}", hint=f"there are {', '.join(known)}"
        )
    target = known[name]
    below = (known[each] for each in DependencyGraph(settings.targets).below(name))
    probe = logs_probe(target, registry(), below)
    connections = sweep.connections(settings, Role.TRIAGE)

    async def session() -> AwsReads:
        return cast("AwsReads", await connections.session(target.name, target.settings))

    reader = TargetLogs(target, probe, session=session, onset=began)
    try:
        async with asyncio.timeout(_PATIENCE):
            sources = [s for s in await reader.sources() if only.lower() in s.name.lower()]
            if not sources:
                raise Misconfigured(f"no source of {name} has {only!r} in its name")
            return [await _one(reader, each, span, spend) for each in sources[:_SOURCES]]
    finally:
        await connections.close()


async def _one(
    reader: TargetLogs, source: LogSource, span: timedelta, spend: float | None
) -> SourceReport:
    report = SourceReport(source=source)
    try:
        report = replace(report, view=await reader.read(source, span=span))
        if spend is None or source.ended is not None:
            return report
        about = await reader.estimate(source, span=span)
        report = replace(report, estimate=about)
        if about.usd > spend:
            return replace(report, blind=_too_dear(about))
        return replace(report, query=await reader.query(source, about))
    except BlindError as error:
        return replace(report, blind=error)


def _too_dear(about: QueryEstimate) -> Refused:
    from cockpit.units import size, usd

    why = f"the query would scan about {size(about.scans)}, about {usd(about.usd)}"
    enough = math.ceil(about.usd * 100) / 100  # rounded down it would be refused again
    return Refused(why, hint=f"--spend {enough:.2f} lets it")


def _document(
    target: str, at: datetime, found: Sequence[SourceReport], many: int
) -> dict[str, Any]:
    from cockpit import clock
    from cockpit.redact import masked

    told = masked(
        {
            "schema": SCHEMA,
            "target": target,
            "at": clock.stamp(at),
            "sources": [_source(each, many) for each in found],
        },
        frozenset({"schema", "target"}),
    )
    assert isinstance(told, dict)
    return told


def _source(report: SourceReport, many: int) -> dict[str, Any]:
    from cockpit import clock

    source, view, error = report.source, report.view, report.blind
    row: dict[str, Any] = {"group": source.group, "label": source.label, "stream": source.stream}
    if source.ended is not None:
        row |= {"ended": clock.stamp(source.ended), "reason": source.reason}
    if error is not None:
        reason = error.reason.value if isinstance(error, BlindError) else "refused"
        row["not_read"] = {"reason": reason, "detail": error.message, "hint": error.hint}
    if view is not None:
        row |= {
            "since": clock.stamp(view.start),
            "onset": clock.stamp(view.began) if view.began else None,
            "compared_since": clock.stamp(view.compared) if view.compared else None,
            "compared_short": view.short,
            "read_until": clock.stamp(view.until) if view.until else None,
            "lines": len(view.lines),
            "patterns": [_pattern(each, many) for each in view.patterns[:_PATTERNS]],
            "last_lines": [_line(each) for each in view.lines] if source.ended else [],
        }
    if report.estimate is not None:
        about = report.estimate
        row["estimate"] = {"bytes": about.scans, "usd": round(about.usd, 6)}
    if report.query is not None:
        row["insights"] = {
            "query": report.query.query,
            "bytes_scanned": report.query.scanned,
            "usd": round(report.query.usd, 6),
            "patterns": [
                {"pattern": each.pattern, "count": each.count, "difference": each.difference}
                for each in report.query.patterns
            ],
        }
    return row


def _pattern(each: PatternLines, many: int) -> dict[str, Any]:
    from cockpit import clock

    pattern = each.pattern
    return {
        "kind": pattern.kind,
        "shape": pattern.shape,
        "count": pattern.count,
        "before": pattern.before,
        "new_since": clock.stamp(pattern.new_since) if pattern.new_since else None,
        "first": clock.stamp(pattern.first),
        "last": clock.stamp(pattern.last),
        "streams": pattern.streams,
        "lines": [_line(line) for line in each.lines[-many:]] if many > 0 else [],
    }


def _line(line: LogLine) -> dict[str, str]:
    from cockpit import clock

    return {"at": clock.stamp(line.at), "stream": line.stream, "text": line.text}


def _lines(target: str, found: Sequence[SourceReport], many: int) -> Iterator[str]:
    for report in found:
        yield f"{target}: {report.source.name}"
        if report.source.reason:
            yield f"  ended: {report.source.reason}"
        if report.blind is not None:
            yield f"? not read: {report.blind.message}"
            if report.blind.hint:
                yield f"  {report.blind.hint}"
        if report.view is not None:
            yield from _view(report.view, many)
        if report.query is not None:
            yield from _queried(report.query)
        yield ""


def _view(view: LogView, many: int) -> Iterator[str]:
    yield f"  {view.told}"
    if view.source.ended is not None:
        yield from (f"  {each.at:%H:%M:%S}  {each.text}" for each in view.lines)
        return
    for each in view.patterns[:_PATTERNS]:
        pattern = each.pattern
        new = f"new {pattern.new_since:%H:%M}" if pattern.new_since else ""
        before = str(pattern.before) if view.compared else "?"
        yield f"  {new:9} {pattern.count:>5} × (before: {before})  {pattern.kind:9} {pattern.shape}"
        shown = each.lines[-many:] if many > 0 else ()
        yield from (f"            {line.at:%H:%M:%S}  {line.text}" for line in shown)
    if len(view.patterns) > _PATTERNS:
        yield f"  … {len(view.patterns) - _PATTERNS} more patterns (--json has 30 of them too)"


def _queried(found: QueryFound) -> Iterator[str]:
    from cockpit.units import size, usd

    yield f"  Logs Insights scanned {size(found.scanned)}, about {usd(found.usd)}"
    yield from (f"  {e.difference:9.9} {e.count:>5} ×  {e.pattern}" for e in found.patterns)


COMMAND = logs
