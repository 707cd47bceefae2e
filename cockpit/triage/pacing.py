"""When each look comes next: on its beat while it works, later where all is calm or a server is
slow for us, sooner where something hurries, backing off while it fails.
"""

from __future__ import annotations

import random
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Protocol

from cockpit.triage.beats import CommonBeats
from cockpit.triage.board import Board, LookId
from cockpit.triage.calm import Calm
from cockpit.triage.probe import AnyProbe, Blind, Reading, Seen
from cockpit.triage.schedule import pause
from cockpit.triage.sooner import Sooner
from cockpit.triage.target import Target

_LOOKS_FRESH = 3.0
"""Times its pace for which a look tells about its neighbours."""


class PacedLook(Protocol):
    """A look, as far as its pace depends on it."""

    @property
    def target(self) -> Target:
        """What is looked at."""

    @property
    def probe(self) -> AnyProbe:
        """By what."""

    @property
    def place(self) -> str:
        """The AWS place that it shares; empty: none."""


class Pacing:
    """Of all looks of an engine. Times are monotonic seconds."""

    def __init__(
        self,
        looks: Mapping[LookId, PacedLook],
        now: float,
        *,
        never_older_than: float,
        chance: random.Random,
    ) -> None:
        """`never_older_than`: seconds; see `at_rest`."""
        self._looks = looks
        self._chance = chance
        self._began = now
        self._beats = CommonBeats((id_, at.place, at.probe.every) for id_, at in looks.items())
        self._calm = Calm((look.target for look in looks.values()), now)
        self._rest = {id_: at_rest(look, never_older_than) for id_, look in looks.items()}
        self._of_target: dict[str, list[LookId]] = {}
        for id_ in looks:
            self._of_target.setdefault(id_.target, []).append(id_)
        self._failures: dict[LookId, int] = {}
        self._eased: dict[LookId, float] = {}
        self._sooner = Sooner()

    def begin(self, now: float) -> None:
        """The first sweep begins: its moment is the first beat."""
        self._began = now

    def server_is(self, look: LookId, factor: float) -> None:
        """How many times longer to wait between looks, for the server's sake; 1: it is fast."""
        self._eased[look] = factor

    def asked_for(self, looks: Iterable[LookId], now: float) -> None:
        """Somebody waits for these: their targets are looked at as if something were wrong."""
        self._calm.stir({look.target for look in looks}, now)

    def forgive(self, look: LookId) -> None:
        """Forget its failures."""
        self._failures.pop(look, None)

    def next(self, look: LookId, now: float) -> float:
        """Seconds from `now` to the next look, one having ended."""
        every, failures = self._every(look, now), self._failures.get(look, 0)
        beat = None if failures else self._beats.wait(look, every, now - self._began)
        usual = pause(every, failures, chance=self._chance) if beat is None else beat
        return self._sooner.wait(look, usual, now)

    def read(
        self, reading: Reading, board: Board, busy: Container[LookId], *, now: float
    ) -> list[tuple[LookId, float]]:
        """What was read, as the board has it. Returns looks that come sooner by it, none of those
        that are busy → when, unless they are due before.
        """
        id_ = LookId(reading.target, reading.probe)
        failed = isinstance(reading.outcome, Blind)
        self._failures[id_] = self._failures.get(id_, 0) + 1 if failed else 0
        sooner = [*self._awake(reading, board, now)]
        if isinstance(reading.outcome, Seen) and self._eased.get(id_, 1.0) <= 1.0:
            sooner += self._hurried(id_, reading.outcome, now=now, busy=busy)
        return [(other, at) for other, at in sooner if other != id_ and other not in busy]

    def fresh_for(self, look: LookId, now: float) -> float:
        """Seconds for which what a look saw tells about its neighbours."""
        return _LOOKS_FRESH * self._every(look, now)

    def _every(self, look: LookId, now: float) -> float:
        every, rest = self._looks[look].probe.every, self._rest[look]
        if rest > every and self._calm.is_calm(look.target, now):
            every = rest
        return every * self._eased.get(look, 1.0)

    def _awake(self, reading: Reading, board: Board, now: float) -> Iterator[tuple[LookId, float]]:
        """Looks at what is calm no more: at the target itself at once, whatever its catalogues are
        looked at for; at others on the next beat of their usual pace.
        """
        for target in self._calm.read(reading, board, now):
            for look in self._of_target[target]:
                probe = self._looks[look].probe
                if not may_rest(self._looks[look]) or self._failures.get(look):
                    continue
                if target == reading.target:
                    yield look, now
                elif self._rest[look] > probe.every:
                    beat = self._beats.wait(look, probe.every, now - self._began)
                    yield look, now + (beat or 0.0)

    def _hurried(
        self, look: LookId, seen: Seen, *, now: float, busy: Container[LookId]
    ) -> Iterator[tuple[LookId, float]]:
        self._sooner.wants(look, seen.again)
        for other in (LookId(look.target, probe) for probe in seen.wakes):
            idle = other in self._looks and other not in busy and not self._failures.get(other)
            if idle and self._sooner.granted(other, now):
                yield other, now


def may_rest(look: PacedLook) -> bool:
    """Whether a look may come more slowly where all is calm."""
    return bool(look.place) and not look.probe.steady


def at_rest(look: PacedLook, never_older_than: float) -> float:
    """Seconds between looks where all is calm: the usual ones, doubled while no answer gets older
    than so many seconds even when one look was late and the next takes all of its time.
    """
    usual = every = look.probe.every
    while may_rest(look) and 2 * every + usual / 2 + look.probe.timeout <= never_older_than:
        every *= 2
    return every
