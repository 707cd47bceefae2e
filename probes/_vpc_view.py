"""The path as facts and tables."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import Severity
from cockpit.triage.probe import Fact
from cockpit.triage.view import Column, Row, Table
from probes._vpc_findings import Settings, Snapshot, in_words, wanted
from probes._vpc_model import Way

_SEVERITIES = {
    "blocked": Severity.CRITICAL,
    "partly": Severity.WARNING,
    "undetermined": Severity.INFO,
    "open": None,
}
_MOST = 40


def facts(snapshot: Snapshot) -> Iterator[Fact]:
    """The verdict first, then how many hops stand in the way."""
    yield Fact("path", snapshot.verdict, severity=_SEVERITIES.get(snapshot.verdict))
    standing = [one for one in snapshot.blockers if not one.mild]
    yield Fact("blockers", str(len(standing)), float(len(standing)))
    yield Fact("flow", wanted(snapshot.flow))


def tables(snapshot: Snapshot, _: Settings) -> Iterator[Table]:
    """The hops of each way, and the blockers with what would open them."""
    if snapshot.blockers:
        yield _blockers(snapshot)
    for way in snapshot.ways[:_MOST]:
        yield _hops(way, snapshot)


def _hops(way: Way, snapshot: Snapshot) -> Table:
    rows = tuple(
        Row(
            key=str(number),
            cells=(str(number), hop.outcome, hop.name, hop.why),
            severity=Severity.CRITICAL
            if hop.outcome == "blocks"
            else Severity.WARNING
            if hop.outcome in {"partly", "unknown"}
            else None,
            sort=(number,),
        )
        for number, hop in enumerate(way.hops, 1)
    )
    return Table(
        title=f"{way.source} → {way.destination}",
        columns=(Column("hop", 4, right=True), Column("", 8), Column("station", 44), Column("why")),
        rows=rows,
        headline=f"{wanted(snapshot.flow)}: {way.verdict}",
        note=(
            "“open” means that nothing in the configuration forbids it: host firewalls, listening "
            "sockets and other accounts are not visible.",
        ),
    )


def _blockers(snapshot: Snapshot) -> Table:
    rows = tuple(
        Row(
            key=f"{one.code} {one.subject}",
            cells=(
                one.code,
                one.subject,
                one.nearest or one.rule or "–",
                in_words(one.suggestion) if one.suggestion else "–",
                one.summary,
            ),
            severity=Severity.INFO
            if one.mild
            else Severity.WARNING
            if one.partial
            else Severity.CRITICAL,
        )
        for one in snapshot.blockers
    )
    return Table(
        title="what stands in the way",
        columns=(
            Column("code", 28),
            Column("of", 24),
            Column("nearest or deciding rule", 40),
            Column("narrowest rule that opens it", 44),
            Column("summary"),
        ),
        rows=rows,
    )
