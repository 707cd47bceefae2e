"""Since when an endpoint fails: the first failed try after a good one, as far as tries are kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from cockpit.connect.net.session import Sample
from cockpit.triage.finding import Finding
from probes.began import TOLD
from probes.endpoint.failing import Scattered, failing
from probes.endpoint.model import Snapshot, judged_addresses, status_is_expected

_FAILS = frozenset(
    {
        "NET_TCP_TIMEOUT",
        "NET_TCP_REFUSED",
        "NET_TCP_RESET",
        "NET_TCP_UNREACH",
        "NET_TARGET_ONE_BAD",
        "NET_CONN_MUTE",
        "NET_CONN_DROPPED",
        "NET_TLS_CLOCK",
        "NET_TLS_NAME",
        "NET_TLS_UNTRUSTED",
        "NET_TLS_CHAIN",
        "NET_TLS_PROTOCOL",
        "NET_TLS_TRUST_EXPIRED",
        "NET_HTTP_5XX",
        "NET_HTTP_4XX",
        "NET_HTTP_STATUS",
        "NET_HTTP_TRUNCATED",
        "NET_HTTP_SLOW_HEAD",
        "NET_HTTP_SLOW_BODY",
        "NET_HTTP_HEADER_TOO_LONG",
        "NET_HTTP_MALFORMED",
        "NET_GRPC_NOT_SERVING",
        "NET_GRPC_STATUS",
    }
)
"""What is said while the newest tries fail."""
_Begun = tuple[datetime | None, float]
_UNKNOWN: _Begun = (None, 0.0)


def dated(snapshot: Snapshot, found: Iterable[Finding]) -> Iterator[Finding]:
    """The findings, with since when it is so where the kept tries or a certificate tell."""
    outage = _outage(snapshot)
    for each in found:
        began, resolution = _UNKNOWN
        if each.code in _FAILS:
            began, resolution = outage
        elif each.code in {"NET_TLS_EXPIRED", "NET_TLS_EXPIRING"}:
            began, resolution = _ended(snapshot), TOLD
        elif each.code == "NET_HTTP_FAILING" and (scattered := failing(snapshot)) is not None:
            began, resolution = _first_of(scattered, snapshot.path.history)
        if began is None:
            yield each
        else:  # a try of this look ends after the look began
            yield replace(each, began=min(began, snapshot.path.at), resolution=resolution)


def _ended(snapshot: Snapshot) -> datetime | None:
    """When the first certificate ended that has ended."""
    ends = (
        look.tls.certificate.not_after
        for look in judged_addresses(snapshot.path)
        if look.tls and look.tls.certificate
    )
    return min((end for end in ends if end <= snapshot.path.at), default=None)


def _outage(snapshot: Snapshot) -> _Begun:
    """Of the addresses that fail now the first that did; where all fail, the last one."""
    addresses = [look.address for look in judged_addresses(snapshot.path)]
    runs = [
        _run(snapshot, [one for one in snapshot.path.history if _tells(one, address)])
        for address in addresses
    ]
    bad = [run for run in runs if run is not None]
    known = [(began, off) for began, off in bad if began is not None]
    if len(bad) == len(addresses):
        return max(known, default=_UNKNOWN, key=lambda run: run[0])
    return min(known, key=lambda run: run[0]) if known and len(known) == len(bad) else _UNKNOWN


def _run(snapshot: Snapshot, tries: Sequence[Sample]) -> _Begun | None:
    """The first of the newest failed tries in a row, and the seconds since the good one before it;
    None: the newest went well. A row without a good one before it began nobody knows when.
    """
    first = len(tries)
    while first and not _went_well(snapshot, tries[first - 1]):
        first -= 1
    if first == len(tries):
        return None
    if not first:
        return _UNKNOWN
    began = tries[first].at
    return began, (began - tries[first - 1].at).total_seconds()


def _tells(sample: Sample, address: str) -> bool:
    """Leaves out connections that were made for their time alone: nothing was asked on them."""
    whole = sample.status or sample.total is not None or sample.outcome != "ok"
    return sample.address == address and bool(whole)


def _went_well(snapshot: Snapshot, sample: Sample) -> bool:
    expected = not sample.status or status_is_expected(snapshot, sample.status)
    return sample.outcome == "ok" and expected


def _first_of(scattered: Scattered, tries: Sequence[Sample]) -> _Begun:
    """The first odd request, where enough good ones before it are kept to tell it from others."""
    first, ordinary = scattered.odd[0].at, scattered.requests / len(scattered.odd)
    before = [one.at for one in tries if one.at < first]
    if len(before) < 2 * ordinary:
        return _UNKNOWN
    gap = (scattered.odd[-1].at - first).total_seconds() / max(1, len(scattered.odd) - 1)
    return first, gap
