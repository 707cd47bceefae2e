"""How much the changes at a place speak against it: risk × words × timing × signature."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from cockpit.triage.changes import Change
from cockpit.triage.nature import StoryRole, Trait
from cockpit.triage.onset import Onset
from cockpit.triage.ranking import risk
from cockpit.triage.suspicion import weights
from cockpit.triage.suspicion.ills import RELEASES, Ill
from cockpit.triage.suspicion.reach import Reach
from cockpit.triage.suspicion.scene import Locus, Scene

_ENDS = ("ALB_5", "TG_", "NET_HTTP", "APIGW_5", "CF_5")
_NETWORK = (
    "PATH_", "NET_TCP", "NET_SUBNET", "ALB_504", "ALB_503", "ALB_TARGET_CONN", "TG_NO_HEALTHY",
    "RDS_CONNECTIONS_COLLAPSED", "DDB_TRAFFIC_STOPPED", "ECS_IMAGE", "ECS_RESOURCE",
)  # fmt: skip
_SIGNATURES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "ecs.deployment": (
        ("ECS_CRASH", "ECS_TASK", "ECS_DEPLOYMENT", "ECS_IMAGE", "ECS_HEALTH", "ECS_RESOURCE",
         "ECS_CPU", "ECS_MEMORY", "ECS_SERVICE"),
        (*_ENDS, "ALB_LATENCY"),
    ),
    "ecs.": (("ECS_",), _ENDS),
    "lambda.": (("LAMBDA_",), (*_ENDS, "APIGW_", "SQS_", "SFN_", "KINESIS_")),
    "apigateway.": (("APIGW_",), ("APIGW_", "CF_5", "NET_HTTP")),
    "ec2.": (_NETWORK, _NETWORK),
    "route53.": (("NET_DNS", "NET_HTTP_BODY", "NET_TLS_NAME"), ("ALB_TRAFFIC_DROP",)),
    "rds.configuration": (("PG_", "MY_", "RDS_"), ()),
    "rds.": (("PG_", "MY_", "RDS_"), _ENDS),
    "postgres.": (("PG_", "MY_", "RDS_"), _ENDS),
    "mysql.": (("PG_", "MY_", "RDS_"), _ENDS),
    "elasticache.": (("RD_", "MC_", "CACHE_"), (*_ENDS, "ALB_LATENCY")),
    "redis.": (("RD_", "CACHE_"), (*_ENDS, "ALB_LATENCY")),
    "memcached.": (("MC_",), ("ALB_LATENCY",)),
    "dynamodb.": (("DDB_",), ()),
    "iam.": (("LAMBDA_", "S3_", "ECS_", "SNS_", "IAM_"), _ENDS),
    "kms.": (("LAMBDA_", "S3_", "ECS_", "SNS_", "RDS_", "DDB_"), _ENDS),
}  # fmt: skip
"""Sort of change → how the codes begin that it breaks: at its place, and above. The longest that
fits; a sort that is not here breaks whatever is told at its own place.
"""
_NO_BREAKING = frozenset({"cloudwatch.alarm"})


@dataclass(frozen=True, slots=True)
class Blamed:
    """The change at a place that speaks most against it."""

    change: Change
    share: float
    """0 to 1: how much it speaks against its place."""
    before: timedelta
    """How long before the beginning; negative: after it."""
    after: bool = False
    """It came surely after the trouble began."""


def blamed(scene: Scene, reach: Reach, place: Locus) -> Blamed | None:
    """None: nothing was changed there, as far as is known."""
    found = [
        _weigh(scene, reach, place, change)
        for member in place.members
        for change in scene.changes.get(member, ())
        if not _is_harmless(change)
    ]
    return max(found, key=lambda one: (one.share, one.change.at, one.change.kind), default=None)


def _is_harmless(change: Change) -> bool:
    backup = "backup" in change.summary.lower()
    return backup or change.kind in _NO_BREAKING or change.kind.endswith("_reset")


def _weigh(scene: Scene, reach: Reach, place: Locus, change: Change) -> Blamed:
    own = scene.at(place)
    loaded = _loads(scene, place) if change.kind in RELEASES else []
    onset = _judged_by([*own, *loaded], scene.onset)
    before = onset.at - change.at
    share = _risk(change) * _words(change)
    share *= _timing(before, onset, slowly=_burns(own))
    share *= _signature(scene, reach, place, change, loads=bool(loaded))
    share *= 1 - weights.LOCK_BELOW * _strongest_below(scene, place)
    return Blamed(change, share, before, after=before < -onset.slack - weights.AT_ONCE)


def _risk(change: Change) -> float:
    if change.risk is None and change.kind in weights.CHANGE_RISKS:
        return weights.CHANGE_RISKS[change.kind]
    return weights.CHANGE_RISK * risk(change)


def _judged_by(own: Iterable[Ill], incident: Onset) -> Onset:
    """The earliest beginning of what may be its doing."""
    known = [
        ill.onset
        for ill in own
        if ill.onset is not None
        and (ill.role in {StoryRole.CAUSE, StoryRole.EITHER} or Trait.LOADER in ill.traits)
        and not ill.old
    ]
    if not incident.vague:
        known.append(incident)
    return min(known, key=lambda each: each.at) if known else incident


def _words(change: Change) -> float:
    said = change.summary.lower()
    if "rollback" in said or "rolled back" in said or "roll back" in said:
        return weights.ROLLED_BACK
    return weights.AUTHORIZED if "authorize" in said else 1.0


def _burns(own: Iterable[Ill]) -> bool:
    return any(Trait.SLOW_BURN in ill.traits for ill in own)


def _timing(before: timedelta, onset: Onset, *, slowly: bool) -> float:
    if onset.vague:
        if before < -onset.slack:
            return weights.AFTERWARDS
        return next((share for span, share in weights.VAGUE if before <= span), 0.0)
    if before < -weights.AFTER:
        return weights.AFTERWARDS
    if before < -weights.AT_ONCE:
        return weights.TWO_CLOCKS
    if before <= weights.BEFORE:
        return 1.0
    fades = weights.FADES_SLOWLY if slowly else weights.FADES
    left = 1 - (before - weights.BEFORE) / fades
    return left**1.5 if left > 0 else 0.0


def _signature(scene: Scene, reach: Reach, place: Locus, change: Change, *, loads: bool) -> float:
    fitting = [kind for kind in _SIGNATURES if change.kind.startswith(kind)]
    here, above = _SIGNATURES[max(fitting, key=len)] if fitting else (("",), ())
    own = [ill for ill in scene.at(place) if ill.tells and ill.code.startswith(here)]
    if any(ill.role is not StoryRole.SYMPTOM for ill in own):
        return weights.SIGNED
    if own:
        return weights.SIGNED_BY_SYMPTOM
    for target, ills in scene.ills.items() if above else ():
        fits = any(ill.tells and ill.code.startswith(above) for ill in ills)
        if fits and reach.of(place, target) >= weights.SAME_SERVICE:
            return weights.SIGNED_ABOVE
    return weights.SIGNED_BELOW if loads else weights.UNSIGNED


def _loads(scene: Scene, place: Locus) -> list[Ill]:
    """What more load can have done to what it needs."""
    below = (ill for name in scene.below(place) for ill in scene.ills.get(name, ()))
    return [i for i in below if i.tells and not i.traits.isdisjoint({Trait.LOAD, Trait.LOADER})]


def _strongest_below(scene: Scene, place: Locus) -> float:
    return max(
        (
            ill.value()
            for name in scene.below(place)
            for ill in scene.ills.get(name, ())
            if ill.role is StoryRole.CAUSE and Trait.LOAD not in ill.traits and not ill.old
        ),
        default=0.0,
    )
