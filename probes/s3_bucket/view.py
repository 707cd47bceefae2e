"""What the screens show of a bucket: whether it is open, each grant, each door, each change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cockpit.triage.changes import Change
from cockpit.triage.finding import Severity
from cockpit.triage.probe import Fact
from cockpit.triage.view import Column, Row, Table
from cockpit.units import size
from probes.metrics import settled, total
from probes.s3_bucket.model import Block, BucketChange, Exposure, PolicyGrant, both
from probes.s3_bucket.settings import ExposureSettings


def exposure_facts(snapshot: Exposure, settings: ExposureSettings) -> Iterator[Fact]:
    """`private`, `open`, `public`, `closed` where it should be public, or `unknown`."""
    yield _headline(snapshot)
    out = total(settled(snapshot.downloaded, snapshot.at, minutes=15))
    if out is not None:
        yield Fact("downloaded in 15 minutes", size(out), out, "bytes")


def _headline(snapshot: Exposure) -> Fact:
    label = "exposure"
    points = [each for each in snapshot.access_points if each.public and each.origin != "VPC"]
    unblocked = [each for each in points if not both(each.block, snapshot.blocks).restrict]
    known = snapshot.policy_known or snapshot.public is not None
    if snapshot.intended == "public-read":
        if snapshot.readable:
            return Fact(label, "public")
        return (
            Fact(label, "closed", severity=Severity.CRITICAL) if known else Fact(label, "unknown")
        )
    by_policy = snapshot.policy_public and not snapshot.blocks.restrict
    by_acl = bool(snapshot.open_acl) and not snapshot.blocks.ignore_acls
    if by_policy or by_acl or unblocked:
        return Fact(label, "open", severity=Severity.CRITICAL)
    if not known or not snapshot.acl_known:
        return Fact(label, "unknown")
    return Fact(label, "private")


def exposure_tables(snapshot: Exposure, settings: ExposureSettings) -> Iterator[Table]:
    """The policy by statements, the blocks of both levels, the other doors, and who changed it."""
    if snapshot.grants or snapshot.acl:
        yield _granted(snapshot)
    yield Table(
        title="Block Public Access",
        columns=(Column("Level", 16), Column("Off")),
        rows=tuple(
            Row(key=level, cells=(level, _told(block)), dim=block.whole)
            for level, block in (
                ("bucket", snapshot.block),
                ("account", snapshot.account_block),
                *((f"point {each.name}", each.block) for each in snapshot.access_points),
            )
        ),
        note=("access points are read only as far as they are public",),
    )
    if snapshot.access_points:
        yield Table(
            title="Access points",
            columns=(Column("Name", 30), Column("From", 12), Column("Public")),
            rows=tuple(
                Row(
                    key=each.name,
                    cells=(each.name, each.origin or "unknown", _yes(each.public)),
                    severity=Severity.CRITICAL if each.public else None,
                )
                for each in snapshot.access_points
            ),
        )
    yield from changed(snapshot.changes)


def _granted(snapshot: Exposure) -> Table:
    rows = [
        Row(
            key=f"policy {number}",
            cells=(each.name, _effect(each), each.who, each.what, each.condition),
            severity=Severity.CRITICAL if each.public else None,
            dim=not each.allows,
        )
        for number, each in enumerate(snapshot.grants)
    ]
    rows += [
        Row(
            key=f"acl {number}",
            cells=("ACL", "allows", each.who, each.permission, ""),
            severity=Severity.CRITICAL if each.public else None,
        )
        for number, each in enumerate(snapshot.acl)
    ]
    word = {True: "S3 calls it public", False: "S3 calls it not public", None: ""}
    return Table(
        title="Who may",
        columns=(
            Column("Statement", 24),
            Column("Effect", 8),
            Column("Who", 40),
            Column("What", 30),
            Column("If"),
        ),
        rows=tuple(rows),
        headline=word[snapshot.public],
        note=("ACLs of single objects are not examined",),
    )


def _effect(grant: PolicyGrant) -> str:
    return "allows" if grant.allows else "denies"


def _told(block: Block) -> str:
    if not block.known:
        return "unknown"
    return block.off or "nothing: all four are on"


def _yes(value: bool | None) -> str:
    return {True: "yes", False: "no", None: "unknown"}[value]


def changed(changes: Sequence[BucketChange]) -> Iterator[Table]:
    """Who changed who may, newest first."""
    if changes:
        yield Table(
            title="Changes of who may",
            columns=(Column("At (UTC)", 20), Column("Call", 32), Column("By")),
            rows=tuple(
                Row(
                    key=f"{each.at.isoformat()} {each.event}",
                    cells=(f"{each.at:%Y-%m-%d %H:%M:%S}", each.event, each.actor or "unknown"),
                )
                for each in changes[:20]
            ),
            note=("CloudTrail is up to fifteen minutes late",),
        )


def exposure_changes(snapshot: Exposure, target: str) -> Iterator[Change]:
    """Who opened or closed it."""
    yield from told_changes(snapshot.changes, target)


def told_changes(changes: Sequence[BucketChange], target: str) -> Iterator[Change]:
    """The same event gives the same change, whichever look saw it."""
    for each in changes[:20]:
        yield Change(
            at=each.at,
            kind="s3.policy",
            target=target,
            summary=each.event,
            actor=each.actor,
            source="cloudtrail.LookupEvents",
        )
