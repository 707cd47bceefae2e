"""The path to an endpoint, rung by rung: dns, tcp, tls, http; every address of its own.

There is no happy-eyeballs race here: a name with one dead address of three must show it. All
addresses get the same SNI and Host. The session keeps a short history in memory, so that loss,
flapping and drift can be told from one look.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from importlib import import_module
from ipaddress import ip_address

import cockpit
from cockpit import clock
from cockpit.connect.clocks import Clocks, Witness
from cockpit.connect.net import dns, onward, tls
from cockpit.connect.net import status as net_status
from cockpit.connect.net.dns import Resolution
from cockpit.connect.net.http import HttpLook
from cockpit.connect.net.look import AddressLook, PathLook, Sample, Timeouts
from cockpit.connect.net.memory import NameMemory, Samples, sample_of, sample_of_connection
from cockpit.connect.net.onward import OnwardLook
from cockpit.connect.net.settings import EndpointSettings
from cockpit.connect.net.status import ProviderLook
from cockpit.connect.net.tls import Link
from cockpit.connect.net.url import Url, parse
from cockpit.connect.net.visit import REDIRECTS, ConnectPace, Contexts, Errand, Visit
from cockpit.connect.shared import Tasks
from cockpit.errors import BlindError, Reason

__all__ = ["AddressLook", "Net", "PathLook", "Sample", "Timeouts", "open_net"]

MOST_ADDRESSES = 16
_BURST = 5
_SLOW_NAME = 0.3
"""Share of the limit for names from which on each name server is asked by itself."""
_STATUS_EVERY = 60.0
_STATUS_TIMEOUT = 4.0
_ONWARD_TIMEOUT = 2.0
_TOO_MANY = 429
_HELD_LEAST, _HELD_MOST = 30.0, 300.0


class Net:
    """A session for one endpoint. `close` ends a look at once."""

    def __init__(
        self,
        settings: EndpointSettings,
        place: Url,
        *,
        limits: Timeouts | None = None,
        clocks: Clocks | None = None,
    ) -> None:
        self._settings = settings
        self._place = place
        self._limits = limits or Timeouts()
        self._clocks = clocks or Clocks()
        self._tasks = Tasks()
        self._names = NameMemory()
        self._samples = Samples()
        self._paces: dict[str, ConnectPace] = {}
        self._http2: set[str] = set()
        """Addresses that answered by HTTP/2 alone: they are asked so at once."""
        self._held: dict[str, tuple[float, HttpLook]] = {}
        self._provider: tuple[float, ProviderLook] | None = None
        self._onward: tuple[float, Url, OnwardLook] | None = None
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

    async def _owned(self, work: Coroutine[object, object, PathLook]) -> PathLook:
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
        asking = asyncio.create_task(self._provider_said())
        try:
            answers, servers = await self._resolved(self._place.host)
            named = self._names.heard(answers, _time())
            found = answers[0].addresses
            tried = found[:MOST_ADDRESSES]
            looks = await self._visited(tried, deadline)
            led = await self._led_onward(looks)
            provider = await asking
        finally:
            asking.cancel()
        self._samples.only({*found, *named["addresses_before"]})
        return PathLook(
            at=at,
            url=self._place.shown,
            scheme=self._place.scheme,
            host=self._place.host,
            port=self._place.port,
            dns=answers,
            addresses=tuple(self._samples.compared(look) for look in looks),
            untried=len(found) - len(tried),
            history=self._samples.of(tried),
            servers=servers,
            source=next((look.tcp.source for look in looks if look.tcp.source), ""),
            clocks=self._witnesses(looks, provider),
            onward=led,
            own_certificate=await self._own_certificate(),
            provider=provider,
            proxy=any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY")),
            **named,
        )

    async def _visited(self, addresses: Sequence[str], deadline: float) -> list[AddressLook]:
        errand = Errand(
            place=self._place,
            limits=self._limits,
            deadline=deadline,
            contexts=await self._contexts(),
            agent=self._agent,
            marker=self._settings.expect_text,
            stream=self._settings.expect == "stream",
            expected=self._settings.expect_status,
        )
        return list(await asyncio.gather(*(self._visit(errand, one) for one in addresses)))

    async def _visit(self, errand: Errand, address: str) -> AddressLook:
        """One try of an address; the first time with four more connections, to know its times."""
        is_new = not self._samples.knows(address)
        pace = self._paces.setdefault(address, ConnectPace())
        visit = Visit(
            errand,
            address,
            pace=pace,
            held=self._holding(address),
            http2=address in self._http2,
        )
        looks = await visit.sampled(was_failing=self._samples.was_failing(address))
        self._http2 -= {address}
        if visit.http2:
            self._http2 |= {address}
        self._hold(address, looks[-1])
        if is_new:
            for tcp in await visit.burst(_BURST - 1):
                self._samples.add(sample_of_connection(address, tcp))
        for look in looks:
            self._samples.add(sample_of(look))
        return looks[-1]

    def _holding(self, address: str) -> HttpLook | None:
        until, answer = self._held.get(address, (0.0, None))
        left = until - _time()
        return replace(answer, held=left) if answer is not None and left > 0 else None

    def _hold(self, address: str, look: AddressLook) -> None:
        """After a 429 nothing is asked for as long as the server says, or half a minute."""
        answer = look.http
        if answer is None or answer.held is not None or answer.status != _TOO_MANY:
            return
        said = answer.header("retry-after")
        wanted = float(said) if said.isascii() and said.isdigit() and len(said) < 6 else 0.0
        self._held[address] = (_time() + min(max(wanted, _HELD_LEAST), _HELD_MOST), answer)

    async def _resolved(self, host: str) -> tuple[tuple[Resolution, ...], tuple[Resolution, ...]]:
        """The answer to use first, then the second opinion; and what each name server of this
        machine says, where the system is slow.

        Names that nobody public may be asked for (RFC 6761) are left to the configured server.
        """
        server, limit = self._settings.resolver, self._limits.dns
        itself = dns.literal(host)
        if itself:
            return (itself,), ()
        if server:
            looking = [dns.by_resolver(host, server, timeout=limit)]
            if not dns.is_reserved(host):
                looking.append(dns.by_system(host, timeout=limit))
            return tuple(await asyncio.gather(*looking)), ()
        if _is_local(host):
            return (await dns.by_system(host, timeout=limit),), ()
        return await self._by_system(host, limit)

    async def _by_system(
        self, host: str, limit: float
    ) -> tuple[tuple[Resolution, ...], tuple[Resolution, ...]]:
        system = asyncio.create_task(dns.by_system(host, timeout=limit))
        other = asyncio.create_task(
            dns.by_resolver(host, "", timeout=limit / 2)  # a second opinion may be late
        )
        try:
            await asyncio.wait((system,), timeout=limit * _SLOW_NAME)
            late = not system.done()
            servers = await dns.by_each(host, timeout=limit / 2) if late else ()
            found = await asyncio.gather(system, other)
        finally:
            system.cancel()
            other.cancel()
        # a silent server in front costs the applications seconds, and they get there in the end
        theirs = dns.usable(servers) if found[0].outcome == "timeout" else None
        return ((theirs, found[0]) if theirs else tuple(found)), servers

    async def _contexts(self) -> Contexts | None:
        if not self._place.is_tls:
            return None
        ca, shown = self._settings.tls_ca, _shown(self._settings)
        return await asyncio.to_thread(
            lambda: Contexts(
                ca=ca,
                shown=shown,
                any=tls.describing(),
                store=f"system and {ca}" if ca else "system",
                ended=tls.ended(ca, clock.now()) if ca else (),
            )
        )

    async def _own_certificate(self) -> Link | None:
        """What we show, read anew each time: it may have been renewed. None: nothing is shown."""
        file = self._settings.tls_cert
        return await asyncio.to_thread(tls.first_of, file) if file else None

    async def _led_onward(self, looks: Sequence[AddressLook]) -> OnwardLook | None:
        """Whether somebody is where a redirect leads, once a minute; None without one."""
        answers = (look.http for look in looks if look.http and look.http.status in REDIRECTS)
        answer = next(answers, None)
        place = self._place.leads_to(answer.header("location")) if answer else None
        if place is None or self._place.onward(place.shown) is not None:
            return None
        if self._onward and _time() - self._onward[0] < _STATUS_EVERY:
            known = self._onward[1]  # a state in the query may change with each answer
            if (known.scheme, known.host, known.port) == (place.scheme, place.host, place.port):
                return self._onward[2]
        found, _ = await self._resolved(place.host)
        named = next((one for one in found if one.addresses), found[0])
        seen = await onward.look(
            place,
            named,
            from_private=not any(ip_address(look.address).is_global for look in looks),
            ca=self._settings.tls_ca,
            seconds=_ONWARD_TIMEOUT,
        )
        self._onward = (_time(), place, seen)
        return seen

    async def _provider_said(self) -> ProviderLook | None:
        """The provider's own word, asked for once a minute; None when none is configured."""
        url = self._settings.status_url
        if not url:
            return None
        if self._provider and _time() - self._provider[0] < _STATUS_EVERY:
            return self._provider[1]
        place = parse(url)
        answers, _ = await self._resolved(place.host)
        addresses = next((one.addresses for one in answers if one.addresses), ())
        if addresses:
            said = await net_status.ask(
                place,
                addresses[0],
                ca=self._settings.tls_ca,
                agent=self._agent,
                seconds=_STATUS_TIMEOUT,
            )
        else:
            said = net_status.unread(place.shown, f"dns {answers[0].outcome}")
        self._provider = (_time(), said)
        return said

    def _witnesses(
        self, looks: Sequence[AddressLook], provider: ProviderLook | None
    ) -> tuple[Witness, ...]:
        """Tell the others what was heard of our clock, and hear what they have."""
        now, host = clock.now(), self._place.name
        heard = [look.http.clock_ahead for look in looks if look.http and look.http.held is None]
        known = [ahead for ahead in heard if ahead is not None]
        if known:
            self._clocks.tell(Witness(who=host, ahead=min(known, key=abs), at=now))
        if provider and provider.ahead is not None:
            there = parse(self._settings.status_url).name
            if there != host:
                self._clocks.tell(Witness(who=there, ahead=provider.ahead, at=provider.at))
        return self._clocks.others(host, now)


async def open_net(
    settings: EndpointSettings, limits: Timeouts | None = None, *, clocks: Clocks | None = None
) -> Net:
    """A session for an endpoint; nothing is contacted yet. `clocks` are shared between sessions.

    Raises `BlindError(misconfigured)` for a URL or CA file that is no use.
    """
    place = parse(settings.url)
    if settings.status_url and not parse(settings.status_url).is_http:
        raise BlindError(Reason.MISCONFIGURED, "status_url: only http:// and https://")

    def prepare() -> None:
        for module in ("dns.asyncresolver", "cryptography.x509"):
            import_module(module)
        if place.is_tls:
            tls.verifying(settings.tls_ca, strict=True, shown=_shown(settings))

    await asyncio.to_thread(prepare)
    return Net(settings, place, limits=limits, clocks=clocks)


def _shown(settings: EndpointSettings) -> tls.OwnCertificate:
    return tls.OwnCertificate(settings.tls_cert, settings.tls_key)


def _is_local(host: str) -> bool:
    host = host.removesuffix(".")
    return "." not in host or host.endswith((".local", ".localhost"))


def _time() -> float:
    return asyncio.get_running_loop().time()
