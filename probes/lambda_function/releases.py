"""Findings about what runs: a fresh version, an alias on its way, and a worse canary."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import duration, percent
from probes.began import TOLD, told
from probes.lambda_function.model import Snapshot, VersionTraffic
from probes.lambda_function.settings import Settings
from probes.metrics import Rate, counted, settled, total


def _rate(snapshot: Snapshot, traffic: VersionTraffic) -> Rate:
    done = settled(traffic.invocations, snapshot.at, minutes=15)
    failed = settled(traffic.errors, snapshot.at, minutes=15)
    return Rate(counted(failed, done), total(done))


def canary(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The new version of a weighted alias fails more often than the old one.

    Judged from `canary_least` invocations of each on: one failure of three says nothing.
    """
    if len(snapshot.versions) < 2:
        return
    old, *new = snapshot.versions
    before = _rate(snapshot, old)
    for each in new:
        rate = _rate(snapshot, each)
        enough = all(one.enough(settings.canary_least) for one in (before, rate))
        if not enough or rate.share is None or before.share is None:
            continue
        if rate.share < settings.canary_errors or (
            rate.share < settings.canary_times * before.share
        ):
            continue
        yield Finding(
            "LAMBDA_CANARY_WORSE",
            Severity.CRITICAL,
            f"version {each.version} fails {percent(rate.share)}, version {old.version} "
            f"{percent(before.share)}",
            subject=each.version,
            evidence=(
                Evidence(f"version {each.version}", rate.share, "share"),
                Evidence("its invocations", rate.whole),
                Evidence(f"version {old.version}", before.share, "share"),
                Evidence("its invocations", before.whole),
            ),
            likely=("the new version is broken",),
            next="take its weight away: the alias keeps the old version",
            fact=False,
        )


def changed(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """What was changed of late: a suspect for everything that began after it.

    LAMBDA_VERSION_CHANGED: Code or configuration is younger than an hour, or the alias was moved.

    LAMBDA_ALIAS_SHIFTING: The alias sends a part of its invocations to another version.
    """
    alias = snapshot.alias
    if snapshot.modified is not None:
        age = (snapshot.at - snapshot.modified).total_seconds()
        if 0 <= age < settings.recent:
            yield Finding(
                "LAMBDA_VERSION_CHANGED",
                Severity.INFO,
                f"version {snapshot.version or '$LATEST'} was changed {duration(age)} ago",
                subject=snapshot.version,
                evidence=(
                    Evidence("version", snapshot.version or None),
                    Evidence("code", snapshot.sha[:12] or None),
                    Evidence("ago", age, "s"),
                ),
                next="did what is wrong begin after it?",
                began=told(snapshot.modified, snapshot.at),
                resolution=TOLD,
            )
    moved = snapshot.pointed[0] if snapshot.pointed else None
    if alias is not None and moved is not None:
        age = (snapshot.at - moved.at).total_seconds()
        if age < settings.recent and moved.version == alias.version:
            yield Finding(
                "LAMBDA_VERSION_CHANGED",
                Severity.INFO,
                f"alias {alias.name} was pointed to version {alias.version} {duration(age)} ago",
                subject=f"alias {alias.name}",
                evidence=(
                    Evidence("by", moved.actor or None),
                    Evidence("before", snapshot.previous_version or None),
                    Evidence("ago", age, "s"),
                ),
                next="did what is wrong begin after it?",
                began=told(moved.at, snapshot.at),
                resolution=TOLD,
            )
    for each in snapshot.aliases:
        if each.weights and (alias is None or each.name == alias.name):
            parts = ", ".join(f"{percent(w.weight)} to version {w.version}" for w in each.weights)
            yield Finding(
                "LAMBDA_ALIAS_SHIFTING",
                Severity.INFO,
                f"alias {each.name} of version {each.version} sends {parts}",
                subject=each.name,
                evidence=(Evidence("version", each.version), Evidence("besides", parts)),
                next="compare the errors of the two versions",
            )
