"""The path as facts and tables."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import Severity
from cockpit.triage.probe import Fact
from cockpit.triage.view import Column, Row, Table
from cockpit.units import count
from probes.metrics import peak, read_at, settled, total
from probes.vpc_path.findings import Settings, Snapshot, in_words, wanted
from probes.vpc_path.model import Blocker, Way

_SEVERITIES = {
    "blocked": Severity.CRITICAL,
    "partly": Severity.WARNING,
    "undetermined": Severity.INFO,
    "open": None,
}
_MOST = 40


def facts(snapshot: Snapshot, _: Settings) -> Iterator[Fact]:
    """The verdict first, then how many hops stand in the way."""
    yield Fact("path", snapshot.verdict, severity=_SEVERITIES.get(snapshot.verdict))
    standing = [one for one in snapshot.blockers if not one.mild]
    yield Fact("blockers", str(len(standing)), float(len(standing)))
    yield Fact("flow", wanted(snapshot.flow))
    for nat in snapshot.nat_load:
        active = peak(settled(nat.active, snapshot.at))
        short = bool(total(settled(nat.port_errors, snapshot.at)))
        shown = "unknown" if active is None else f"{active:,.0f} connections"
        yield Fact(
            nat.id,
            f"{shown}, ports used up" if short else shown,
            active,
            severity=Severity.CRITICAL if short else None,
            as_of=read_at(nat.active),
        )
    if snapshot.unexamined:
        ends = count(snapshot.unexamined, "further end")
        yield Fact("not examined", ends, severity=Severity.WARNING)


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
            cells=(str(number), hop.outcome, _named(snapshot, hop.name), _named(snapshot, hop.why)),
            severity=Severity.CRITICAL
            if hop.outcome == "blocks"
            else Severity.WARNING
            if hop.outcome in {"partly", "unknown"}
            else None,
            sort=(number,),
        )
        for number, hop in enumerate(way.hops, 1)
    )
    ends = _named(snapshot, f"{way.source} → {way.destination}")
    return Table(
        title=f"way {ends}",
        columns=(Column("hop", 3, right=True), Column("", 7), Column("station", 36), Column("why")),
        rows=rows,
        headline=f"{wanted(snapshot.flow)}: {way.verdict}",
        note=(
            "“open” means that nothing in the configuration forbids it: host firewalls, listening "
            "sockets and other accounts are not visible.",
        ),
    )


def _blockers(snapshot: Snapshot) -> Table:
    """One line for each, and under it what a person needs to mend it: lines, since ids are long."""
    return Table(
        title="what stands in the way",
        columns=(Column("blocker, the first one to mend first"),),
        rows=tuple(row for one in snapshot.blockers for row in _blocker(snapshot, one)),
        headline=f"{wanted(snapshot.flow)}: {snapshot.verdict}",
    )


def _blocker(snapshot: Snapshot, one: Blocker) -> Iterator[Row]:
    key = f"{one.code} {one.subject}"
    severity = Severity.WARNING if one.partial else Severity.CRITICAL
    yield Row(
        key=key,
        cells=(_named(snapshot, one.summary),),
        severity=Severity.INFO if one.mild else severity,
    )
    nearest, _, lacks = one.nearest.rpartition(": ")
    for name, words in (
        ("at", f"hop {one.hop}, {one.subject}: {one.code}"),
        ("rule", one.rule),
        (f"nearest rule ({lacks})", _named(snapshot, nearest)),
        ("would open it", _named(snapshot, in_words(one.suggestion)) if one.suggestion else ""),
    ):
        if words:
            yield Row(key=f"{key} {name}", cells=(f"{name}: {words}",), depth=1)


def _named(snapshot: Snapshot, text: str) -> str:
    """The text with groups and subnets by their names, as people know them; ids are long."""
    net = snapshot.network
    names = {one.id: one.name for one in net.groups.values()}
    names |= {one.id: one.name for one in net.subnets.values()}
    for id_, name in names.items():
        text = text.replace(id_, name or id_)
    return text
