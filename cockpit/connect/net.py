"""The path to an endpoint, rung by rung: dns, tcp, tls, http; every address of its own.

There is no happy-eyeballs race here: a name with one dead address of three must show it. All
addresses get the same SNI and Host. The session keeps a short history in memory, so that loss,
flapping and drift can be told from one look.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections import deque
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

import cockpit
from cockpit import clock
from cockpit.connect import dns, tls
from cockpit.connect.dns import Resolution
from cockpit.connect.net_look import AddressLook, Limits, PathLook, Sample
from cockpit.connect.net_url import Place, parse
from cockpit.connect.net_visit import Contexts, Errand, Visit
from cockpit.connect.settings import EndpointSettings
from cockpit.connect.shared import Tasks
from cockpit.errors import BlindError, Reason

__all__ = ["AddressLook", "Limits", "Net", "PathLook", "Sample", "open_net"]

MOST_ADDRESSES = 16
_HISTORY = 60
_BASELINE = 5


class Net:
    """A session for one endpoint. `close` ends a look at once."""

    def __init__(
        self, settings: EndpointSettings, place: Place, limits: Limits | None = None
    ) -> None:
        self._settings = settings
        self._place = place
        self._limits = limits or Limits()
        self._tasks = Tasks()
        self._history: dict[str, deque[Sample]] = {}
        self._first: dict[str, list[Sample]] = {}
        self._dns_history: deque[float] = deque(maxlen=_HISTORY)
        self._before: tuple[str, ...] = ()
        self._differs_since: float | None = None
        self._agent = f"incident-cockpit/{cockpit.__version__} (probe {secrets.token_hex(4)})"

    async def path(self, settings: EndpointSettings | None = None) -> PathLook:
        """Look at every rung of every address. Raises `BlindError` only when nothing could be
        tried: a broken configuration, or a session that is closed meanwhile.
        """
        if settings is not None and settings != self._settings:
            self._settings, self._place = settings, parse(settings.url)
        return await self._owned(self._look())

    async def close(self) -> None:
        """End what is running. Never raises."""
        self._tasks.cancel()

    async def _owned(self, work: Coroutine[Any, Any, PathLook]) -> PathLook:
        task = self._tasks.start(work)
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            task.cancel()
            raise
        if task.cancelled():
            raise BlindError(Reason.UNREACHABLE, "the session was closed during the look")
        return task.result()

    async def _look(self) -> PathLook:
        at, deadline = clock.now(), _time() + self._limits.whole
        answers = await self._resolved()
        found = answers[0].addresses
        before, self._before = self._before, found or self._before
        tried = found[:MOST_ADDRESSES]
        looks = await self._visited(tried, deadline)
        return PathLook(
            at=at,
            url=self._place.shown,
            scheme=self._place.scheme,
            host=self._place.host,
            port=self._place.port,
            dns=answers,
            addresses=tuple(self._compared(look) for look in looks),
            untried=len(found) - len(tried),
            history=self._remembered(tried),
            dns_history=tuple(self._dns_history),
            addresses_before=before,
            dns_differs_for=self._differing(answers),
            source=next((look.tcp.source for look in looks if look.tcp.source), ""),
            proxy=any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY")),
        )

    async def _visited(self, addresses: Sequence[str], deadline: float) -> list[AddressLook]:
        errand = Errand(
            place=self._place,
            limits=self._limits,
            deadline=deadline,
            contexts=await self._contexts(),
            agent=self._agent,
            marker=self._settings.expect_text,
            expected=self._settings.expect_status,
        )
        visits = (
            Visit(errand, address).sampled(was_failing=self._was_failing(address))
            for address in addresses
        )
        samples = await asyncio.gather(*visits)
        for look in (look for looks in samples for look in looks):
            self._remember(look)
        return [looks[-1] for looks in samples]

    async def _resolved(self) -> tuple[Resolution, ...]:
        host, server, limit = self._place.host, self._settings.resolver, self._limits.dns
        itself = dns.literal(host)
        if itself:
            return (itself,)
        if server:
            looking = [dns.by_resolver(host, server, timeout=limit)]
        elif _is_local(host):
            looking = [dns.by_system(host, timeout=limit)]
        else:
            looking = [
                dns.by_system(host, timeout=limit),
                dns.by_resolver(host, "", timeout=limit / 2),  # a second opinion may be late
            ]
        answers = await asyncio.gather(*looking)
        self._dns_history.append(answers[0].took)
        return tuple(answers)

    async def _contexts(self) -> Contexts | None:
        if not self._place.is_tls:
            return None
        ca = self._settings.tls_ca
        return await asyncio.to_thread(
            lambda: Contexts(
                strict=tls.verifying(ca, strict=True),
                lax=tls.verifying(ca, strict=False),
                any=tls.describing(),
                store=f"system and {ca}" if ca else "system",
            )
        )

    def _differing(self, answers: Sequence[Resolution]) -> float | None:
        sets = [set(answer.addresses) for answer in answers]
        if len(sets) < 2 or not all(sets) or sets[0] & sets[1]:
            self._differs_since = None
            return None
        self._differs_since = self._differs_since or _time()
        return _time() - self._differs_since

    def _remember(self, look: AddressLook) -> None:
        sample = _sample(look)
        self._history.setdefault(look.address, deque(maxlen=_HISTORY)).append(sample)
        first = self._first.setdefault(look.address, [])
        if len(first) < _BASELINE and look.outcome == "ok":
            first.append(sample)

    def _was_failing(self, address: str) -> bool:
        samples = self._history.get(address)
        return samples is not None and samples[-1].status >= 500

    def _remembered(self, tried: Sequence[str]) -> tuple[Sample, ...]:
        for gone in set(self._history) - set(tried) - set(self._before):
            del self._history[gone]
            self._first.pop(gone, None)
        kept = [sample for address in tried for sample in self._history.get(address, ())]
        return tuple(sorted(kept, key=lambda sample: sample.at))

    def _compared(self, look: AddressLook) -> AddressLook:
        first = self._first.get(look.address, [])
        if len(first) < _BASELINE:
            return look
        return replace(
            look,
            usual_connect=_median([one.connect for one in first]),
            usual_first_byte=_median([one.first_byte for one in first]),
        )


async def open_net(settings: EndpointSettings, limits: Limits | None = None) -> Net:
    """A session for an endpoint; nothing is contacted yet. Raises `BlindError(misconfigured)` for
    a URL or CA file that is no use.
    """
    place = parse(settings.url)

    def prepare() -> None:
        for module in ("dns.asyncresolver", "cryptography.x509"):
            import_module(module)
        if place.is_tls:
            tls.verifying(settings.tls_ca, strict=True)

    await asyncio.to_thread(prepare)
    return Net(settings, place, limits)


def _is_local(host: str) -> bool:
    return "." not in host or host.endswith((".local", ".localhost"))


def _sample(look: AddressLook) -> Sample:
    certificate = look.tls.certificate if look.tls else None
    return Sample(
        at=clock.now(),
        address=look.address,
        outcome=look.outcome,
        connect=look.tcp.took if look.tcp.outcome == "ok" else None,
        first_byte=look.http.first_byte if look.http else None,
        status=look.http.status if look.http else 0,
        fingerprint=certificate.fingerprint if certificate else "",
    )


def _median(values: Sequence[float | None]) -> float | None:
    known = sorted(value for value in values if value is not None)
    return known[len(known) // 2] if known else None


def _time() -> float:
    return asyncio.get_running_loop().time()
