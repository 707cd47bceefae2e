"""The tries of one address within one look: connect, shake hands, ask, count redirects."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module

from cockpit import clock
from cockpit.connect.net import http, tls
from cockpit.connect.net.http import HttpLook
from cockpit.connect.net.look import AddressLook, Timeouts
from cockpit.connect.net.tls import Link, OwnCertificate, TlsLook
from cockpit.connect.net.url import Url
from cockpit.connect.net.wire import TcpLook, Wire, connect

_AGAIN_AFTER = 0.1
_BETWEEN = 0.1
_MOST_REDIRECTS = 5
REDIRECTS = {301, 302, 303, 307, 308}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contexts:
    """How to shake hands: for the verdict, without the strict rules, and accepting anything."""

    ca: str
    """An extra file of certificates to trust; empty: none."""
    shown: OwnCertificate
    any: ssl.SSLContext
    store: str
    """Which certificates are trusted, in words."""
    ended: tuple[Link, ...] = ()
    """Those of the extra file whose time is over."""

    async def verdict(self, protocol: str, *, strict: bool) -> ssl.SSLContext:
        """Made when it is first needed, off the loop: each reads the system's store again. Raises
        `BlindError(misconfigured)` when a file is no use (any more).
        """
        make = partial(tls.verifying, self.ca, strict=strict, shown=self.shown, protocol=protocol)
        return await asyncio.to_thread(make)


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What every address of one look is asked, and until when (loop time)."""

    place: Url
    limits: Timeouts
    deadline: float
    contexts: Contexts | None
    """None: no TLS."""
    agent: str
    marker: str
    stream: bool
    """An answer without an end is meant."""
    expected: tuple[int, ...]
    """Statuses that are answers, never redirects to follow."""

    def left(self, limit: float) -> float:
        """Seconds that a rung has; never zero, so that each still gives its own word."""
        return max(0.05, min(limit, self.deadline - asyncio.get_running_loop().time()))

    def redirects(self, answer: HttpLook) -> bool:
        """Whether the answer sends us on."""
        return answer.status in REDIRECTS and answer.status not in self.expected


class ConnectPace:
    """Keeps connections to one address a tenth of a second apart, over all looks of a session.

    Counted from when a connection was let go, not from when it was due: a machine that is late
    with one does not send the next one right behind it.
    """

    def __init__(self) -> None:
        self._next = 0.0
        self._queue = asyncio.Lock()

    async def turn(self) -> None:
        """Wait until the next connection may be made."""
        loop = asyncio.get_running_loop()
        async with self._queue:
            await asyncio.sleep(self._next - loop.time())
            self._next = loop.time() + _BETWEEN


