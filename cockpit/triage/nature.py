"""What a finding code is in the story of an outage: whether the story can begin there.

Every code has a nature beside it (`Probe.codes`), given by who wrote the probe: the rule that names
prime suspects (`cockpit.triage.suspects`) knows no code by its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Role(StrEnum):
    """Which part a finding plays."""

    CAUSE = "cause"
    """A mechanism that begins here, such as a lock, a revoked rule, a crash of the new release."""
    EVENT = "event"
    """Something happened here, and may be over: a failover, a restart."""
    EITHER = "either"
    """Full, slow or short: by itself, or by what others do to it."""
    SYMPTOM = "symptom"
    """Something else fails it: what users and callers feel."""
    RISK = "risk"
    """True, and no explanation of an outage that is there now."""
    EYE = "eye"
    """About our sight: a look that lacks a right, an alarm that cannot judge."""


class Trait(StrEnum):
    """What else is to be known of a code."""

    LOAD = "load"
    """Can be the work of more load."""
    LOADER = "loader"
    """Says that there is more load."""
    COLD = "cold"
    """A cache in this state lets load through to what its callers ask besides."""
    HELD = "held"
    """Locks and sessions that callers keep while they wait elsewhere."""
    SLOW_BURN = "slow burn"
    """Grows for hours before it is felt: a beginning long ago does not clear it."""
    SAYS_DROP = "says drop"
    """Nobody asks: explained by what should ask, not the other way round."""
    MATTERS_AT_INFO = "matters at info"
    """Counts although its severity is info."""
    BY_RELEASE = "by release"
    """A cause where its target was given other code lately; code that ran for days and dies now is
    as likely a victim."""
    CAUSE_AT_CRITICAL = "cause at critical"
    """A risk until it is critical; then it is the outage."""
    CAUSE_UNLESS_FELT = "cause unless felt"
    """A cause where nobody above it is ill: then what is wrong is the check, not the target."""


@dataclass(frozen=True, slots=True)
class Nature:
    """What a code is."""

    role: Role
    traits: frozenset[Trait] = frozenset()


Codes = Mapping[str, Nature]
"""Code → what it is, in the order in which they were written down."""


def codes(
    *,
    cause: Iterable[str] = (),
    event: Iterable[str] = (),
    either: Iterable[str] = (),
    symptom: Iterable[str] = (),
    risk: Iterable[str] = (),
    eye: Iterable[str] = (),
    traits: Mapping[Trait, Iterable[str]] = MappingProxyType({}),
) -> Codes:
    """The codes of a probe, each under its role. Raises `ValueError` for a code that has two roles,
    and for a trait of a code that has none.
    """
    told = zip(Role, (cause, event, either, symptom, risk, eye), strict=True)
    roles = [(code, role) for role, group in told for code in group]
    if twice := sorted({code for code, _ in roles if [c for c, _ in roles].count(code) > 1}):
        raise ValueError(f"{', '.join(twice)}: given two roles")
    also = {trait: frozenset(group) for trait, group in traits.items()}
    if stray := sorted(frozenset().union(*also.values()) - {code for code, _ in roles}):
        raise ValueError(f"{', '.join(stray)}: has a trait and no role")
    return MappingProxyType(
        {
            code: Nature(role, frozenset(trait for trait, group in also.items() if code in group))
            for code, role in roles
        }
    )


def unknown(code: str) -> Nature:
    """What a code is taken for that nobody declares, such as one of a plug-in that is gone: about
    our sight if its name says so, and else nothing that explains an outage.
    """
    return Nature(Role.EYE if "_OBS_" in code else Role.RISK)
