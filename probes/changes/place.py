"""Findings about what the sick things of an account and region have in common."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.triage.related import RankedChanges
from cockpit.triage.together import Unanswered, sick_zones
from cockpit.units import count
from probes.changes.settings import RelatedSettings


def zone(snapshot: RankedChanges, settings: RelatedSettings) -> Iterator[Finding]:
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


def silent(snapshot: RankedChanges, settings: RelatedSettings) -> Iterator[Finding]:
    """Several services of AWS do not answer, or throttle, at one place, or one alone leaves many
    targets blind or seen in part only: its region is in trouble, or our way.

    What runs there may be well all the same: looks and acts go by the same APIs, and are blind.
    """
    for each in snapshot.unanswered:
        alone = settings.one_service.grade(each.most_targets)
        grades = filter(None, (settings.services.grade(len(each.services)), alone))
        severity = max(grades, default=None)
        if severity is None:
            continue
        against = () if each.others else ("nothing of it answers: it may be our own way there",)
        yield Finding(
            "AWS_API_DEGRADED",
            severity,
            f"AWS answers badly at {each.place}: {len(each.services)} of {_asked(each)} services"
            + (f", {each.most} to {count(each.most_targets, 'target')}" if alone else ""),
            subject=each.place,
            evidence=(
                Evidence("services", len(each.services), "", limit=settings.services.first),
                Evidence("named", ", ".join(each.services[:10])),
                Evidence("most targets by one", each.most_targets, "", settings.one_service.first),
                Evidence("one of them", each.example),
                Evidence("kinds that answer", ", ".join(each.others[:10]) or None),
            ),
            likely=(
                "the region's control plane is in trouble",
                "our network or proxy",
            ),
            against=against,
            next="look from elsewhere, and at AWS Health; do not take blindness for an outage",
        )


def _asked(each: Unanswered) -> str:
    return str(each.asked) if each.asked >= len(each.services) else "its"


def limit(snapshot: RankedChanges, settings: RelatedSettings) -> Iterator[Finding]:
    """Several targets are refused something by the same limit of the account and region.

    Whoever takes most of it makes all of them fail, also those that did nothing, and also one that
    nobody looks at here. Each has its own row; this is their one cause.
    """
    for each in snapshot.limits:
        yield Finding(
            "AWS_ACCOUNT_LIMIT",
            Severity.HIGH,
            f"{each.limit} of {each.place} are used up: "
            f"{', '.join(each.targets[:4])}{' …' if len(each.targets) > 4 else ''} are refused",
            subject=f"{each.place} {each.limit}",
            evidence=(
                Evidence("refused", len(each.targets), "targets"),
                Evidence("told there as", ", ".join(each.codes)),
                *([Evidence("all", ", ".join(each.targets[:30]))] if len(each.targets) > 4 else ()),
            ),
            likely=("one of them takes more than before", "somebody else in the account does"),
            next="who takes most of it? slow that one down; an increase takes hours to days",
        )
