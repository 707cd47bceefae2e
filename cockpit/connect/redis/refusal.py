"""Why a Redis server would not have us, which its own words tell better than the driver's error."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator

from cockpit.connect.meaning import tcp_failure
from cockpit.connect.net.addresses import first_reached
from cockpit.connect.net.greeting import first_line
from cockpit.connect.net.tls import verdict
from cockpit.connect.net.tls_failure import tls_failure
from cockpit.connect.redis import errors as failures
from cockpit.connect.redis.settings import RedisSettings
from cockpit.errors import BlindError

_CONNECT = 2.0
_LISTEN = 0.4
"""Seconds to wait for a server's objection."""


async def why_refused(error: Exception, settings: RedisSettings) -> BlindError:
    """Why the connection did not come about, by what lies under the driver's error."""
    where = f"{settings.host}:{settings.port}"
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLError):
            return tls_failure(failures.TLS, cause, where=where)
    late = _late(error)
    if late and "connecting" not in str(error):
        return failures.MUTE.blind("", where=where)
    try:
        greeting = await first_line(
            settings.host, settings.port, ask=b"PING\r\n" if settings.tls else b""
        )
    except OSError as unreached:
        return tcp_failure(unreached, where=where)
    if settings.tls and greeting[:1] in {b"+", b"-"}:
        return failures.TLS.blind("the port answers without TLS", where=where)
    if late:
        return failures.MUTE.blind("no answer to the TLS handshake", where=where)
    return await _objection(settings) or _dropped(greeting, str(error), settings)


async def why_cut(said: str, settings: RedisSettings) -> BlindError:
    """Why the server cut the session: it says so itself to whoever listens first."""
    try:
        objection = await _objection(settings)
        return objection or _dropped(await first_line(settings.host, settings.port), said, settings)
    except BlindError as error:
        return error
    except OSError as error:
        return tcp_failure(error, where=f"{settings.host}:{settings.port}")


def alert(error: BaseException) -> ssl.SSLError | None:
    """TLS 1.3 lets us finish our handshake and then refuses us, in place of the first answer."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLError) and verdict(cause) == "alert":
            return cause
    return None


def _late(error: Exception) -> bool:
    import redis.exceptions

    return isinstance(error, redis.exceptions.TimeoutError | TimeoutError)


def _dropped(greeting: bytes, said: str, settings: RedisSettings) -> BlindError:
    where = f"{settings.host}:{settings.port}"
    if b"max number of clients" in greeting:
        return failures.SATURATED.blind(greeting.decode(errors="replace"), where=where)
    meaning = failures.DROPPED_UNDER_TLS if settings.tls else failures.DROPPED
    return meaning.blind(said, where=where)


async def _objection(settings: RedisSettings) -> BlindError | None:
    """The alert of a server that refuses our TLS 1.3 handshake after we finished it. Our first
    command may cross its alert, which is lost with the connection then; here nothing is sent.
    """
    if not settings.tls:
        return None
    try:
        async with asyncio.timeout(_CONNECT):
            trust = await asyncio.to_thread(
                ssl.create_default_context, cafile=settings.tls_ca or None
            )
            wire = await first_reached(settings.host, settings.port, within=_CONNECT)
            reader, writer = await asyncio.open_connection(
                sock=wire, ssl=trust, server_hostname=settings.host
            )
    except OSError:
        return None
    try:
        async with asyncio.timeout(_LISTEN):
            await reader.read(1)
    except OSError as error:
        found = alert(error)
        where = f"{settings.host}:{settings.port}"
        return tls_failure(failures.TLS, found, where=where) if found else None
    finally:
        writer.transport.abort()
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
