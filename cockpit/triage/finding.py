"""One thing that is wrong, or worth knowing, with the evidence for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum


class Severity(StrEnum):
    """Worst first in lists; `INFO < WARNING < HIGH < CRITICAL` when compared."""

    INFO = "info"
    WARNING = "warning"
    HIGH = "high"
    CRITICAL = "critical"

    rank: int
    """0 for info up to 3 for critical."""

    @classmethod
    def read(cls, word: object) -> Severity:
        """The severity of that name; a warning for a word that is none."""
        return _KNOWN.get(word, cls.WARNING) if isinstance(word, str) else cls.WARNING

    def __lt__(self, other: str) -> bool:
        return self.rank < _rank(other)

    def __le__(self, other: str) -> bool:
        return self.rank <= _rank(other)

    def __gt__(self, other: str) -> bool:
        return self.rank > _rank(other)

    def __ge__(self, other: str) -> bool:
        return self.rank >= _rank(other)


for _place, _each in enumerate(Severity):
    _each.rank = _place  # no property: thousands are compared for each board

_CLOCKS_APART = 60.0
"""Seconds by which two clocks that are kept may differ."""
_KNOWN = {each.value: each for each in Severity}


def _rank(word: str) -> int:
    return word.rank if type(word) is Severity else Severity(word).rank


@dataclass(frozen=True, slots=True)
class Evidence:
    """One number or word behind a finding.

    `unit` is one of `""` (a count), `s`, `ms`, `bytes`, `share` (of one), `/s`, `%`, or any other
    word that stands behind the number. `value` None: it could not be read. `limit` None: no limit
    applies. `history`: earlier values, oldest first, evenly spaced; the board fills it when the
    probe does not.
    """

    label: str
    value: float | int | str | None
    unit: str = ""
    limit: float | None = None
    history: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """What a probe says about one subject of its target.

    Its identity is (target, code, subject), the same from look to look, so `subject` holds a name
    or an id, never a number that moves. `summary` is one line that stands alone.
    """

    code: str
    severity: Severity
    summary: str
    subject: str = ""
    evidence: tuple[Evidence, ...] = ()
    likely: tuple[str, ...] = ()
    """Causes in the order of their likelihood."""
    against: tuple[str, ...] = ()
    """What speaks against it, such as a deployment in progress. Never a reason to hide it."""
    next: str = ""
    """The next thing to look at or to do, one sentence."""
    fact: bool = True
    """A hard fact opens on one look; a gauge (False) on two looks running."""
    account_limit: str = ""
    """The limit of the account and region that refuses it this, by name: several targets that have
    the same one share one cause. Empty: none, or not known.
    """
    began: datetime | None = None
    """When what it says became so, as the source tells it. None: not known; when we looked is no
    substitute for it."""
    resolution: float = 0.0
    """Seconds by which `began` may be off either way."""

    def at(self, severity: Severity) -> Finding:
        """The same finding with another severity."""
        return replace(self, severity=severity)

    def begun_by(self, look: datetime) -> Finding:
        """The same without a beginning after the look: where the source's clock is ahead of ours
        by more than a minute, it is not known when it began.
        """
        if self.began is None or self.began <= look:
            return self
        ahead = (self.began - look).total_seconds()
        if ahead > _CLOCKS_APART:
            return replace(self, began=None, resolution=0.0)
        return replace(self, began=look, resolution=max(self.resolution, ahead))


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Where a number begins to matter. `None`: that severity is never given.

    Reached means `>=`; with `below=True`, `<=`.
    """

    info: float | None = None
    warning: float | None = None
    high: float | None = None
    critical: float | None = None
    below: bool = False

    def grade(self, value: float | None) -> Severity | None:
        """The worst severity that the value reaches; None for none, or when it is unknown."""
        if value is None:
            return None
        for severity in sorted(Severity, reverse=True):
            limit = self.limit(severity)
            if limit is not None and (value <= limit if self.below else value >= limit):
                return severity
        return None

    def limit(self, severity: Severity) -> float | None:
        """The number from which on the severity is given."""
        limit: float | None = getattr(self, severity.value)
        return limit

    @property
    def first(self) -> float | None:
        """The mildest limit there is: what evidence shows as the limit."""
        for severity in sorted(Severity):
            limit = self.limit(severity)
            if limit is not None:
                return limit
        return None


def worst(findings: Iterable[Finding]) -> Severity | None:
    """The worst severity among findings; None when there are none."""
    return max((finding.severity for finding in findings), default=None)
