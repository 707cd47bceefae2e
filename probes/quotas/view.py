"""What the screens show of quotas."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import worst
from cockpit.triage.probe import Fact
from cockpit.triage.view import Column, Row, Table
from cockpit.units import number, percent
from probes.quotas import findings
from probes.quotas.findings import Settings
from probes.quotas.model import QuotaUse, Snapshot


def facts(snapshot: Snapshot, settings: Settings) -> Iterator[Fact]:
    """The quota that is used most."""
    known = [each for each in snapshot.quotas if each.share is not None]
    severity = worst(findings.used(snapshot, settings))
    if known:
        first = known[0]
        yield Fact(
            "most used", f"{percent(first.share or 0)} {first.name}", first.share, "share", severity
        )
    else:
        yield Fact("most used", "unknown")
    yield Fact("measured", str(len(known)), len(known))
    yield Fact("not measured", str(_unknown(snapshot)), _unknown(snapshot))
    yield Fact("requests pending", str(len(snapshot.pending)), len(snapshot.pending))


def _unknown(snapshot: Snapshot) -> int:
    return snapshot.unmeasured + sum(each.share is None for each in snapshot.quotas)


def tables(snapshot: Snapshot, settings: Settings) -> Iterator[Table]:
    """Quotas by their use, and requests."""
    yield Table(
        title="Quotas",
        columns=(
            Column("service", 20),
            Column("used", 8, right=True),
            Column("limit", 14, right=True),
            Column("quota"),
        ),
        rows=tuple(_row(each, settings) for each in snapshot.quotas),
        note=(f"of {_unknown(snapshot)} more AWS tells no use, or had no point",),
    )
    if snapshot.requests:
        yield Table(
            title="Requests",
            columns=(
                Column("state", 16),
                Column("wanted", 14, right=True),
                Column("quota"),
            ),
            rows=tuple(
                Row(
                    key=each.key,
                    cells=(
                        each.status,
                        "unknown" if each.wanted is None else number(each.wanted),
                        each.name or each.key,
                    ),
                )
                for each in snapshot.requests
            ),
        )


def _row(quota: QuotaUse, settings: Settings) -> Row:
    share = quota.share
    return Row(
        key=quota.key,
        cells=(
            quota.service,
            "unknown" if share is None else percent(share),
            number(quota.limit),
            quota.name,
        ),
        severity=findings.graded(quota, settings),
        dim=share is None,
    )
