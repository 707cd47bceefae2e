"""Findings about who gets in that should not, and about the public that should and does not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import duration, size
from probes.baseline import usual
from probes.metrics import mean, settled, total
from probes.s3_bucket.model import Block, BucketChange, Exposure
from probes.s3_bucket.settings import ExposureSettings

_OPENING = "nothing else stands between the internet and its objects"
_UNSEEN = "objects may have ACLs of their own, which are not examined"


def policy(snapshot: Exposure, settings: ExposureSettings) -> Iterator[Finding]:
    """The bucket's policy lets everybody in.

    S3_PUBLIC_POLICY: Critical when nothing stops it. A warning when only RestrictPublicBuckets
    does: one setting is between the data and the internet.
    """
    if not snapshot.policy_public or snapshot.intended == "public-read":
        return
    yield _opened("S3_PUBLIC_POLICY", "policy", snapshot, stopped=snapshot.blocks.restrict)


def _opened(code: str, what: str, snapshot: Exposure, *, stopped: bool) -> Finding:
    shown = [f"{each.name}: {each.what}" for each in snapshot.open_grants]
    return Finding(
        code,
        Severity.WARNING if stopped else Severity.CRITICAL,
        f"its {what} is open to everybody" + (", only a block stops it" if stopped else ""),
        evidence=(
            *_policy_evidence(snapshot),
            *_levels(snapshot),
            *_since(snapshot.changes),
        ),
        likely=(
            "a policy was put with Principal *",
            "a condition that everybody can meet: a tag, a referer, a broad range of addresses",
        ),
        against=_against(snapshot, stopped=stopped),
        next=(
            "put the policy right while the block still holds"
            if stopped
            else f"switch on the bucket's Block Public Access; {_OPENING}"
        )
        + ("" if shown else "; which statement opens it, the cockpit cannot tell"),
    )


def _policy_evidence(snapshot: Exposure) -> Iterator[Evidence]:
    for each in snapshot.open_grants[:3]:
        yield Evidence("statement", each.name)
        yield Evidence("principal", each.who)
        yield Evidence("action", each.what)
        yield Evidence("condition", each.condition or "none")


def _levels(snapshot: Exposure) -> tuple[Evidence, ...]:
    return (
        Evidence("off at the bucket", _off(snapshot.block)),
        Evidence("off at the account", _off(snapshot.account_block)),
    )


def _off(block: Block) -> str | None:
    return (block.off or "nothing") if block.known else None


def _since(changes: Sequence[BucketChange]) -> Iterator[Evidence]:
    if changes:
        newest = changes[0]
        yield Evidence("last change", f"{newest.event} at {newest.at:%Y-%m-%d %H:%M:%S} UTC")
        yield Evidence("by", newest.actor or None)


def _against(snapshot: Exposure, *, stopped: bool) -> tuple[str, ...]:
    told = []
    if not stopped and not snapshot.account_block.known:
        told.append("the account's block was not seen: it may stop this")
    if not stopped and not snapshot.block.known:
        told.append("the bucket's block was not seen: it may stop this")
    return tuple(told)


def acl(snapshot: Exposure, settings: ExposureSettings) -> Iterator[Finding]:
    """The bucket's ACL grants something to everybody, or to everybody who has an AWS account.

    S3 shows an ACL as it works: one that IgnorePublicAcls hides comes back when that is switched
    off. ACLs of single objects are not examined.
    """
    open_ = snapshot.open_acl
    if not open_ or snapshot.intended == "public-read":
        return
    stopped = snapshot.blocks.ignore_acls
    granted = ", ".join(f"{each.permission} to {each.who}" for each in open_)
    yield Finding(
        "S3_PUBLIC_ACL",
        Severity.WARNING if stopped else Severity.CRITICAL,
        f"its ACL grants {granted}" + (", only a block stops it" if stopped else ""),
        evidence=(Evidence("grants", granted), *_levels(snapshot), *_since(snapshot.changes)),
        likely=("an old public ACL came back when the block was taken away", "somebody put it"),
        against=_against(snapshot, stopped=stopped),
        next=f"switch on the bucket's Block Public Access; {_UNSEEN}",
    )


def access_points(snapshot: Exposure, settings: ExposureSettings) -> Iterator[Finding]:
    """An access point of the bucket is open to everybody by its policy: another door in."""
    for each in snapshot.access_points:
        if each.public and each.origin != "VPC":
            stopped = each.block.restrict or snapshot.blocks.restrict
            yield Finding(
                "S3_PUBLIC_ACCESS_POINT",
                Severity.WARNING if stopped else Severity.CRITICAL,
                f"its access point {each.name} is open to everybody"
                + (", only a block stops it" if stopped else ""),
                subject=each.name,
                evidence=(
                    Evidence("access point", each.name),
                    Evidence("off at the access point", _off(each.block)),
                    *_levels(snapshot),
                ),
                likely=("a policy of the access point with Principal *",),
                against=_against(snapshot, stopped=stopped),
                next="take its policy away, or switch on the bucket's block",
            )


def writable(snapshot: Exposure, settings: ExposureSettings) -> Iterator[Finding]:
    """Everybody can change the bucket: put objects, delete them, or change who may.

    Whatever it is meant for, nobody means that.
    """
    blocks = snapshot.blocks
    grants = [g for g in snapshot.open_grants if g.writes and snapshot.policy_public]
    by_policy = [f"{g.name}: {g.what}" for g in grants] if not blocks.restrict else []
    writing = {"WRITE", "WRITE_ACP", "FULL_CONTROL"}
    held = [g for g in snapshot.open_acl if g.permission in writing]
    by_acl = [f"ACL: {g.permission} to {g.who}" for g in held] if not blocks.ignore_acls else []
    if by_policy or by_acl:
        yield Finding(
            "S3_PUBLIC_WRITE",
            Severity.CRITICAL,
            f"everybody can change it: {', '.join([*by_policy, *by_acl])}",
            evidence=(
                *(Evidence("by", each) for each in (*by_policy, *by_acl)[:4]),
                *_levels(snapshot),
                *_since(snapshot.changes),
            ),
            likely=("a grant that was meant for reading says s3:*",),
            against=_against(snapshot, stopped=False),
            next="switch on the bucket's Block Public Access, then look at what was put or deleted",
        )


def block_off(snapshot: Exposure, settings: ExposureSettings) -> Iterator[Finding]:
    """Neither bucket nor account block public access whole: the next careless grant is public.

    Critical when it was taken away within the last day (`just_removed`).
    """
    if snapshot.intended == "public-read" or not snapshot.blocks.known or snapshot.blocks.whole:
        return
    since = snapshot.block_removed or _removed(snapshot.changes)
    ago = None if since is None else (snapshot.at - since).total_seconds()
    fresh = ago is not None and ago < settings.just_removed
    yield Finding(
        "S3_BLOCK_PUBLIC_ACCESS_OFF",
        Severity.CRITICAL if fresh else Severity.WARNING,
        "neither bucket nor account block public access whole"
        + (f": changed {duration(ago or 0)} ago" if fresh else ""),
        evidence=(
            *_levels(snapshot),
            Evidence("changed ago", ago, "s", limit=settings.just_removed),
            *_since([each for each in snapshot.changes if "PublicAccessBlock" in each.event]),
        ),
        likely=("it was taken away to make something work", "it was never set"),
        next="who reads it from outside? if nobody: switch on all four",
    )


def _removed(changes: Sequence[BucketChange]) -> datetime | None:
    blocks = [each for each in changes if "PublicAccessBlock" in each.event]
    return blocks[0].at if blocks else None


def read_lost(snapshot: Exposure, settings: ExposureSettings) -> Iterator[Finding]:
    """What everybody shall be able to read cannot be read by everybody: images are gone, a site
    answers 403.
    """
    if snapshot.intended != "public-read" or snapshot.readable:
        return
    blocks = snapshot.blocks
    if not (snapshot.policy_known or snapshot.public is not None):
        return  # told as blind
    by_block = blocks.restrict and snapshot.policy_public
    closed = snapshot.ownership == "BucketOwnerEnforced" or blocks.ignore_acls
    yield Finding(
        "S3_PUBLIC_READ_LOST",
        Severity.CRITICAL if by_block or closed else Severity.WARNING,
        "everybody shall be able to read it, and "
        + ("a block stops that" if by_block else "its policy lets nobody in"),
        evidence=(
            Evidence("policy public", "yes" if snapshot.policy_public else "no"),
            *_levels(snapshot),
            Evidence("object ownership", snapshot.ownership or None),
            *_since(snapshot.changes),
        ),
        likely=(
            ("Block Public Access was switched on",) if by_block else ("its policy was changed",)
        ),
        against=() if by_block or closed else (_UNSEEN,),
        next="who changed it, and what was in force before?",
    )


def egress(snapshot: Exposure, settings: ExposureSettings) -> Iterator[Finding]:
    """Far more is downloaded than usual while it is open: somebody carries it off.

    Judged against the hours before and the same time yesterday; metrics of requests are best
    effort and need a metrics configuration.
    """
    now = total(settled(snapshot.downloaded, snapshot.at, minutes=15))
    before = usual(snapshot.downloaded, snapshot.at)
    yesterday = mean(snapshot.downloaded_yesterday)
    if now is None or not before or not yesterday or now < settings.egress_least:
        return
    times = min(now / 15 / before, now / 15 / yesterday)
    severity = settings.egress_times.grade(times)
    if severity is not None:
        yield Finding(
            "S3_EGRESS_SURGE",
            severity,
            f"{size(now)} were downloaded in 15 minutes, {times:.0f} times what is usual",
            evidence=(
                Evidence("downloaded", now, "bytes"),
                Evidence("times", times, limit=settings.egress_times.first),
                Evidence("usual a minute", before, "bytes"),
                Evidence("yesterday a minute", yesterday, "bytes"),
            ),
            likely=("somebody copies it while it is open", "a campaign"),
            next="close it, then count addresses and objects in the access logs: at least so many",
            fact=False,
        )
