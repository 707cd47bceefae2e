"""What a finding code is in the story of an outage: whether the story can begin there.

Every code has a nature beside it (`Probe.codes`), given by who wrote the probe: the rule that names
prime suspects (`cockpit.triage.suspects`) knows no code by its name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class StoryRole(StrEnum):
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
    """True, and no explanation of an outage that is there now; also the news of a change, which is
    judged by the time of the change itself."""
    EYE = "eye"
    """About our sight: a look that lacks a right, an alarm that cannot judge."""


"""Its first name, which a class of `cockpit.connect.role` has too; goes when nobody asks for it."""


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
    HANGS = "hangs"
    """A cause where its target, or who needs it, gets no answer: the host hangs then, though AWS's
    word for its state is as ever."""
    NO_ANSWER = "no answer"
    """Who is asked does not answer at all."""
    CEILING = "ceiling"
    """A limit that somebody set: a cause where more load than usual comes from above."""
    TAKES_A_LIMIT = "takes a limit"
    """Uses up a limit of the account, so that others of its kind get no more."""
    CAUSE_UNLESS_FELT = "cause unless felt"
    """A cause where nobody above it is ill: then what is wrong is the check, not the target."""


@dataclass(frozen=True, slots=True)
class Nature:
    """What a code is."""

    role: StoryRole
    traits: frozenset[Trait] = frozenset()

    @property
    def told(self) -> str:
        """What it is, in a sentence."""
        also = [_TRAITS[trait] for trait in Trait if trait in self.traits]
        return "; ".join([f"In the story of an outage: {_ROLES[self.role]}", *also])


Codes = Mapping[str, Nature]
"""Code → what it is, in the order in which they were written down."""

_ROLES = {
    StoryRole.CAUSE: "a cause – a mechanism that begins here",
    StoryRole.EVENT: "an event – something happened here, and may be over",
    StoryRole.EITHER: "a cause or an effect – full, slow or short by itself or by what others do",
    StoryRole.SYMPTOM: "a symptom – what users and callers feel, since something else fails",
    StoryRole.RISK: "a risk – true, and by itself no explanation of an outage that is there now",
    StoryRole.EYE: "no part – it is about what can be seen",
}
_TRAITS = {
    Trait.LOAD: "can be the work of more load",
    Trait.LOADER: "says that there is more load",
    Trait.COLD: "lets load through to what its callers ask besides",
    Trait.HELD: "callers hold it while they wait elsewhere",
    Trait.SLOW_BURN: "grows for hours before it is felt",
    Trait.SAYS_DROP: "nobody asks, so look at who should",
    Trait.MATTERS_AT_INFO: "counts even as information",
    Trait.BY_RELEASE: "of code that ran for days as likely an effect",
    Trait.CAUSE_AT_CRITICAL: "when critical it is the outage",
    Trait.HANGS: "a cause where its target, or who needs it, gets no answer",
    Trait.NO_ANSWER: "who is asked does not answer",
    Trait.CEILING: "a cause where more load than usual comes",
    Trait.TAKES_A_LIMIT: "others of the account get no more of it",
    Trait.CAUSE_UNLESS_FELT: "a cause where nobody above it is ill: then the check is wrong",
}


def codes(
    *,
    cause: Iterable[str] = (),
    event: Iterable[str] = (),
    either: Iterable[str] = (),
    symptom: Iterable[str] = (),
    risk: Iterable[str] = (),
    eye: Iterable[str] = (),
    traits: Mapping[Trait, Iterable[str]] = MappingProxyType({}),
    more: Codes = MappingProxyType({}),
) -> Codes:
    """The codes of a probe, each under its role; `more`: those whose natures stand elsewhere.
    Raises `ValueError` for a code that has two roles, and for a trait of a code that has none.
    """
    groups = (cause, event, either, symptom, risk, eye)
    # ("A_CODE") is a text, whose letters would be the codes, and no type checker says so
    if bare := [each for each in (*groups, *traits.values()) if isinstance(each, str)]:
        raise ValueError(f'{bare[0]}: stands alone, write ("{bare[0]}",)')
    told = zip(StoryRole, groups, strict=True)
    roles = [(code, role) for role, group in told for code in group]
    times = Counter([*(code for code, _ in roles), *more])
    if twice := sorted(code for code, n in times.items() if n > 1):
        raise ValueError(f"{', '.join(twice)}: given two roles")
    also = {trait: frozenset(group) for trait, group in traits.items()}
    if stray := sorted(frozenset().union(*also.values()) - {code for code, _ in roles}):
        raise ValueError(f"{', '.join(stray)}: has a trait and no role")
    return MappingProxyType(
        {
            code: Nature(role, frozenset(trait for trait, group in also.items() if code in group))
            for code, role in roles
        }
        | dict(more)
    )


def unknown(code: str) -> Nature:
    """What a code is taken for that nobody declares, such as one of a plug-in that is gone: about
    our sight if its name says so, and else nothing that explains an outage.
    """
    return Nature(StoryRole.EYE if "_OBS_" in code else StoryRole.RISK)
