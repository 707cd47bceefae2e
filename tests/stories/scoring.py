"""How good answers are: right, sure and wrong, held back, and steady while the looks come in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from cockpit.desk.suspicion import Steady
from cockpit.triage.suspects import suspects
from tests.stories.finders import Answer, Finder, answer
from tests.stories.writer import Case

LOOKS = (5, 10, 15, 20, 30, 45, 60, 90, 120, 150)


@dataclass
class Score:
    """Counts over cases."""

    cases: int = 0
    one: int = 0
    three: int = 0
    rank: float = 0.0
    sure_wrong: int = 0
    held_back: int = 0
    must: int = 0
    must_ok: int = 0
    triggers: int = 0
    trigger_three: int = 0
    innocents: int = 0
    innocent_one: int = 0

    def add(self, case: Case, answers: Sequence[Answer]) -> str:
        """Count one case; how it went, in a word or two."""
        t = case.truth
        top = answers[0] if answers else None
        right = [bool(a.names & t.accept) for a in answers[:3]]
        if t.wrong_change and t.wrong_change not in t.accept:
            self.innocents += 1
            self.innocent_one += bool(top and top.sure and t.wrong_change in top.names)
        if t.abstain:
            self.must += 1
            fine = top is None or not top.sure or right[0]
            self.must_ok += fine
            return "abstain ok" if fine else "FALSE SURE"
        self.cases += 1
        if t.trigger:
            self.triggers += 1
            self.trigger_three += any(t.trigger in a.names for a in answers[:3])
        groups = t.all_of or (t.accept,)
        self.three += all(any(a.names & g for a in answers[:3]) for g in groups)
        self.one += bool(right and right[0])
        self.rank += next((1 / (i + 1) for i, r in enumerate(right) if r), 0.0)
        if top is None or not top.sure:
            self.held_back += 1
            return "held back, " + ("first right" if right and right[0] else "first wrong")
        if right[0]:
            return "ok"
        self.sure_wrong += 1
        return "WRONG"

    @property
    def at_one(self) -> float:
        return self.one / max(1, self.cases)

    @property
    def at_three(self) -> float:
        return self.three / max(1, self.cases)

    @property
    def sure_and_wrong(self) -> float:
        return self.sure_wrong / max(1, self.cases)

    @property
    def held(self) -> float:
        return self.held_back / max(1, self.cases)

    @property
    def abstained(self) -> float:
        return self.must_ok / max(1, self.must)

    def line(self) -> str:
        """All of it on one line."""
        n, i, g = (max(1, x) for x in (self.cases, self.innocents, self.triggers))
        return (
            f"AC@1 {self.at_one:5.2f}  AC@3 {self.at_three:5.2f}  MRR {self.rank / n:5.2f}  "
            f"sure&wrong {self.sure_and_wrong:5.2f}  held back {self.held:5.2f} | "
            f"must abstain: did {self.abstained:5.2f} ({self.must}) | "
            f"trigger@3 {self.trigger_three / g:5.2f} innocent change first "
            f"{self.innocent_one / i:5.2f} | n={self.cases}"
        )


@dataclass(frozen=True)
class Steadiness:
    """What one case showed from look to look."""

    flips: int
    keeps: bool
    """What it says at 30 s is what it says last."""
    right_after: float | None
    """Seconds until the first was right for the first time."""


def shown() -> Finder:
    """The product's rule as the screen shows it, which keeps a line that is nearly as strong."""
    steady = Steady()
    return lambda board, graph: [answer(each) for each in steady.of(suspects(board, graph))]


def steadiness(case: Case, find: Finder) -> Steadiness:
    """How often the first one that is named changed while the first looks came in."""
    tops: list[frozenset[str] | None] = []
    right_after = None
    for second, board in zip(LOOKS, case.boards(LOOKS), strict=True):
        found = find(board, case.graph)
        top = found[0].names if found and found[0].sure else None  # else it says "cannot tell"
        tops.append(top)
        if right_after is None and top and top & case.truth.accept:
            right_after = second
    told = [t for t in tops if t is not None]
    flips = sum(not a & b for a, b in pairwise(told))
    return Steadiness(flips, tops[4] == tops[-1], right_after)
