"""What looks had: what one is not given any more ranks like a look that failed.

An extension that was dropped or a right that was revoked leaves a look that finds nothing; only
that an earlier one had it tells the two apart.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cockpit.errors import BlindError, Reason
from cockpit.triage.board import LookId
from cockpit.triage.finding import Evidence, Finding
from cockpit.triage.probe import Blind

PARTLY = ("_OBS_BLIND", "CHANGE_HISTORY_BLIND")
"""Codes of looks of which a part could not be made."""
PART = ".part"
"""Behind a probe's id: the reading that tells which part of its look is missed."""
ALL = ""
"""What is missed when a look was not given what its probe is for."""
TAKEN_FOR_GIVEN = timedelta(days=7)
"""So long something is missed: who has not brought it back by then wanted it gone."""
_COMES_BACK = ("throttled", "timeout", "unreachable", "expired")
"""Reasons of parts that nobody took away: they end by themselves."""
_HINT = (
    "find out who took it away; until it is back this cannot be examined. Where it was meant: "
    "cockpit check --forget -t {target}"
)


@dataclass(frozen=True, slots=True)
class Had:
    """What one look had, as far as it is known from what it lacked."""

    never: frozenset[str]
    """What was lacking at every look: nobody took it away."""
    missed: Mapping[str, datetime]
    """What an earlier look had and the newest one lacked → when that was first seen."""


class LookMemory:
    """What every look had, of this process and of those before it."""

    def __init__(self, known: Mapping[LookId, Had] | None = None) -> None:
        self.known = dict(known or {})
        self.changed = False
        """Whether it knows more than what it was made with, or was kept last."""

    def had(self, looks: Iterable[LookId]) -> None:
        """Looks that had what their probe is for, as somebody else knows."""
        for id_ in looks:
            if id_ not in self.known or ALL in self.known[id_].never:
                self._learn(id_, Had(frozenset(), {}))

    def missed(self, id_: LookId, lacking: Collection[str], *, at: datetime) -> Mapping[str, int]:
        """What of `lacking` an earlier look had → how many looks running miss it, 2 for more."""
        before = self.known.get(id_)
        if before is None:
            self._learn(id_, Had(frozenset(lacking), {}))
            return {}
        since = {name: before.missed.get(name, at) for name in lacking if name not in before.never}
        old = {name for name, first in since.items() if at - first > TAKEN_FOR_GIVEN}
        never = before.never & frozenset(lacking) | old
        now = Had(never, {name: first for name, first in since.items() if name not in old})
        if now != before:
            self._learn(id_, now)
        return {name: 2 if name in before.missed else 1 for name in now.missed}

    def forget(self, targets: Collection[str]) -> None:
        """Know nothing of these targets any more; none named: of all."""
        for id_ in [id_ for id_ in self.known if not targets or id_.target in targets]:
            del self.known[id_]
            self.changed = True

    def keep(self) -> str:
        """Keep it for later processes, where it has a file; empty, or why it could not be kept."""
        return ""

    async def keep_on(self) -> None:
        """Keep it now and then, until cancelled, where it has a file."""

    def _learn(self, id_: LookId, had: Had) -> None:
        self.known[id_] = had
        self.changed = True


def not_given(lacking: str, memory: LookMemory, look: LookId, *, at: datetime) -> BlindError | None:
    """What to raise for a look that lacks what its probe is for and what an earlier one had."""
    if not memory.missed(look, [ALL] if lacking else [], at=at):
        return None
    hint = _HINT.format(target=look.target)
    return BlindError(Reason.MISSING, f"{lacking}; an earlier look had it", hint=hint)


def part_missed(
    findings: Iterable[Finding], memory: LookMemory, part: LookId, *, at: datetime
) -> Blind | None:
    """The blindness for parts that two looks running were not given and earlier ones had."""
    lacking = _parts(findings)
    missed = memory.missed(part, lacking, at=at)
    told = dict.fromkeys(lacking[name].summary for name, looks in missed.items() if looks > 1)
    if not told:
        return None
    detail = f"{'; '.join(told)}; earlier looks had it"
    return Blind(Reason.MISSING, detail, _HINT.format(target=part.target))


def _parts(findings: Iterable[Finding]) -> dict[str, Finding]:
    """The parts that a look could not make and that do not come back by themselves → what it says
    of them.

    A look at AWS names them in its evidence, one read each; the others have a finding for each.
    """
    found: dict[str, Finding] = {}
    for finding in findings:
        if finding.code.endswith(PARTLY):
            reads = [each for each in finding.evidence if isinstance(each.value, str)]
            for name in [_read(each) for each in reads] if reads else [finding.subject]:
                if name is not None:
                    found[f"{finding.code} {name}".strip()] = finding
    return found


def _read(evidence: Evidence) -> str | None:
    reason = str(evidence.value).partition(":")[0]
    return None if reason in _COMES_BACK else evidence.label
