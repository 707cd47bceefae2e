"""Findings about who does not get in: refused requests, declared readers, the key, the change."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.connect.session import Series
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.units import duration, percent
from probes.baseline import LEAST, before
from probes.began import POINTS, TOLD, share_since, told
from probes.metrics import Rate, counted, settled, total
from probes.s3_bucket.model import Access
from probes.s3_bucket.settings import AccessSettings

_WINDOW = 15
_USABLE = frozenset({"Enabled"})
_PASSING = frozenset({"Creating", "Updating"})
_UNUSABLE = {
    "Disabled": "somebody disabled the key",
    "PendingDeletion": "somebody scheduled the key for deletion",
    "PendingReplicaDeletion": "somebody scheduled the key for deletion",
    "PendingImport": "its key material was deleted or has expired",
    "Unavailable": "the store that holds the key is not connected",
    "missing": "the key was deleted: what is encrypted with it is lost, or the id is wrong",
}


def rate_of(snapshot: Access, part: Series) -> Rate:
    """A share of all requests of the last quarter of an hour."""
    done = settled(snapshot.requests, snapshot.at, minutes=_WINDOW)
    return Rate(counted(settled(part, snapshot.at, minutes=_WINDOW), done), total(done))


def _ordinary(snapshot: Access, part: Series) -> float | None:
    """The share in the hours before; None: too few of them are known."""
    whole = before(snapshot.requests, snapshot.at)
    if len(whole) < LEAST or not sum(whole):
        return None
    return sum(before(part, snapshot.at)) / sum(whole)


def _grade(
    snapshot: Access, part: Series, limits: Thresholds, settings: AccessSettings
) -> Severity | None:
    few = settings.least_requests
    return rate_of(snapshot, part).grade(limits, minimum=5 * few, few=few)


def refused(snapshot: Access, settings: AccessSettings) -> Severity | None:
    """How bad the share of 4xx is, by itself and by what is usual."""
    severity = _grade(snapshot, snapshot.refused, settings.refused, settings)
    share, ordinary = (
        rate_of(snapshot, snapshot.refused).share,
        _ordinary(snapshot, snapshot.refused),
    )
    if severity is None or share is None:
        return None
    usual = ordinary is not None and share < settings.refused_times * ordinary
    return None if usual else severity


def shut_out(snapshot: Access, settings: AccessSettings) -> bool:
    """Whether anything says that somebody does not get in."""
    return bool(
        refused(snapshot, settings)
        or any(each.decision == "denied" for each in snapshot.principals)
    )


def errors(snapshot: Access, settings: AccessSettings) -> Iterator[Finding]:
    """What S3 answers to requests, where a metrics configuration counts them.

    S3_4XX_RATE: More is refused than usual: a policy, a key or a name was changed. What is missing
    is answered with 403 too, to those who may not list.

    S3_5XX_RATE: S3 itself fails, or slows somebody down (503 SlowDown) who asks one prefix too
    much.
    """
    severity = refused(snapshot, settings)
    rate = rate_of(snapshot, snapshot.refused)
    if severity is not None:
        ordinary = _ordinary(snapshot, snapshot.refused)
        yield Finding(
            "S3_4XX_RATE",
            severity,
            f"S3 refuses {rate.text()}",
            evidence=(
                Evidence("share", rate.share, "share", limit=settings.refused.first),
                Evidence("before", ordinary, "share"),
                Evidence("requests", rate.whole),
                Evidence("filter", snapshot.filter),
            ),
            likely=(
                "a policy of the bucket or of a role was changed",
                "the key was disabled",
                "objects are asked for that are not there",
            ),
            against=() if ordinary is not None else ("what is usual is not known yet",),
            next="what was changed before it began? the access logs tell 403 from 404",
            fact=False,
            began=share_since(
                settled(snapshot.refused, snapshot.at, minutes=180),
                settled(snapshot.requests, snapshot.at, minutes=180),
                settings.refused,
            ),
            resolution=POINTS,
        )
    severity = _grade(snapshot, snapshot.failed, settings.failed, settings)
    rate = rate_of(snapshot, snapshot.failed)
    if severity is not None:
        yield Finding(
            "S3_5XX_RATE",
            severity,
            f"S3 fails {rate.text()}",
            evidence=(
                Evidence("share", rate.share, "share", limit=settings.failed.first),
                Evidence("requests", rate.whole),
                Evidence("filter", snapshot.filter),
            ),
            likely=("one prefix is asked more than S3 has scaled to (503 SlowDown)", "AWS itself"),
            next="retry with back-off, spread the keys over prefixes, look at AWS Health",
            fact=False,
            began=share_since(
                settled(snapshot.failed, snapshot.at, minutes=180),
                settled(snapshot.requests, snapshot.at, minutes=180),
                settings.failed,
            ),
            resolution=POINTS,
        )


def principals(snapshot: Access, settings: AccessSettings) -> Iterator[Finding]:
    """Somebody who is declared to need the bucket does not get in.

    By one explicit Deny, or since nobody allows it. IAM's simulation does not know the policies of
    VPC endpoints or of sessions, nor the key's: "allowed" is no proof.
    """
    for each in snapshot.principals:
        if each.decision == "denied":
            yield Finding(
                "S3_READER_DENIED",
                Severity.CRITICAL,
                f"{each.principal} may not {each.action}: {each.layer}",
                subject=f"{each.principal} {each.action}",
                evidence=(
                    Evidence("principal", each.principal),
                    Evidence("action", each.action),
                    Evidence("decided by", each.layer),
                    Evidence("statement", each.statement or None),
                    Evidence("policy before", snapshot.previous_known_by or "not known"),
                ),
                likely=(
                    ("the bucket's policy was changed",)
                    if "bucket's" in each.layer
                    else ("a policy of the role was changed or detached",)
                ),
                next="find who changed it, and put back what was there before",
            )


def key(snapshot: Access, settings: AccessSettings) -> Iterator[Finding]:
    """The key that the bucket encrypts with cannot be used: every read and write of what is
    encrypted with it is refused, as AccessDenied of S3.

    A scheduled deletion can be cancelled until its day; after that all of it is lost.
    """
    held = snapshot.key
    if held is None or held.state in _USABLE | _PASSING:
        return
    known = held.state in _UNUSABLE
    ends = None if held.deletion is None else (held.deletion - snapshot.at).total_seconds()
    yield Finding(
        "S3_KMS_UNUSABLE",
        Severity.CRITICAL if known else Severity.WARNING,
        f"its key is {held.state}" if held.state else "KMS tells no state of its key",
        subject=held.id,
        evidence=(
            Evidence("key", held.id),
            Evidence("state", held.state or None),
            Evidence("deleted in", ends, "s"),
            Evidence("managed by", held.manager or None),
        ),
        likely=(_UNUSABLE[held.state],) if known else (),
        against=() if known else ("the state is not known to the cockpit",),
        next="cancel the deletion and enable the key, if whoever did it agrees",
    )


def changed(snapshot: Access, settings: AccessSettings) -> Iterator[Finding]:
    """The bucket's policy was changed within the last hour: a suspect for what began after it.

    A warning while requests are refused or somebody is shut out.
    """
    moves = [each for each in snapshot.changes if "Policy" in each.event]
    newest = moves[0] if moves else None
    at = newest.at if newest is not None else snapshot.policy_changed
    ago = None if at is None else (snapshot.at - at).total_seconds()
    if ago is None or not 0 <= ago < settings.recent:
        return
    worse = shut_out(snapshot, settings)
    rate = rate_of(snapshot, snapshot.refused).share
    yield Finding(
        "S3_POLICY_CHANGED",
        Severity.WARNING if worse else Severity.INFO,
        f"its policy was changed {duration(ago)} ago"
        + (f" by {newest.actor}" if newest is not None and newest.actor else ""),
        evidence=(
            Evidence("ago", ago, "s"),
            Evidence("call", newest.event if newest is not None else "seen by the cockpit"),
            Evidence("by", (newest.actor if newest is not None else "") or None),
            Evidence("refused", None if rate is None else percent(rate)),
        ),
        next="did what is wrong begin after it?",
        began=told(at, snapshot.at),
        resolution=TOLD,
    )
