"""What the screens show of a principal: what it did, its keys, its policies."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import Severity
from cockpit.triage.probe import Fact
from cockpit.triage.view import Column, Row, Table
from cockpit.units import number
from probes.iam_principal.findings import addresses, calls_of, strange, who
from probes.iam_principal.model import IamKey, Settings, Snapshot
from probes.trail import ApiEvent, is_denied

_SHOWN = 200


def facts(snapshot: Snapshot, settings: Settings) -> Iterator[Fact]:
    """How many calls it made; how many were refused, from how many addresses; its keys."""
    if snapshot.calls is None:
        yield Fact("calls", "unknown")
    else:
        events = calls_of(snapshot, settings)
        yield Fact("calls", number(len(events)), len(events))
        denied = sum(map(is_denied, events))
        yield Fact("refused", number(denied), denied)
        many = len(addresses(events))
        yield Fact("addresses", number(many), many)
    if snapshot.keys is not None:
        yield Fact("active keys", number(len(snapshot.active)), len(snapshot.active))
    if snapshot.root_keys is not None:
        bad = Severity.WARNING if snapshot.root_keys else None
        yield Fact("root's keys", number(snapshot.root_keys), snapshot.root_keys, severity=bad)
    if snapshot.root_mfa is not None:
        bad = None if snapshot.root_mfa else Severity.WARNING
        yield Fact("second factor", "yes" if snapshot.root_mfa else "none", severity=bad)


def tables(snapshot: Snapshot, settings: Settings) -> Iterator[Table]:
    """The calls, newest first; keys; policies; what GuardDuty found."""
    yield _calls(snapshot, settings)
    if snapshot.keys:
        yield Table(
            title="Access keys",
            columns=(
                Column("Key", 22),
                Column("Status", 10),
                Column("Last used", 20),
                Column("For"),
            ),
            rows=tuple(map(_key, snapshot.keys)),
        )
    if snapshot.policies_known:
        held = [("managed", each) for each in snapshot.attached]
        held += [("inline", each) for each in snapshot.inline]
        yield Table(
            title="Policies",
            columns=(Column("Sort", 8), Column("Policy")),
            rows=tuple(Row(key=each, cells=(sort, each)) for sort, each in held),
        )
    if snapshot.threats:
        yield Table(
            title="GuardDuty",
            columns=(Column("Severity", 9, right=True), Column("Type", 48), Column("Title")),
            rows=tuple(
                Row(key=each.id, cells=(f"{each.severity:g}", each.type, each.title))
                for each in snapshot.threats
            ),
        )


def _calls(snapshot: Snapshot, settings: Settings) -> Table:
    new, how = strange(snapshot, settings)
    return Table(
        title="Calls",
        columns=(
            Column("At (UTC)", 10),
            Column("Call", 40),
            Column("From", 18),
            Column("Ended", 22),
            Column("On"),
        ),
        rows=tuple(_call(each, new) for each in calls_of(snapshot, settings)[:_SHOWN]),
        headline=_headline(snapshot, how),
        note=(
            f"CloudTrail of {snapshot.region} only, up to 15 minutes late, no data events",
            "calls of IAM, and most of root's, stand in us-east-1",
        ),
    )


def _key(key: IamKey) -> Row:
    used = f"{key.used:%Y-%m-%d %H:%M}" if key.used else "never, or not known"
    cells = (f"…{key.id[-4:]}", key.status or "unknown", used, key.used_for)
    return Row(key=key.id, cells=cells)


def _headline(snapshot: Snapshot, how: str) -> str:
    since = f"since {snapshot.since:%H:%M} UTC" if snapshot.since else "of an unknown time"
    told = f"{who(snapshot)}: calls {since}"
    if snapshot.sort == "role" and not snapshot.followed:
        told = f"{who(snapshot)}: who took it on {since}; follow a session by its key"
    return f"{told}; marked: {how}" if how else told


def _call(event: ApiEvent, new: frozenset[str]) -> Row:
    marked = event.address in new
    return Row(
        key=event.id,
        cells=(
            f"{event.at:%H:%M:%S}",
            event.call,
            event.address,
            event.error or "went through",
            ", ".join(event.resources[:3]),
        ),
        severity=Severity.WARNING if marked and is_denied(event) else None,
        dim=event.reads and not marked,
    )