class Visit:
    """The tries of one address within one look.

    `held`: the answer from before, while the server wants to be asked less; nothing is sent then.
    `http2`: it answered by nothing else before; found out anew where it did not.
    """

    def __init__(
        self,
        errand: Errand,
        address: str,
        *,
        pace: ConnectPace,
        held: HttpLook | None = None,
        http2: bool = False,
    ) -> None:
        self.http2 = http2 or errand.place.is_grpc
        self._errand = errand
        self._address = address
        self._contexts = errand.contexts
        self._pace = pace
        self._held = held

    async def burst(self, connections: int) -> tuple[TcpLook, ...]:
        """Connections that are made for their times alone and closed at once."""
        made = await asyncio.gather(*(self._connected() for _ in range(connections)))
        for _, wire in made:
            if wire:
                wire.close()
        return tuple(tcp for tcp, _ in made)

    async def sampled(self, *, was_failing: bool) -> tuple[AddressLook, ...]:
        """One try; a second one when the first answer is a 5xx and the newest earlier one was not,
        since a single one may be chance.
        """
        look = await self._try()
        failed = look.http is not None and look.http.status >= 500
        if not failed or was_failing or self._held or self._errand.left(9.0) < 1.0:
            return (look,)
        await asyncio.sleep(_AGAIN_AFTER)
        return look, await self._try()

    async def _try(self) -> AddressLook:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        look, wire = await self._opened()
        if wire is None and self._wants_http2(look):
            self.http2 = True
            look, wire = await self._opened()
        if wire is None:
            return replace(look, total=loop.time() - begun)
        try:
            if self._held is not None:
                look = replace(look, http=self._held)
            elif self._errand.place.is_http or self._errand.place.is_grpc:
                answer = await self._asked(wire, self._errand.place.path)
                if self._to_be_asked_anew(answer):
                    wire.close()
                    _, second = await self._opened()
                    wire = second or wire
                    if second:
                        answer = await self._asked(wire, self._errand.place.path)
                look = replace(look, http=answer)
            rtt, again = wire.facts()
            look = replace(look, total=loop.time() - begun, rtt=rtt, sent_again=again)
        finally:
            wire.close()
        if look.http and look.http.held is None and self._errand.redirects(look.http):
            look = replace(look, http=await self._followed(look.http))
        return look

    def _to_be_asked_anew(self, answer: HttpLook) -> bool:
        """Whether a GET goes out once more: by HTTP/2, or since nobody took it (RFC 9113, 8.7)."""
        if answer.outcome == "http2" and not self.http2:
            self.http2 = True
            return True
        return answer.outcome == "unprocessed"

    async def _opened(self) -> tuple[AddressLook, Wire | None]:
        """Connect, and shake hands where the scheme says so; no wire unless all went well."""
        contexts, protocol = self._contexts, self._protocol
        strict = await contexts.verdict(protocol, strict=True) if contexts else None
        tcp, wire = await self._connected()
        if wire is None or contexts is None or strict is None:
            return AddressLook(address=self._address, tcp=tcp), wire
        with contextlib.ExitStack() as undo:
            undo.callback(wire.close)
            verdict = await self._shaken(wire, strict)
            undo.pop_all()
        if verdict.outcome == "ok":
            return AddressLook(address=self._address, tcp=tcp, tls=verdict), wire
        wire.close()
        if tls.is_strict_matter(verdict):
            lax, wire = await self._shaken_anew(await contexts.verdict(protocol, strict=False))
            if lax is not None and lax.outcome == "ok":
                passed = replace(
                    lax, strict_only=True, verify_code=verdict.verify_code, detail=verdict.detail
                )
                return AddressLook(address=self._address, tcp=tcp, tls=passed), wire
            verdict = lax or verdict
            if wire:
                wire.close()
        described = await self._described(verdict)
        return AddressLook(address=self._address, tcp=tcp, tls=described), None

    @property
    def _protocol(self) -> str:
        return tls.HTTP_2 if self.http2 else tls.HTTP_1

    def _wants_http2(self, look: AddressLook) -> bool:
        """Whether the handshake failed since HTTP/1.1 was all that we offered (RFC 7301, 3.3)."""
        refused = look.tls is not None and "NO_APPLICATION_PROTOCOL" in look.tls.detail
        return refused and not self.http2

    async def _described(self, verdict: TlsLook) -> TlsLook:
        if self._contexts is None or verdict.outcome in {"plaintext", "mute"}:
            return verdict
        seen, wire = await self._shaken_anew(self._contexts.any)
        if wire:
            wire.close()
        judged = tls.judged(verdict, seen if seen and seen.outcome == "ok" else None)
        return replace(judged, stale=self._contexts.ended if judged.outcome == "expired" else ())

    async def _shaken_anew(self, context: ssl.SSLContext) -> tuple[TlsLook | None, Wire | None]:
        _, wire = await self._connected()
        if wire is None:
            return None, None
        with contextlib.ExitStack() as undo:
            undo.callback(wire.close)
            look = await self._shaken(wire, context)
            undo.pop_all()
        return look, wire

    async def _shaken(self, wire: Wire, context: ssl.SSLContext) -> TlsLook:
        assert self._contexts is not None
        return await tls.handshake(
            wire,
            context,
            self._errand.place.name,
            timeout=self._errand.left(self._errand.limits.tls),
            store=self._contexts.store,
        )

    async def _connected(self) -> tuple[TcpLook, Wire | None]:
        await self._pace.turn()
        limit = self._errand.left(self._errand.limits.tcp)
        return await connect(self._address, self._errand.place.port, timeout=limit)

    async def _asked(self, wire: Wire, path: str) -> HttpLook:
        if self.http2:
            return await self._asked_by_http2(wire, path)
        return await http.exchange(
            wire,
            http.request(self._errand.place.authority, path, agent=self._errand.agent),
            first_byte=self._errand.left(self._errand.limits.first_byte),
            whole=self._errand.left(self._errand.limits.body),
            marker=self._errand.marker,
            stream=self._errand.stream,
            wall=clock.now(),
        )

    async def _asked_by_http2(self, wire: Wire, path: str) -> HttpLook:
        await asyncio.to_thread(import_module, "cockpit.connect.net.http2")  # seldom needed
        from cockpit.connect.net import http2

        place = self._errand.place
        return await http2.exchange(
            wire,
            http2.Http2Request(
                scheme="https" if place.is_tls else "http",
                authority=place.authority,
                path=path,
                agent=self._errand.agent,
                service=path.strip("/") if place.is_grpc else None,
            ),
            first_byte=self._errand.left(self._errand.limits.first_byte),
            whole=self._errand.left(self._errand.limits.body),
            marker=self._errand.marker,
            wall=clock.now(),
            stream=self._errand.stream,
        )

    async def _followed(self, first: HttpLook) -> HttpLook:
        """Count redirects within the origin; the last answer counts, the first one's times."""
        place, answer, hops = self._errand.place, first, 0
        while self._errand.redirects(answer) and hops <= _MOST_REDIRECTS:
            onward = place.onward(answer.header("location"))
            if onward is None:
                break
            hops += 1
            if hops > _MOST_REDIRECTS:
                break
            _, wire = await self._opened()
            if wire is None:
                break
            place = onward
            try:
                answer = await self._asked(wire, place.path)
            finally:
                wire.close()
        return replace(
            answer, redirects=hops, first_byte=first.first_byte, clock_ahead=first.clock_ahead
        )
