"""botocore's session as a place needs it: our transport, our loader, credentials for all who wait.

Sessions share what botocore and aioboto3 hang on every client: to put that together takes 25 ms,
and a role to assume makes two sessions a place. Nothing may be registered on one session alone.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

import aioboto3
import aiobotocore.parsers
import aiohttp
import aiohttp.abc
from aiobotocore.config import AioConfig
from aiobotocore.hooks import AioHierarchicalEmitter
from aiobotocore.session import AioSession
from botocore.credentials import Credentials
from botocore.parsers import DEFAULT_TIMESTAMP_PARSER

from cockpit.connect.aws import reads
from cockpit.connect.aws.credentials import without_prompt
from cockpit.connect.aws.loader import ModelLoader, ReadsLoader
from cockpit.connect.aws.parsers import COMPILED
from cockpit.connect.aws.transport import Transport, Untyped, guard_metadata, trust
from cockpit.connect.net.addresses import addresses_of

if TYPE_CHECKING:
    from aiobotocore.session import ClientCreatorContext
    from botocore.credentials import CredentialResolver
    from botocore.loaders import Loader
    from botocore.model import Shape
    from botocore.parsers import ResponseParser

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")

CONNECT_TIMEOUT = 3.0
READ_TIMEOUT = 10.0
_LARGE = 256 * 1024

# botocore has such a handler, aiobotocore none: what it warns of with a traceback, such as a token
# that has ended, would stand on stderr, and in the screen. The look tells it in its own words.
logging.getLogger("aiobotocore").addHandler(logging.NullHandler())

_WHOLE = frozenset({"s3", "sts", "ssm", "secretsmanager"})
"""Of which botocore, the role of a place and passwords that AWS keeps want more than looks do."""
LOADER: Loader = ReadsLoader(
    {
        service: reads.ALLOW[service] | reads.CONSENT.get(service, frozenset())
        for service in reads.ALLOW.keys() - _WHOLE
    }
)
"""One for all places' looks: a service model is read from disk once."""
ACTS_LOADER: Loader = ModelLoader()
"""Whole models: what a commander's steps may call is in runbooks of anybody."""

_OFF_LOOP = ThreadPoolExecutor(1, "aws-models")


class PlaceSession(AioSession):  # type: ignore[misc]
    """A session all of whose requests take our transport, those for credentials too.

    A profile's role, web identity and SSO make clients of their own by `create_client`.
    """

    shared: Callable[[Credentials], Credentials]
    """Makes credentials renew themselves once for all who wait."""

    def create_client(
        self, *arguments: object, config: AioConfig | None = None, **more: object
    ) -> ClientCreatorContext:
        """See aiobotocore."""
        ours = AioConfig(
            connector_args={"resolver": Resolver(), **getattr(config, "connector_args", {})},
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
        )
        if config is not None:
            ours = ours.merge(config)
        ours.http_session_cls = Transport  # after the merge, which would drop it
        return super().create_client(*arguments, config=ours, **more)

    def _create_credential_resolver(self) -> CredentialResolver:
        resolver = guard_metadata(super()._create_credential_resolver())
        return without_prompt(resolver, self.profile or "")

    async def get_credentials(self) -> Credentials:
        """As botocore's, renewed once for all who wait."""
        return self.shared(await super().get_credentials())


def open_session(
    profile: str, region: str, *, shared: Callable[[Credentials], Credentials], loader: Loader
) -> PlaceSession:
    """A session with the credentials of a profile; empty: botocore's default chain. Makes no call.

    The region is also where its role is asked for. `shared`: see `PlaceSession`.
    """
    session = PlaceSession(
        event_hooks=_hooks(), include_builtin_handlers=False, profile=profile or None
    )
    session.set_config_variable("region", region)
    session.shared = shared
    session.register_component("data_loader", loader)
    parsers = _Parsers()
    parsers.set_parser_defaults(timestamp_parser=moment)
    session.register_component("response_parser_factory", parsers)
    return session


@cache
def _hooks() -> AioHierarchicalEmitter:
    """What botocore and aioboto3 do on the way of a call. A client works with a copy of its own.

    aioboto3 may be asked once: a second time its methods of S3 would be there twice, and no client
    of S3 could be made.
    """
    hooks = AioHierarchicalEmitter()
    aioboto3.Session(botocore_session=AioSession(event_hooks=hooks))
    return hooks


async def off_loop(work: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
    """Run something that reads disks or chews on large answers, in the one thread for it."""
    return await asyncio.get_running_loop().run_in_executor(_OFF_LOOP, work, *arguments)


def load(service: str, loader: Loader) -> None:
    """Read what a client is made of from disk, into the loader's cache. Blocks: not on the loop."""
    trust()
    loader.load_data("endpoints")
    loader.load_data("partitions")
    loader.load_data("sdk-default-configuration")
    loader.load_service_model(service, "service-2")
    loader.load_service_model(service, "endpoint-rule-set-1")


class OffLoopParser:
    """A parser that reads large answers in a thread, so that the loop goes on."""

    def __init__(self, parser: ResponseParser) -> None:
        self._parser = parser

    async def parse(self, response: Mapping[str, object], shape: Shape) -> Untyped:
        """See botocore."""
        body = response.get("body")
        if not isinstance(body, bytes) or len(body) < _LARGE:
            return await self._parser.parse(response, shape)
        return await off_loop(_drive, self._parser, response, shape)


def _drive(parser: ResponseParser, response: Mapping[str, object], shape: Shape) -> object:
    """Run a parser's coroutine to its end: over a body in memory it never waits."""
    try:
        parser.parse(response, shape).send(None)
    except StopIteration as end:
        return end.value
    raise RuntimeError("a parser waited for something")


class _Parsers(aiobotocore.parsers.AioResponseParserFactory):  # type: ignore[misc]
    def create_parser(self, protocol_name: str) -> OffLoopParser:
        return OffLoopParser(super().create_parser(protocol_name))


def compiled_parser(protocol: str) -> OffLoopParser:
    """The parser of the thin path, for one client."""
    made = COMPILED.get(protocol, aiobotocore.parsers.PROTOCOL_PARSERS[protocol])
    return OffLoopParser(made(timestamp_parser=moment))


def moment(value: object) -> datetime:
    """A timestamp of an answer. ISO texts are read 40 times faster than botocore does it."""
    if isinstance(value, str) and value[:2] == "20":
        try:
            return _aware(datetime.fromisoformat(value))
        except ValueError:
            pass
    parsed: datetime = DEFAULT_TIMESTAMP_PARSER(value)
    return parsed


def _aware(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("no time zone: botocore's parser knows the rule")
    return value


class Resolver(aiohttp.abc.AbstractResolver):
    """Names are resolved in threads that nothing waits for: a dead VPN must not hold the exit.

    aiohttp's own would fill the loop's default executor, which is joined at the end.
    """

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[aiohttp.abc.ResolveResult]:
        """Every address of a host. Raises `BlindError`.

        What is under localhost is this machine (RFC 6761 §6.3): S3 puts the bucket before the
        endpoint's host, and S3 Control the account.
        """
        name = "localhost" if host.endswith(".localhost") else host
        found = [ipaddress.ip_address(each) for each in await addresses_of(name)]
        return [
            aiohttp.abc.ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=_FAMILIES[address.version],
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in found
            if family in {socket.AF_UNSPEC, _FAMILIES[address.version]}
        ]

    async def close(self) -> None:
        """Nothing is held."""


_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
