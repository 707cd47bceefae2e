"""How fast and how wide one service of one place is asked: a token bucket and a number of seats.

AWS' own limits are per account and region and are shared with deployments and autoscaling, so the
cockpit yields first: a throttled service is asked at half the rate, which comes back slowly.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType

from cockpit.clock import monotonic
from cockpit.connect.hurry import UNTIL
from cockpit.connect.settings import AwsSite
from cockpit.errors import BlindError, Reason

CEILINGS: Mapping[str, float] = MappingProxyType(
    {
        "cloudtrail": 1.0,
        "cloudformation": 2.0,
        "apigateway": 2.0,
        "apigatewayv2": 2.0,
        "health": 2.0,
        "logs": 3.0,
        "athena": 3.0,
    }
)
"""Calls a second at most, for services with small buckets (catalogue B §9)."""

_BURST = 4.0
_SLOWEST = 1 / 30
_RECOVERY = 1.1
_RECOVERY_EVERY = 60.0
_ONE_EVENT = 2.0
"""Seconds in which refusals count once: calls that were in flight together tell one thing."""


class RateLimiter:
    """First come, first served; a caller that is cancelled while it waits takes nothing.

    `rate` is in calls a second, `seats` the calls in flight. A full bucket lets `4 * rate` calls
    pass at once. Who would wait longer than its look may take is refused at once: a look can go on
    without what it reads besides, and no look should die of our own queue.
    """

    def __init__(self, rate: float, seats: int, service: str = "") -> None:
        self._service = service
        self._full_rate = rate
        self._rate = rate
        self._burst = max(1.0, _BURST * rate)
        self._tokens = self._burst
        self._counted_at = monotonic()
        self._eased_at = self._counted_at
        self._halved_at = float("-inf")
        self._seats = self._free = seats
        self._queue: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """Calls that wait for a turn."""
        return sum(1 for turn in self._queue if not turn.done())

    @property
    def occupied(self) -> bool:
        """Whether any call waits for a turn or is under way."""
        return self._free < self._seats or self.waiting > 0

    @property
    def open(self) -> bool:
        """Whether a call would pass at once."""
        self._count()
        return self._free > 0 and self._tokens >= 1 and not self.waiting

    @property
    def rate(self) -> float:
        """Calls a second that are allowed now: less than configured after throttling."""
        return self._rate

    @property
    def slowed(self) -> bool:
        """Whether the rate is below the configured one."""
        self._count()
        return self._rate < self._full_rate

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a token and a seat; give the seat back at the end. Raises `BlindError`."""
        await self._enter()
        try:
            yield
        finally:
            self._free += 1
            self._admit()

    def throttled(self) -> None:
        """The service said that it is too much: half the rate, at least one call in 30 s.

        Sixteen refusals of one burst are one event: halved sixteen times, a service would be
        asked once in 30 s for the next hour.
        """
        self._count()
        now = monotonic()
        self._tokens = min(self._tokens, 1.0)
        self._eased_at = now
        if now - self._halved_at < _ONE_EVENT:
            return
        self._halved_at = now
        self._rate = max(_SLOWEST, self._rate / 2)

    async def _enter(self) -> None:
        if not self._queue and self._take():
            return
        self._in_time()
        turn = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                # its turn came in the same moment: not given back, the seat would be lost for good
                self._free += 1
                self._tokens += 1
            self._admit()
            raise

    def _in_time(self) -> None:
        before = self.waiting
        if monotonic() + (before + 1 - self._tokens) / self._rate > UNTIL.get():
            raise BlindError(
                Reason.THROTTLED,
                f"{self._service}: {before} calls of ours wait before this one, at {self._rate:g} "
                "a second: it would come too late for this look, so it was not asked",
            )

    def _take(self) -> bool:
        self._count()
        if self._free < 1 or self._tokens < 1:
            return False
        self._free -= 1
        self._tokens -= 1
        return True

    def _admit(self) -> None:
        while self._queue:
            if self._queue[0].done():  # cancelled while it waited
                self._queue.popleft()
            elif self._take():
                self._queue.popleft().set_result(None)
            else:
                break
        if self._queue and self._free > 0 and self._timer is None:
            wait = max(0.001, (1 - self._tokens) / self._rate)
            self._timer = asyncio.get_running_loop().call_later(wait, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._admit()

    def _count(self) -> None:
        now = monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._counted_at) * self._rate)
        self._counted_at = now
        while self._rate < self._full_rate and now - self._eased_at >= _RECOVERY_EVERY:
            self._eased_at += _RECOVERY_EVERY
            self._rate = min(self._full_rate, self._rate * _RECOVERY)


class Limits:
    """A limiter for each service of one place, made when it is first used."""

    def __init__(self, calls_per_second: float, seats: int) -> None:
        self._rate = calls_per_second
        self._seats = seats
        self._limiters: dict[str, RateLimiter] = {}

    def of(self, service: str) -> RateLimiter:
        """The limiter of a service."""
        limiter = self._limiters.get(service)
        if limiter is None:
            rate = min(self._rate, CEILINGS.get(service, self._rate))
            limiter = self._limiters[service] = RateLimiter(rate, self._seats, service)
        return limiter

    def occupied(self, *, but: str) -> bool:
        """Whether calls to other services than this one wait for a turn or are under way."""
        return any(each.occupied for name, each in self._limiters.items() if name != but)

    @property
    def waiting(self) -> Mapping[str, int]:
        """Service → calls that wait for a turn, for services in which any does."""
        found = {name: each.waiting for name, each in self._limiters.items()}
        return {name: number for name, number in found.items() if number}

    @property
    def slowed(self) -> Mapping[str, float]:
        """Service → calls a second, for services that throttled us and have not recovered yet."""
        return {name: each.rate for name, each in self._limiters.items() if each.slowed}


def limits_of(*places: AwsSite) -> Limits:
    """The limits that places of one account and region share: the most careful of theirs."""
    return Limits(
        min(place.calls_per_second for place in places),
        min(place.max_concurrency for place in places),
    )
