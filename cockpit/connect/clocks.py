"""What other clocks say about ours: every answer with a date is a witness.

One host may be wrong itself, so the witnesses are kept together, by host, for whoever judges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

_RECENT = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """One clock beside ours."""

    who: str
    """A host, or `AWS` with the name of the place."""
    ahead: float
    """Seconds that it is certainly ahead of ours (negative: behind); 0 within the doubt."""
    at: datetime
    """When it was heard, by our clock, UTC."""


class Clocks:
    """The newest word of each witness. Endpoints tell theirs; `more` is asked for others'."""

    def __init__(self, more: Callable[[], Iterable[Witness]] = tuple) -> None:
        self._heard: dict[str, Witness] = {}
        self._more = more

    def tell(self, witness: Witness) -> None:
        """Keep what a clock says, instead of what it said before."""
        self._heard[witness.who] = witness

    def others(self, than: str, at: datetime) -> tuple[Witness, ...]:
        """Everybody's word of the last five minutes but this one's, by name."""
        known = {one.who: one for one in (*self._heard.values(), *self._more())}
        known.pop(than, None)
        recent = (one for one in known.values() if abs(at - one.at) <= _RECENT)
        return tuple(sorted(recent, key=lambda one: one.who))


def certainly(difference: float, *, doubt: float = 1.5) -> float:
    """Seconds that are certain of a difference whose date was cut to the second.

    A cut date is up to a second early, and was on its way for a moment: `doubt` covers both.
    """
    if difference > 0:
        return difference
    return min(0.0, difference + doubt)
