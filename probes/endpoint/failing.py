"""What share of the requests fails, or is slow: what one look in eight cannot show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from cockpit.connect.net.session import Sample
from cockpit.triage.finding import Evidence, Finding
from cockpit.units import count, duration, percent
from probes.endpoint.model import Settings, Snapshot, judged_addresses, status_is_expected
from probes.endpoint.tcp import where_from

_LEAST_REQUESTS = 8
"""Fewer are told by the newest answers alone."""
_LEAST_FAILED = 2
_ROW = 3
"""So many failures without a good answer between them are an outage, which has its own findings."""
_APART = 2.0
"""Seconds between the first failure and the last: what is asked at once after a failure would make
a share of one bad moment."""
_AT_ONCE, _SOON = 8, 0.4
"""Requests that follow a failure, and the seconds between them."""
_OVER_LEAST = 60.0
_OVER_GAPS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scattered:
    """Odd requests among good ones, over the kept samples (60 for an address)."""

    odd: tuple[Sample, ...]
    requests: int
    seconds: float
    """From the first kept request to the look."""

    @property
    def share(self) -> float:
        """0 to 1."""
        return len(self.odd) / self.requests

    @property
    def words(self) -> str:
        """`4 of 33 requests in 3 min`."""
        return f"{len(self.odd)} of {count(self.requests, 'request')} in {duration(self.seconds)}"


def failing(snapshot: Snapshot) -> Scattered | None:
    """The failed requests among good ones; None while they are too few, in one row, or over."""
    return _scattered(snapshot, lambda sample: _failed(snapshot, sample))


def look_again(snapshot: Snapshot) -> float | None:
    """Seconds to the next look, while it is not clear whether the newest failure is chance."""
    if failing(snapshot) is not None:
        return None
    requests = _requests(snapshot)
    for address in dict.fromkeys(one.address for one in requests):
        newest = [_failed(snapshot, one) for one in requests if one.address == address][-_AT_ONCE:]
        if any(newest) and newest[-_ROW:] != [True] * _ROW:
            return _SOON
    return None


def is_chance(snapshot: Snapshot, address: str) -> bool:
    """Whether the newest failure of an address stands alone: the request before it went well."""
    kept = [_failed(snapshot, one) for one in _requests(snapshot) if one.address == address]
    return kept[-2:-1] == [False]


def findings(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Some requests fail and the next one succeeds: a part of all clients gets nothing.

    One sick member of several behind a balancer, or a queue that overflows at times: every look
    alone seems to be chance, and trying again seems to help. Judged over the last 60 requests of an
    address and held while failures go on to come; failures in one row are an outage, with its own
    finding.
    """
    found = failing(snapshot)
    severity = settings.failing.grade(found.share) if found else None
    if found is None or severity is None:
        return
    kinds = Counter(_kind(one) for one in found.odd).most_common()
    yield Finding(
        "NET_HTTP_FAILING",
        severity,
        f"{snapshot.path.url}: {found.words} failed ({percent(found.share)}: "
        + ", ".join(f"{number} × {kind}" for kind, number in kinds[:4])
        + ")",
        evidence=(
            Evidence(
                "share of failed requests", found.share, "share", limit=settings.failing.first
            ),
            *(Evidence(kind, number) for kind, number in kinds),
            *_by_address(found),
            Evidence("requests", found.requests),
            *where_from(snapshot.path),
        ),
        likely=(
            "one of several members behind it fails: a target, a zone, a worker",
            "a queue or pool that is full at times",
        ),
        next="compare the members behind the balancer with each other; clients hit the bad one by "
        "chance, so trying again seems to help",
    )


def slow_share(snapshot: Snapshot, limit: float) -> Scattered | None:
    """Requests whose first byte took longer than `limit` seconds, among faster ones."""
    return _scattered(
        snapshot, lambda sample: sample.first_byte is not None and sample.first_byte >= limit
    )


def _by_address(found: Scattered) -> Iterator[Evidence]:
    where = Counter(one.address for one in found.odd)
    if len(where) > 1:
        yield from (Evidence(f"failed at {one}", number) for one, number in where.most_common(4))


def _requests(snapshot: Snapshot) -> list[Sample]:
    """The samples that got as far as a request or a handshake."""
    judged = {look.address for look in judged_addresses(snapshot.path)}
    return [
        one
        for one in snapshot.path.history
        if one.address in judged and (one.status or one.outcome.startswith(("http ", "tls ")))
    ]


def _failed(snapshot: Snapshot, sample: Sample) -> bool:
    if sample.outcome != "ok":
        return True
    return sample.status >= 500 and not status_is_expected(snapshot, sample.status)


def _kind(sample: Sample) -> str:
    return str(sample.status) if sample.outcome == "ok" else sample.outcome.replace("_", " ")


def _scattered(snapshot: Snapshot, is_odd: Callable[[Sample], bool]) -> Scattered | None:
    kept = _requests(snapshot)
    rows: list[list[Sample]] = []
    for address in dict.fromkeys(one.address for one in kept):
        rows += _rows([one for one in kept if one.address == address], is_odd)
    long = [row for row in rows if len(row) >= _ROW]
    if len(long) == 1:
        rows.remove(long[0])
    odd = sorted((one for row in rows for one in row), key=lambda one: one.at)
    if len(kept) < _LEAST_REQUESTS or len(rows) < _LEAST_FAILED:
        return None
    seconds = (snapshot.path.at - kept[0].at).total_seconds()
    since = (snapshot.path.at - odd[-1].at).total_seconds()
    span = (odd[-1].at - odd[0].at).total_seconds()
    if span < _APART:
        return None
    gap = span / (len(odd) - 1)
    # at one in eight a failure comes every 40 s: thrice that without one, and it is over
    if since > max(_OVER_LEAST, _OVER_GAPS * gap):
        return None
    return Scattered(odd=tuple(odd), requests=len(kept), seconds=max(seconds, 0.0))


def _rows(kept: Sequence[Sample], is_odd: Callable[[Sample], bool]) -> Iterator[list[Sample]]:
    """The odd samples, those without another one between them together."""
    for odd, row in groupby(kept, key=is_odd):
        if odd:
            yield list(row)
