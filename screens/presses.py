"""What was on the screen when, and which key press is being handled: a key is about what its person
saw, never about what came since.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import inf

_KEPT = 64


@dataclass(slots=True)
class Drawn:
    """What a widget was about, by the moments (`clock.monotonic`) at which it was painted so."""

    _seen: deque[tuple[float, object]] = field(default_factory=lambda: deque(maxlen=_KEPT))

    def put(self, about: object, when: float) -> None:
        """It is painted, and about this."""
        if not self._seen or self._seen[-1][1] != about:
            self._seen.append((when, about))

    @property
    def newest(self) -> object:
        """What it is about on the screen now; None before the first painting."""
        return self._seen[-1][1] if self._seen else None

    def at(self, when: float) -> object:
        """What it was about at that moment; None when it was not painted yet."""
        return next((about for then, about in reversed(self._seen) if then <= when), None)


@dataclass(slots=True)
class Presses:
    """The key press that is being handled."""

    at: float = -inf
    """When it was pressed, as `clock.monotonic` counts; actions may be handled much later."""
    gap: float = inf
    """Seconds since the same key was pressed before; infinite when another was between. A key that
    is held down repeats: after up to a second at first, then many times a second."""
    _arrived: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=_KEPT))
    _last: tuple[str, float] = ("", -inf)

    def arrived(self, key: str, at: float) -> None:
        """A key came from the terminal."""
        name, before = self._last
        self._arrived.append((at, at - before if name == key else inf))
        self._last = (key, at)

    def handling(self, at: float) -> None:
        """The press of that moment is acted on now."""
        self.at = at
        self.gap = next((gap for then, gap in self._arrived if then == at), inf)
