"""What several targets share and that no configuration names: their resolver, zone, region."""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.triage.resolution import NoNames
from cockpit.triage.together import LimitReached, Unanswered, ZoneShare
from cockpit.units import count

_LOOK_AT_ZONE = "look at AWS Health, and at what only this zone has: its NAT gateway, its ACL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """A suspect that is no target of the configuration."""

    name: str
    summary: str
    targets: tuple[str, ...]
    """Those that it ails."""
    reasons: tuple[str, ...]
    next: str
    """What to look at."""
    kind: str = "target"
    """`zone`: an availability zone; `account`: a limit of the account."""


def of_names(lost: NoNames) -> Shared:
    """Names are not found from here."""
    return Shared(
        name=lost.name,
        summary=lost.summary,
        targets=lost.targets,
        reasons=(
            f"the names of {count(len(lost.targets), 'target')} fail at once",
            "no name that is looked up is found",
        ),
        next="look one of the names up at another resolver",
    )


def of_zone(zone: ZoneShare) -> Shared:
    """Nearly all that is sick stands in one zone."""
    return Shared(
        name=f"zone {zone.zone}",
        summary=f"{len(zone.sick)} of {zone.many} in {zone.zone} of {zone.place} are sick, "
        f"elsewhere {zone.sick_elsewhere} of {zone.many_elsewhere}",
        targets=zone.targets,
        reasons=(
            f"{count(len(zone.targets), 'target')} have something sick there",
            "the other zones are well",
        ),
        next=_LOOK_AT_ZONE,
        kind="zone",
    )


def of_named_zone(zone: str, targets: tuple[str, ...]) -> Shared:
    """What ails several targets names the same zone."""
    return Shared(
        name=f"zone {zone}",
        summary=f"what ails {count(len(targets), 'target')} names {zone}",
        targets=targets,
        reasons=(f"{', '.join(targets[:4])} name it", "no other zone is named as often"),
        next=_LOOK_AT_ZONE,
        kind="zone",
    )


def of_limit(reached: LimitReached) -> Shared:
    """A limit of the account refuses something to several targets."""
    many = count(len(reached.targets), "target")
    return Shared(
        name=f"limit {reached.limit}",
        summary=f"{reached.limit} of {reached.place} is used up: it refuses something to {many}",
        targets=reached.targets,
        reasons=(f"{', '.join(reached.targets[:4])} run into it", ", ".join(reached.codes)),
        next="raise the limit, or take load off what uses most of it",
        kind="account",
    )


def of_region(silent: Unanswered, sick: tuple[str, ...]) -> Shared:
    """AWS itself is in trouble where they are."""
    many = count(len(silent.services), "service")
    return Shared(
        name=f"AWS at {silent.place}",
        summary=f"{many} of {silent.place} do not answer ({', '.join(silent.services[:4])}), "
        "and AWS has an event open there",
        targets=sick,
        reasons=(f"{many} do not answer while others do", "AWS Health has an event open"),
        next="read what AWS says; is another region well?",
    )
