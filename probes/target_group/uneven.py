"""Healthy targets that get less traffic than the others: by a zonal shift, or for their errors.

Source: ELBv2 API Reference, `AdministrativeOverride` and `AnomalyDetection`; Elastic Load Balancing
User Guide, "Zonal shift". Both come with `Include=All` only.
"""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import count
from probes.target_group.model import Snapshot, TargetState

_SHIFTED = "zonal_shift_active"
_BY_DNS = "zonal_shift_delegated_to_dns"


def shifted(snapshot: Snapshot, _: object) -> Iterator[Finding]:
    """Somebody, or AWS itself, moved traffic out of a zone: healthy targets there get none.

    Those that are left carry all of it, which counts of healthy targets do not show. Critical when
    none of them is healthy. With balancing across zones it may work by DNS alone: then the zone's
    targets are still sent to by the nodes of other zones.
    """
    held = [target for target in snapshot.targets if target.override in {_SHIFTED, _BY_DNS}]
    if not held:
        return
    away = {target.key for target in held if target.override == _SHIFTED}
    left = [t for t in snapshot.counted if t.state == "healthy" and t.key not in away]
    if not away:
        severity, what = Severity.INFO, "is shifted away by DNS alone"
    else:
        severity = Severity.WARNING if left else Severity.CRITICAL
        what = f"is shifted away, {count(len(left), 'healthy target')} left"
    zones = sorted({target.zone for target in held if target.zone})
    yield Finding(
        "TG_ZONAL_SHIFT",
        Severity.INFO if snapshot.idle else severity,
        f"traffic to {count(len(held), 'target')}{' in ' * bool(zones)}{', '.join(zones)} {what}",
        evidence=(
            Evidence("shifted away", len(away)),
            Evidence("shifted by DNS", len(held) - len(away)),
            Evidence("healthy and not shifted", len(left)),
        ),
        likely=("somebody moved traffic out of the zone", "zonal autoshift: AWS saw trouble there"),
        next="find out in ARC who started the shift and when it ends, before you end it",
    )


def anomalous(snapshot: Snapshot, _: object) -> Iterator[Finding]:
    """Targets pass their health check and answer with more errors than the others.

    The balancer's own detection says so; it sends them less only where the group's algorithm is
    weighted random with mitigation on. The check does not see what requests see.
    """
    held = [target for target in snapshot.counted if target.anomalous]
    if not held:
        return
    spared = sum(target.spared for target in held)
    share = "gets less traffic" if len(held) == 1 else f"{spared} get less traffic"
    yield Finding(
        "TG_TARGETS_ANOMALOUS",
        Severity.INFO if snapshot.idle else Severity.WARNING,
        f"{count(len(held), 'target')} with more errors than the others: {_named(held)};"
        f" {share if spared else 'the share of traffic is as before'}",
        evidence=(
            Evidence("anomalous", len(held)),
            Evidence("with less traffic for it", spared),
            Evidence("healthy targets", snapshot.healthy),
        ),
        likely=(
            "one bad host, or one version among others",
            "a dependency that only these targets reach badly",
        ),
        next="compare the logs of these targets with those of another one",
    )


def _named(targets: list[TargetState]) -> str:
    shown = ", ".join(target.key for target in targets[:3])
    return f"{shown} and {len(targets) - 3} more" if len(targets) > 3 else shown
