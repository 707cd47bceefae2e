"""How requests to AWS leave: once, to the endpoint alone, over TLS that checks names; and how much
of an answer is taken.

aiobotocore makes its contexts with botocore's helper for urllib3. That leaves the host name to
urllib3, so nobody checks it here: any server with any trusted certificate would get the requests.
"""

from __future__ import annotations

import contextlib
import ssl
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import aiobotocore.httpsession
import aiobotocore.utils
import aiohttp
import botocore.httpsession
from aiobotocore.awsrequest import AioAWSResponse
from botocore.awsrequest import AWSPreparedRequest
from botocore.credentials import CredentialResolver
from botocore.exceptions import HTTPClientError
from botocore.utils import get_environ_proxies

Untyped: TypeAlias = Any
"""What botocore and aiobotocore make or take: they have no types, and models say what is in it."""
MOST = 5 * 1024 * 1024
"""Octets of an answer. A page of 50,000 data points is the largest we ask for: about 3.5 MB."""
MOST_ELEMENTS = 150_000
"""Of XML; such a page has 100,000 times and values."""
MOST_VALUES = 400_000
"""Of JSON, an object or list counted as five: it takes 300 octets, however few it came in."""


class TooLarge(ValueError):
    """More came than any answer that we ask for has. No error of botocore's: it repeats those."""


class BoundedAnswer(aiohttp.ClientResponse):
    """An answer whose body is given up before it takes the machine's memory."""

    async def read(self) -> bytes:
        """The whole body. Raises `TooLarge`."""
        if self._body is None:
            with contextlib.ExitStack() as undo:
                undo.callback(self.close)
                self._body = await self._whole()
                undo.pop_all()
        return await super().read()

    async def _whole(self) -> bytes:
        if (self.content_length or 0) > MOST:
            raise TooLarge(f"an answer of {self.content_length} octets; {MOST} are taken")
        body = bytearray()
        async for part in self.content.iter_any():
            body += part
            if len(body) > MOST:
                raise TooLarge(f"an answer that does not end within {MOST} octets")
        if (what := _too_many(body)) is not None:
            raise TooLarge(f"an answer of more than {what}")
        return bytes(body)


def _too_many(body: bytearray) -> str | None:
    """What a parser would make too many of, at worst: counted before it is parsed."""
    if body[:64].lstrip()[:1] == b"<":
        many = body.count(b"<") - body.count(b"</") > MOST_ELEMENTS
        return f"{MOST_ELEMENTS} elements" if many else None
    values = body.count(b",") + 4 * (body.count(b"[") + body.count(b"{"))
    return f"{MOST_VALUES} values" if values > MOST_VALUES else None


_ALL = 64
"""More addresses of a family than any name has."""


class Transport(aiobotocore.httpsession.AIOHTTPSession):  # type: ignore[misc]
    """aiobotocore's transport with one kind of connector, for direct ways and through proxies."""

    def _create_connector(self, proxy_url: str | None) -> aiohttp.TCPConnector:
        # never the inherited one: behind a proxy it checks neither chain nor name, and an empty
        # AWS_CA_BUNDLE or REQUESTS_CA_BUNDLE would switch all checks off
        bundle = self._verify if isinstance(self._verify, str) else ""
        return aiohttp.TCPConnector(
            limit=self._max_pool_connections,
            ssl=_trusting(bundle, Path(bundle).stat().st_mtime_ns) if bundle else trust(),
            # one limit for all addresses: they are tried 0.25 s apart within it, and what was
            # tried is not tried again, one by one, each with the limit anew
            interleave=_ALL,
            **self._connector_args,
        )

    async def _get_session(self, proxy_url: str | None) -> _Once:
        if proxy_url not in self._sessions:
            session = aiohttp.ClientSession(
                connector=self._create_connector(proxy_url),
                timeout=self._timeout,
                skip_auto_headers={"CONTENT-TYPE"},
                auto_decompress=False,
                response_class=BoundedAnswer,
            )
            self._sessions[proxy_url] = await self._exit_stack.enter_async_context(session)
        return _Once(self._sessions[proxy_url])

    async def send(self, request: AWSPreparedRequest) -> AioAWSResponse:
        """See aiobotocore. Raises `TooLarge` as it is."""
        try:
            return await super().send(request)
        except HTTPClientError as error:
            if isinstance(beneath := error.kwargs.get("error"), TooLarge):
                raise beneath from None
            raise


class _Once:
    """What aiobotocore takes for a session: a request leaves once, whatever its method is.

    A redirect is an answer like any other: who follows it hands the session token to another host.
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def request(self, method: str, **options: Untyped) -> aiohttp.ClientResponse:
        return await self._session.request(
            method, allow_redirects=False, middlewares=(_unrepeated,), **options
        )


async def _unrepeated(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Raise a hang-up as an error that aiohttp does not repeat a GET, PUT or DELETE for.

    It repeats them by itself after `ClientOSError` and `ServerDisconnectedError`, on a fresh
    connection too, and has no switch for it. botocore repeats what may be repeated, and counts.
    """
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise  # never repeated, and tells that nothing was sent
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientPayloadError(str(error)) from error


class _MetadataTransport(
    Transport,
    aiobotocore.utils._RefCountedSession,  # type: ignore[misc]  # noqa: SLF001
):
    """The same for the services on a machine or in a container that hand credentials out."""


@cache
def trust() -> ssl.SSLContext:
    """Trusts what botocore does by default. Made once, for it takes a while: first off the loop."""
    return _trusting(botocore.httpsession.get_cert_path(True))


@lru_cache(4)
def _trusting(bundle: str, written: int = 0) -> ssl.SSLContext:
    """Trusts a file of certificates as it was `written`: 30 ms, and each client asks for it."""
    context: ssl.SSLContext = botocore.httpsession.create_urllib3_context()
    context.check_hostname = True
    context.load_verify_locations(bundle)
    return context


def guard_metadata(resolver: CredentialResolver) -> CredentialResolver:
    """Give a credential resolver's providers that ask by HTTP themselves our transport.

    `AWS_CONTAINER_CREDENTIALS_FULL_URI` and `AWS_EC2_METADATA_SERVICE_ENDPOINT` may be `https:`.
    """
    # no argument of a provider takes a session, and AioContainerProvider drops a given fetcher
    container = resolver.get_provider("container-role")._fetcher  # noqa: SLF001
    container._session = _MetadataTransport(timeout=container.TIMEOUT_SECONDS)  # noqa: SLF001
    machine = resolver.get_provider("iam-role")._role_fetcher  # noqa: SLF001
    proxies = get_environ_proxies(machine.get_base_url())
    machine._session = _MetadataTransport(timeout=machine._timeout, proxies=proxies)  # noqa: SLF001
    return resolver
