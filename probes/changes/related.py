"""What has to do with what is wrong: a change before the onset, on what fails, or on its rights;
a zone in which nearly all that is sick stands; an AWS that does not answer.

Nothing is asked for it: it is judged from what all other looks saw, each time that one of these is
new. A correlation: where every ten minutes something is deployed, something always stands just
before the onset.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from cockpit.connect.session import Closable
from cockpit.errors import BlindError, Reason
from cockpit.triage.changes import Change
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.triage.names import NEW, OLD, ChangedName
from cockpit.triage.onset import Onset
from cockpit.triage.probe import Probe
from cockpit.triage.ranking import Ranked
from cockpit.triage.related import RELATED, RankedChanges
from cockpit.triage.target import Target
from cockpit.triage.together import ZONE_ELSEWHERE, ZONE_LEAST, ZONE_SICK, Unanswered, sick_zones
from cockpit.units import duration

_RENAME = timedelta(seconds=60)
_HOUR = timedelta(hours=1)
_DAY = timedelta(hours=24)
_LOGS_DENIED = "LOG_ACCESS_DENIED"


@dataclass(frozen=True, slots=True, kw_only=True)
class RelatedSettings:
    """Scores are between 0 and 1: risk × time × relation × actor × outcome."""

    warning: float = 0.3
    critical: float = 0.6
    """Only for a change on what fails, or on what that needs directly."""
    zone_sick: float = ZONE_SICK
    """Share of a zone's nodes, instances and targets that are sick."""
    zone_elsewhere: float = ZONE_ELSEWHERE
    """Share of those of the other zones, below which it is the zone."""
    zone_least: int = ZONE_LEAST
    """Sick ones in a zone, of at least two targets, below which nothing is told."""
    services: Thresholds = Thresholds(warning=3, critical=6)
    """Services of a place that do not answer, all within two minutes."""
    most: int = 3
    """Of how many changes it is told, the most suspected first."""


async def collect(session: Closable, target: Target) -> RankedChanges:
    """Never looked at: it is taken from the board."""
    raise BlindError(Reason.UNSUPPORTED, f"{target.name} is judged from what other looks saw")


def diagnose(snapshot: RankedChanges, settings: RelatedSettings) -> Iterator[Finding]:
    """The suspected changes, then those on rights and networks of what is looked at."""
    for each in snapshot.ranked[: settings.most]:
        yield from _before(each, snapshot.began, settings)
    yield from _narrowed(snapshot)
    yield from _rights(snapshot)
    yield from _zone(snapshot, settings)
    yield from _silent(snapshot, settings)
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


def _zone(snapshot: RankedChanges, settings: RelatedSettings) -> Iterator[Finding]:
    """Nearly all that is sick stands in one zone, and the other zones are well.

    A zone of AWS is in trouble, long before AWS says so; or something of ours that only this zone
    has: its NAT gateway, its subnet, its ACL. What can serve from elsewhere is moved out of it.
    """
    told = sick_zones(
        snapshot.zones,
        sick=settings.zone_sick,
        elsewhere=settings.zone_elsewhere,
        least=settings.zone_least,
    )
    for each in told:
        here = len(each.sick) / each.many
        there = each.sick_elsewhere / each.many_elsewhere
        yield Finding(
            "AZ_CORRELATED",
            Severity.CRITICAL,
            f"{len(each.sick)} of {each.many} in {each.zone} are sick, elsewhere "
            f"{each.sick_elsewhere} of {each.many_elsewhere}",
            subject=f"{each.place} {each.zone}",
            evidence=(
                Evidence("sick in the zone", here, "share", limit=settings.zone_sick),
                Evidence("sick elsewhere", there, "share", limit=settings.zone_elsewhere),
                Evidence("sick", ", ".join(each.sick[:8])),
                Evidence("seen by the looks at", ", ".join(each.targets[:8])),
            ),
            likely=(
                "the zone itself is in trouble: AWS says so later, if at all",
                "what only this zone has: its NAT gateway, its subnets, their ACL",
            ),
            next="look at AWS Health and at the zone's paths; can the others carry all of it?",
        )


def _silent(snapshot: RankedChanges, settings: RelatedSettings) -> Iterator[Finding]:
    """Several services of AWS do not answer, or throttle, at one place: its region is in trouble,
    or our way.

    What runs there may be well all the same: looks and acts go by the same APIs, and are blind.
    """
    for each in snapshot.unanswered:
        severity = settings.services.grade(len(each.services))
        if severity is None:
            continue
        alone = () if each.others else ("nothing of it answers: it may be our own way there",)
        yield Finding(
            "AWS_API_DEGRADED",
            severity,
            f"AWS answers badly at {each.place}: {len(each.services)} of {_asked(each)} services",
            subject=each.place,
            evidence=(
                Evidence("services", len(each.services), "", limit=settings.services.first),
                Evidence("named", ", ".join(each.services[:10])),
                Evidence("one of them", each.example),
                Evidence("kinds that answer", ", ".join(each.others[:10]) or None),
            ),
            likely=(
                "the region's control plane is in trouble",
                "our network or proxy",
            ),
            against=alone,
            next="look from elsewhere, and at AWS Health; do not take blindness for an outage",
        )


def _asked(each: Unanswered) -> str:
    return str(each.asked) if each.asked >= len(each.services) else "its"


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
    codes=(
        "CHANGE_BEFORE_ONSET",
        "SG_NARROWED",
        "IAM_CHANGED",
        "AZ_CORRELATED",
        "AWS_API_DEGRADED",
        "DNS_RECORD_CHANGED",
    ),
)
