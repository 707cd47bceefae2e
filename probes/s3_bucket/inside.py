"""What the screens show of who gets in, and of what protects the data."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.changes import Change
from cockpit.triage.finding import Severity
from cockpit.triage.probe import Fact
from cockpit.triage.view import Column, Row, Table
from cockpit.units import age, duration, percent
from probes.metrics import latest, settled
from probes.s3_bucket.denied import rate_of, refused, shut_out
from probes.s3_bucket.model import Access, ReplicationRule, Upkeep
from probes.s3_bucket.settings import AccessSettings, UpkeepSettings
from probes.s3_bucket.view import changed, told_changes


def access_facts(snapshot: Access, settings: AccessSettings) -> Iterator[Fact]:
    """`ok`, `denied` or `unknown`, the share that is refused, and the key's state."""
    denied = sum(each.decision == "denied" for each in snapshot.principals)
    unknown = sum(each.decision == "unknown" for each in snapshot.principals)
    if shut_out(snapshot, settings):
        yield Fact(
            "access", f"{denied} denied" if denied else "refused", severity=Severity.CRITICAL
        )
    elif unknown or not snapshot.policy_known:
        yield Fact("access", "unknown")
    else:
        yield Fact("access", "ok" if snapshot.principals else "nobody declared")
    share = rate_of(snapshot, snapshot.refused).share
    if share is not None:
        grade = refused(snapshot, settings)
        yield Fact("refused", percent(share), share, "share", severity=grade)
    if snapshot.key is not None:
        yield Fact("key", snapshot.key.state or "unknown")


def access_tables(snapshot: Access, settings: AccessSettings) -> Iterator[Table]:
    """Who is declared, and what decides."""
    if snapshot.principals:
        yield Table(
            title="Who must get in",
            columns=(
                Column("Who", 56),
                Column("To", 16),
                Column("Decision", 10),
                Column("Decided by"),
            ),
            rows=tuple(
                Row(
                    key=f"{each.principal} {each.action}",
                    cells=(each.principal, each.action, each.decision, each.layer),
                    severity=Severity.CRITICAL if each.decision == "denied" else None,
                )
                for each in snapshot.principals
            ),
            note=("policies of VPC endpoints, sessions and keys are not in it",),
        )
    if snapshot.key is not None:
        held = snapshot.key
        until = f"{held.deletion:%Y-%m-%d %H:%M}" if held.deletion else ""
        yield Table(
            title="Key",
            columns=(Column("Key", 76), Column("State", 20), Column("Deleted (UTC)")),
            rows=(Row(key=held.id, cells=(held.id, held.state or "unknown", until)),),
        )
    yield from changed(snapshot.changes)


def access_changes(snapshot: Access, target: str) -> Iterator[Change]:
    """Who changed the policy."""
    yield from told_changes(snapshot.changes, target)


def upkeep_facts(snapshot: Upkeep, settings: UpkeepSettings) -> Iterator[Fact]:
    """How old the newest expected object is, else whether the bucket is versioned."""
    if snapshot.prefix:
        if not snapshot.prefix_known:
            yield Fact("newest", "unknown")
        elif snapshot.newest is None:
            yield Fact("newest", "none")
        else:
            old = (snapshot.at - snapshot.newest).total_seconds()
            yield Fact("newest", age(old), old, "s")
    known = "versioning" in snapshot.known
    yield Fact("versioning", (snapshot.versioning or "off") if known else "unknown")
    yield Fact(
        "access log", (snapshot.logging or "off") if "logging" in snapshot.known else "unknown"
    )


def upkeep_tables(snapshot: Upkeep, settings: UpkeepSettings) -> Iterator[Table]:
    """What protects it and what came last; where copies go, and how far they are."""
    newest = f"{snapshot.newest:%Y-%m-%d %H:%M:%S} UTC" if snapshot.newest else "none"
    told = {
        "versioning": ("versioning", snapshot.versioning or "off"),
        "access logs to": ("logging", snapshot.logging or "nowhere"),
        "only over TLS": ("policy", "yes" if snapshot.tls_only else "no"),
    }
    rows = [(what, v if part in snapshot.known else "unknown") for what, (part, v) in told.items()]
    if snapshot.prefix:
        newest = newest if snapshot.prefix_known else "unknown"
        rows.append((f"newest under {snapshot.prefix}", newest))
    yield Table(
        title="What protects it, what came last",
        columns=(Column("", 40), Column("")),
        rows=tuple(Row(key=cells[0], cells=cells) for cells in rows),
    )
    if snapshot.rules:
        yield Table(
            title="Replication",
            columns=(
                Column("Rule", 24),
                Column("Status", 12),
                Column("To", 40),
                Column("Behind", 10),
                Column("Pending"),
            ),
            rows=tuple(_rule(snapshot, each) for each in snapshot.rules),
            note=("a rule without metrics tells nothing of how far it is",),
        )


def _rule(snapshot: Upkeep, rule: ReplicationRule) -> Row:
    behind = latest(settled(rule.latency, snapshot.at, minutes=30))
    waiting = latest(settled(rule.pending, snapshot.at, minutes=30))
    cells = (
        rule.id,
        rule.status or "unknown",
        rule.destination,
        duration(behind) if behind is not None else "unknown",
        f"{waiting:,.0f}" if waiting is not None else "unknown",
    )
    return Row(key=rule.id, cells=cells, dim=rule.status == "Disabled")
