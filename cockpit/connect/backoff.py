"""When a database may be knocked on again after it refused: 5, 10, 20, then every 30 seconds."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from cockpit import clock
from cockpit.errors import BlindError, Reason

PAUSES = (5.0, 10.0, 20.0, 30.0)
_JITTER = 0.2


@dataclass(slots=True)
class Backoff:
    """Between attempts every asker gets the last failure again, without a knock."""

    pauses: tuple[float, ...] = PAUSES
    chance: random.Random = field(default_factory=random.Random)
    _failures: int = 0
    _until: float = 0.0
    _last: BlindError | None = None

    def check(self) -> None:
        """Raise the last failure while its pause lasts."""
        if self._last is not None and clock.monotonic() < self._until:
            raise _again(self._last)

    def failed(self, error: BlindError) -> None:
        """Begin the next, longer pause."""
        pause = self.pauses[min(self._failures, len(self.pauses) - 1)]
        self._failures += 1
        self._last = error
        # with chance in it: sessions that were refused together must not knock together again
        self._until = clock.monotonic() + pause * self.chance.uniform(1 - _JITTER, 1 + _JITTER)

    def worked(self) -> None:
        """Forget the failures."""
        self._failures, self._last = 0, None


def given_up(where: str) -> BlindError:
    """A session that was closed stays closed: who still waited for it must not open another
    connection that nobody would close.
    """
    return BlindError(
        Reason.UNREACHABLE,
        f"{where}: the session was given up, since another look hung in it",
        hint="the next look opens a new one",
    )


def _again(error: BlindError) -> BlindError:
    """A copy: one exception raised in several tasks would gather all their tracebacks."""
    return BlindError(
        error.reason,
        error.message,
        hint=error.hint,
        code=error.code,
        severity=error.severity,
    )
