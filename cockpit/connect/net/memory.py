"""What a session remembers of its endpoint from look to look: names, samples, what is usual."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypedDict

from cockpit import clock
from cockpit.connect.net.dns import Resolution
from cockpit.connect.net.look import AddressLook, Sample
from cockpit.connect.net.wire import TcpLook

RING = 60
_BASELINE = 5
_CHANGES = 6


class NameHistory(TypedDict):
    """What is known of a name from earlier looks, as fields of `PathLook`."""

    dns_history: tuple[float, ...]
    addresses_before: tuple[str, ...]
    canonical_before: str
    dns_changes: int
    dns_differs_for: float | None
    dns_agreed: bool
    dns_ttl: int | None


class NameMemory:
    """Earlier answers about one name: how long they took, whether they moved, whether they agree.

    Times are the caller's, in seconds of one monotonic clock.
    """

    def __init__(self) -> None:
        self._took: deque[float] = deque(maxlen=RING)
        self._answers: deque[tuple[str, ...]] = deque(maxlen=_CHANGES + 1)
        self._canonical = ""
        self._agreed = False
        self._system: tuple[str, ...] = ()
        self._since: float | None = None
        self._ttl: int | None = None

    def heard(self, answers: Sequence[Resolution], now: float) -> NameHistory:
        """Take the answers of one look; what is known with them."""
        first = answers[0]
        if first.source != "literal":
            self._took.append(first.took)
        before = self._answers[-1] if self._answers else ()
        if first.addresses:
            self._answers.append(first.addresses)
        canonical = next((one.canonical for one in answers if one.canonical), "")
        canonical_before, self._canonical = self._canonical, canonical or self._canonical
        for ttl in (one.ttl for one in answers if one.ttl is not None):
            self._ttl = max(ttl, self._ttl or 0)
        agreed = self._agreed
        differs = self._differing(answers, now)
        pairs = zip(tuple(self._answers), tuple(self._answers)[1:], strict=False)
        return {
            "dns_history": tuple(self._took),
            "addresses_before": before,
            "canonical_before": canonical_before,
            "dns_changes": sum(1 for one, other in pairs if one != other),
            "dns_differs_for": differs,
            "dns_agreed": agreed,
            "dns_ttl": self._ttl,
        }

    def _differing(self, answers: Sequence[Resolution], now: float) -> float | None:
        """Seconds for which the system's answer stands still beside another one's."""
        system = next((one.addresses for one in answers if one.source == "system"), ())
        server = next((one.addresses for one in answers if one.source == "resolver"), ())
        moved, self._system = system != self._system, system
        if not system or not server:
            self._since = None
            return None
        if set(system) & set(server):
            self._since, self._agreed = None, True
            return None
        if moved or self._since is None:
            self._since = now
        return now - self._since


class Samples:
    """The newest sixty tries of each address, and the median of its first five."""

    def __init__(self) -> None:
        self._ring: dict[str, deque[Sample]] = {}
        self._connects: dict[str, list[float]] = {}
        self._first_bytes: dict[str, list[float]] = {}

    def knows(self, address: str) -> bool:
        """Whether the address was tried before."""
        return address in self._ring

    def was_failing(self, address: str) -> bool:
        """Whether the newest answer of an address was a 5xx."""
        answered = [one.status for one in self._ring.get(address, ()) if one.status]
        return bool(answered) and answered[-1] >= 500

    def add(self, sample: Sample) -> None:
        """Keep one try."""
        self._ring.setdefault(sample.address, deque(maxlen=RING)).append(sample)
        for kept, value in (
            (self._connects, sample.connect if not sample.syn_again else None),
            (self._first_bytes, sample.first_byte),
        ):
            first = kept.setdefault(sample.address, [])
            if value is not None and len(first) < _BASELINE:
                first.append(value)

    def only(self, addresses: Iterable[str]) -> None:
        """Forget the addresses that the name has given up."""
        for gone in set(self._ring) - set(addresses):
            for kept in (self._ring, self._connects, self._first_bytes):
                kept.pop(gone, None)

    def of(self, addresses: Iterable[str]) -> tuple[Sample, ...]:
        """All that is known of these addresses, the oldest first."""
        kept = [sample for address in addresses for sample in self._ring.get(address, ())]
        return tuple(sorted(kept, key=lambda sample: sample.at))

    def compared(self, look: AddressLook) -> AddressLook:
        """The look with what is usual for its address, where five tries are known."""
        return replace(
            look,
            usual_connect=_usual(self._connects.get(look.address, [])),
            usual_first_byte=_usual(self._first_bytes.get(look.address, [])),
        )


def sample_of(look: AddressLook) -> Sample:
    """What is kept of a whole try."""
    certificate = look.tls.certificate if look.tls else None
    fresh = look.http if look.http and look.http.held is None else None
    return Sample(
        at=clock.now(),
        address=look.address,
        outcome=look.outcome,
        connect=look.tcp.took if look.tcp.outcome == "ok" else None,
        syn_again=look.tcp.syn_again,
        first_byte=fresh.first_byte if fresh else None,
        status=fresh.status if fresh else 0,
        total=look.total if look.outcome == "ok" and (fresh or not look.http) else None,
        fingerprint=certificate.fingerprint if certificate else "",
    )


def sample_of_connection(address: str, tcp: TcpLook) -> Sample:
    """What is kept of a connection that was made for its time alone."""
    good = tcp.outcome == "ok"
    return Sample(
        at=clock.now(),
        address=address,
        outcome="ok" if good else f"tcp {tcp.outcome}",
        connect=tcp.took if good else None,
        syn_again=tcp.syn_again,
    )


def _usual(first: Sequence[float]) -> float | None:
    return sorted(first)[len(first) // 2] if len(first) >= _BASELINE else None
