"""What has to do with what is wrong: a change before the onset, on what fails, or on its rights;
a zone in which nearly all that is sick stands; an AWS that does not answer; a used-up limit.

Nothing is asked for it: it is judged from what all other looks saw, each time that one of these is
new. A correlation: where every ten minutes something is deployed, something always stands just
before the onset.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from cockpit.connect.session import Closable
from cockpit.errors import BlindError, Reason
from cockpit.triage.changes import Change
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.triage.names import NEW, OLD, ChangedName
from cockpit.triage.nature import codes
from cockpit.triage.onset import Onset
from cockpit.triage.probe import Probe
from cockpit.triage.ranking import Ranked
from cockpit.triage.related import RELATED, RankedChanges
from cockpit.triage.target import Target
from cockpit.units import duration
from probes.changes import place
from probes.changes.settings import RelatedSettings

_RENAME = timedelta(seconds=60)
_HOUR = timedelta(hours=1)
_DAY = timedelta(hours=24)
_LOGS_DENIED = "LOG_ACCESS_DENIED"


async def collect(session: Closable, target: Target) -> RankedChanges:
    """Never looked at: it is taken from the board."""
    raise BlindError(Reason.UNSUPPORTED, f"{target.name} is judged from what other looks saw")


def diagnose(snapshot: RankedChanges, settings: RelatedSettings) -> Iterator[Finding]:
    """The suspected changes, then those on rights and networks of what is looked at."""
    for each in snapshot.ranked[: settings.most]:
        yield from _before(each, snapshot.began, settings)
    yield from _narrowed(snapshot)
    yield from _rights(snapshot)
    yield from place.zone(snapshot, settings)
    yield from place.silent(snapshot, settings)
    yield from place.limit(snapshot, settings)
    yield from _names(snapshot)


def _subject(change: Change) -> str:
    return f"{change.kind} {change.resource or change.target} {change.at:%H:%M:%S}"


def _before(each: Ranked, began: Onset | None, settings: RelatedSettings) -> Iterator[Finding]:
    """A risky change came shortly before the trouble began, on what fails or near it.

    Critical from `critical` on, when it touched what fails or what that needs directly. It is a
    correlation: read what it changed before it is taken back.
    """
    if each.score < settings.warning or each.before is None:
        return
    grave = each.score >= settings.critical and each.near
    change = each.change
    lead = duration(abs(each.before.total_seconds()))
    than = "our first look" if began is not None and began.vague else "the onset"
    when = f"{lead} before {than}" if each.before >= timedelta(0) else "as it began"
    by = f" by {change.actor}" if change.actor else ""
    yield Finding(
        "CHANGE_BEFORE_ONSET",
        Severity.CRITICAL if grave else Severity.WARNING,
        f"{when}: {change.summary}{by}",
        subject=_subject(change),
        evidence=(
            Evidence("score", round(each.score, 2), "", settings.warning),
            *(Evidence(name, round(value, 2)) for name, value in each.parts),
            Evidence("distance", each.where or "not known"),
            *(Evidence("changed", line) for line in change.details[:5]),
        ),
        against=each.against,
        next="read what exactly it changed, ask its author, then take it back if it fits",
    )


def _narrowed(snapshot: RankedChanges) -> Iterator[Finding]:
    """A rule was taken from a security group that a configured path or another look here names.

    Whether the path still stands, its own row says. A rule that came back within a minute, in the
    same group, was renamed and is not told.
    """
    uses = dict(snapshot.uses)
    changes = [each.change for each in snapshot.ranked]
    for change in changes:
        if not change.call.startswith("ec2.RevokeSecurityGroup") or change.failed or change.own:
            continue
        users = uses.get(change.resource, ())
        if not users or snapshot.at - change.at > _HOUR:
            continue
        gone = [line for line in change.details if line not in _came_back(change, changes)]
        if not gone:
            continue
        yield Finding(
            "SG_NARROWED",
            Severity.WARNING,
            f"{change.resource} lost a rule: {gone[0]}",
            subject=_subject(change),
            evidence=(
                Evidence("who", change.actor or "unknown"),
                Evidence("named by the looks at", ", ".join(users[:5])),
                Evidence("ago", (snapshot.at - change.at).total_seconds(), "s"),
                *(Evidence("rule", line) for line in gone[:5]),
            ),
            likely=("a cleanup that took more than it should", "a pipeline that owns the group"),
            next="look at the path's own row; ask the author before the rule is put back",
        )


def _came_back(change: Change, changes: list[Change]) -> set[str]:
    return {
        line.replace("+", "−", 1)
        for other in changes
        if other.call.startswith("ec2.AuthorizeSecurityGroup")
        and other.resource == change.resource
        and abs(other.at - change.at) <= _RENAME
        for line in other.details
    }


def _rights(snapshot: RankedChanges) -> Iterator[Finding]:
    """The rights of a role that a failing target works with were changed within a day.

    Critical when logs say that calls are denied. Roles that AWS keeps by itself are not told.
    """
    uses, sick = dict(snapshot.uses), set(snapshot.sick)
    for each in snapshot.ranked:
        change = each.change
        if not change.kind.startswith("iam.") or change.failed or change.own:
            continue
        name = change.resource.rpartition("/")[2]
        holders = sick & {*uses.get(change.resource, ()), *uses.get(name, ())}
        if not holders or name.startswith("AWSServiceRole") or snapshot.at - change.at > _DAY:
            continue
        denied = _LOGS_DENIED in snapshot.codes
        yield Finding(
            "IAM_CHANGED",
            Severity.CRITICAL if denied else Severity.WARNING,
            f"rights of {min(holders)} were changed: {change.summary}",
            subject=_subject(change),
            evidence=(
                Evidence("who", change.actor or "unknown"),
                Evidence("used by", ", ".join(sorted(holders))),
                Evidence("ago", (snapshot.at - change.at).total_seconds(), "s"),
                *(Evidence("changed", line) for line in change.details[:5]),
            ),
            likely=("a right that the application needs was taken away",),
            next="compare with what its logs say is denied; ask the author",
        )


def _names(snapshot: RankedChanges) -> Iterator[Finding]:
    """The record of a name that a target is asked by was changed within a day.

    A resolver may keep the old answer until the time of the change and the old TTL are over: until
    then some clients go to the old place, and that is how DNS works. A warning while somebody
    answers with the old one; clients that resolve only at their start keep it for longer.
    """
    for each in snapshot.names:
        if snapshot.at - each.move.at > _DAY:
            continue
        move, old = each.move, [held for held in each.answers if held.state == OLD]
        by = f" by {move.actor}" if move.actor else ""
        yield Finding(
            "DNS_RECORD_CHANGED",
            Severity.WARNING if old else Severity.INFO,
            f"{move.name} {move.type} was changed at {_clock(move.at)}{by}: {_moved(each)};"
            f" {_seen(each)}",
            subject=f"{each.target} {move.name} {move.type}",
            evidence=(
                Evidence("old answers may be kept until", _clock(move.until)),
                Evidence("old TTL", move.old_ttl, "s"),
                *(Evidence(held.source, f"{held.said} ({held.state})") for held in each.answers),
            ),
            likely=("somebody moved the name to another place",),
            next="is the new place the right one? If not, ask the author before it is moved back",
        )


def _clock(at: datetime | None) -> str:
    return "not known" if at is None else f"{at:%H:%M:%S} UTC"


def _moved(each: ChangedName) -> str:
    move = each.move
    was = "what it was is not told" if move.old is None else ", ".join(move.old)
    if not move.plain and not (move.old or move.new):
        return "an alias"
    return f"{was} → {', '.join(move.new) or 'deleted'}"


def _seen(each: ChangedName) -> str:
    old = [held.source for held in each.answers if held.state == OLD]
    if old:
        return f"{', '.join(old)} still gives the old answer"
    if each.answers and all(held.state == NEW for held in each.answers):
        return "every resolver that is asked gives the new one"
    return "the answers cannot be held against it"


PROBE = Probe(
    id=RELATED,
    kind="changes",
    collect=collect,
    diagnose=diagnose,
    snapshot=RankedChanges,
    settings=RelatedSettings(),
    every=60,
    timeout=1,
    asks=False,
    codes=codes(
        cause=("AZ_CORRELATED", "AWS_ACCOUNT_LIMIT"),
        event=("CHANGE_BEFORE_ONSET", "SG_NARROWED", "IAM_CHANGED", "DNS_RECORD_CHANGED"),
        eye=("AWS_API_DEGRADED",),
    ),
)
