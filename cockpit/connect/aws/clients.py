"""Clients of one place, one a service, made once, with what they need loaded off the event loop.

Every client has an explicit configuration, the place's endpoint, and the guard that is given: it
sees each call, paginators included, before anything is signed. `generate_presigned_url` makes no
call and is not seen: nothing here uses it, and a test forbids the name.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

import aioboto3
import aiobotocore.parsers
import aiohttp
import aiohttp.abc
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore.credentials import Credentials
from botocore.parsers import DEFAULT_TIMESTAMP_PARSER

from cockpit.clock import monotonic
from cockpit.connect.addresses import addresses_of
from cockpit.connect.aws.assumed_role import AssumedRole, RoleSession
from cockpit.connect.aws.codes import CODES
from cockpit.connect.aws.credentials import HeldAnswer, share, without_prompt
from cockpit.connect.aws.errors import AwsCall
from cockpit.connect.aws.loader import ModelLoader
from cockpit.connect.aws.outside import outside
from cockpit.connect.aws.policy import SessionPolicy
from cockpit.connect.aws.transport import Transport, guard_metadata, trust
from cockpit.connect.secrets import resolve_async
from cockpit.connect.settings import AwsSite
from cockpit.connect.shared import AnswerToCome, Tasks
from cockpit.errors import BlindError, Reason

if TYPE_CHECKING:
    from aiobotocore.client import AioBaseClient
    from aiobotocore.session import ClientCreatorContext
    from botocore.credentials import CredentialResolver
    from botocore.loaders import Loader
    from botocore.model import OperationModel, Shape
    from botocore.parsers import ResponseParser

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")

CONNECT_TIMEOUT = 3.0
READ_TIMEOUT = 10.0
_LARGE = 256 * 1024
_CLOSING = 0.3
_RENEWED_EVERY = 20.0
_RETIRED_AFTER = CONNECT_TIMEOUT + READ_TIMEOUT + 2
"""Seconds for which calls that were under way may still use the clients of old credentials."""

LOADER: Loader = ModelLoader()
"""One for all places: a service model is read from disk once."""

_OFF_LOOP = ThreadPoolExecutor(1, "aws-models")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """Whose credentials, and how a call may be repeated."""

    profile: str
    attempts: int
    """Including the first: 1 for calls that change something."""
    policy: SessionPolicy | None
    """What an assumed role is narrowed to; None: the role as it is."""
    session_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What is called on the way of each call; all of them plain functions."""

    guard: Callable[[str, str], None]
    """Service, operation: raises `Refused` before anything is signed."""
    sending: Callable[[str], None]
    """Service: an attempt leaves."""
    answered: Callable[[str, Mapping[str, object]], None]
    """Service, parsed answer, error answers included."""


class Clients:
    """Makes the clients of a place when they are first used."""

    def __init__(
        self, place: AwsSite, identity: ClientOptions, *, hooks: Hooks, tasks: Tasks
    ) -> None:
        self._place = place
        self._identity = identity
        self._role = RoleSession(place.role_arn, identity.session_name, identity.policy)
        self._hooks = hooks
        self._tasks = tasks
        self._clients: dict[str, AnswerToCome[AioBaseClient]] = {}
        self._session: AnswerToCome[_Session] | None = None
        self._retired: list[AnswerToCome[AioBaseClient]] = []
        self._renewed_at = float("-inf")
        self._given = CODES.given
        self._account: HeldAnswer | None = None
        self.redirected: dict[str, str] = {}
        """Service → an endpoint that the environment or the profile names, and not the place."""

    async def of(self, service: str) -> AioBaseClient:
        """The client of a service. Raises what botocore raises; a failed one is made anew.

        Raises `BlindError` when the credentials are not of the account that the place is bound to.
        """
        if self._given != CODES.given:
            self._given, self._renewed_at = CODES.given, float("-inf")
            self.renew()
        answer = self._clients.get(service)
        if answer is None or answer.failed:
            answer = AnswerToCome(self._tasks.start(self._make(service)))
            self._clients[service] = answer
        return await answer.get()

    def renew(self) -> None:
        """Read the credentials anew for the next call, at most every twenty seconds.

        Keys of a profile are read once by botocore: without this, whoever logs in again after
        they expired would stay blind until the cockpit is started again.
        """
        if monotonic() - self._renewed_at < _RENEWED_EVERY:
            return
        self._renewed_at = monotonic()
        old, self._clients, self._session = list(self._clients.values()), {}, None
        self._account = None
        self._retired += old
        self._tasks.start(self._retire(old))

    async def _retire(self, old: list[AnswerToCome[AioBaseClient]]) -> None:
        await asyncio.sleep(_RETIRED_AFTER)
        self._retired = [answer for answer in self._retired if answer not in old]
        await _closed(old)

    async def close(self) -> None:
        """Drop all connections, within a third of a second."""
        made = [*self._clients.values(), *self._retired]
        self._clients.clear()
        self._retired.clear()
        await _closed(made)

    async def _make(self, service: str) -> AioBaseClient:
        await off_loop(load, service)
        if self._session is None or self._session.failed:
            self._session = AnswerToCome(self._tasks.start(self._open()))
        session = await self._session.get()
        if self._place.account and service != "sts":
            await self._bound()
        return await self._connected(session, service)

    async def _bound(self) -> None:
        """Raises `BlindError` unless the credentials are of the place's account."""
        place, profile = self._place, self._identity.profile
        if self._account is None:
            call = AwsCall("sts", "GetCallerIdentity", place.region, profile)
            self._account = HeldAnswer(
                call, self._whose, tasks=self._tasks, asking=self._hooks.sending, keeps=True
            )
        found = await self._account()
        if found != place.account:
            who = f"profile {profile!r}" if profile else "the credentials in use"
            raise BlindError(
                Reason.MISCONFIGURED,
                f"[aws.{place.name}] is bound to account {place.account}; "
                f"{who} is of account {found}: nothing was asked",
                hint=f"name the right profile in [aws.{place.name}], or the right account",
            )

    async def _whose(self) -> str:
        client = await self.of("sts")
        return str((await client.get_caller_identity()).get("Account", ""))

    async def _connected(self, session: _Session, service: str) -> AioBaseClient:
        client = (
            await _opened(session)
            .client(
                service,
                region_name=self._place.region,
                endpoint_url=self._place.endpoint_url or None,
                config=self._configuration(),
            )
            .__aenter__()
        )
        self._register(client, service)
        if not self._place.endpoint_url and (url := outside(session, client)):
            self.redirected[service] = url
        return client

    def _register(self, client: AioBaseClient, service: str) -> None:
        hooks = self._hooks

        def before_call(model: OperationModel, **_: object) -> None:
            hooks.guard(model.service_model.service_name, model.name)

        def before_send(**_: object) -> None:
            hooks.sending(service)

        def response_received(parsed_response: object, **_: object) -> None:
            if isinstance(parsed_response, dict):
                hooks.answered(service, parsed_response)

        if self._identity.attempts == 1:
            client.meta.events.register_first("needs-retry.s3", _stay)
        client.meta.events.register_first("before-call", before_call)
        client.meta.events.register("before-send", before_send)
        client.meta.events.register("response-received", response_received)

    def _configuration(self) -> AioConfig:
        connecting: dict[str, object] = {"resolver": Resolver()}
        if self._identity.attempts == 1:
            # a kept connection may be closed under an act, whose end would be unknown for nothing
            connecting |= {"force_close": True, "keepalive_timeout": None}
        return AioConfig(
            connector_args=connecting,
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            retries={"mode": "standard", "total_max_attempts": self._identity.attempts},
            max_pool_connections=max(10, self._place.max_concurrency),
            user_agent_extra="incident-cockpit",
        )

    async def _open(self) -> _Session:
        """The session with the credentials of the place, narrowed when a role is given."""
        place = self._place
        session = self._session_of(self._identity.profile)
        if place.access_key_id:
            session.set_credentials(
                await resolve_async(place.access_key_id),
                await resolve_async(place.secret_access_key),
            )
        if not place.role_arn:
            return session
        await off_loop(load, "sts")
        assumed = self._session_of("")
        # the profile's ca_bundle holds for the role's calls too
        assumed.set_config_variable("ca_bundle", session.get_config_variable("ca_bundle"))

        async def refresh() -> dict[str, str]:
            return await self._assume(session)

        provider = AssumedRole(refresh)
        assumed.get_component("credential_provider").insert_before("env", provider)
        return assumed

    def _session_of(self, profile: str) -> _Session:
        def shared(credentials: Credentials) -> Credentials:
            return share(
                credentials,
                place=self._place,
                profile=profile,
                tasks=self._tasks,
                asking=self._hooks.sending,
            )

        return _session(profile, shared)

    async def _assume(self, source: AioSession) -> dict[str, str]:
        async with source.create_client(
            "sts",
            region_name=self._place.region,
            endpoint_url=self._place.endpoint_url or None,
            config=self._configuration(),
        ) as sts:
            return await self._role.credentials(sts)

    @property
    def left_out(self) -> frozenset[str]:
        """IAM actions for which the session policy had no room: AWS would deny them."""
        return self._role.left_out


class _OffLoopParser:
    """A parser that reads large answers in a thread, so that the loop goes on."""

    def __init__(self, parser: ResponseParser) -> None:
        self._parser = parser

    async def parse(self, response: Mapping[str, object], shape: Shape) -> object:
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
    def create_parser(self, protocol_name: str) -> _OffLoopParser:
        return _OffLoopParser(super().create_parser(protocol_name))


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
        """Every address of a host. Raises `BlindError`."""
        found = [ipaddress.ip_address(each) for each in await addresses_of(host)]
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


async def off_loop(work: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
    """Run something that reads disks or chews on large answers, in the one thread for it."""
    return await asyncio.get_running_loop().run_in_executor(_OFF_LOOP, work, *arguments)


def load(service: str) -> None:
    """Read what a client is made of from disk, into the loader's cache. Blocks: not on the loop."""
    trust()
    LOADER.load_data("endpoints")
    LOADER.load_data("partitions")
    LOADER.load_data("sdk-default-configuration")
    LOADER.load_service_model(service, "service-2")
    LOADER.load_service_model(service, "endpoint-rule-set-1")


class _Session(AioSession):  # type: ignore[misc]
    """A session all of whose requests take our transport, those for credentials too.

    A profile's role, web identity and SSO make clients of their own by `create_client`.
    """

    shared: Callable[[Credentials], Credentials]
    """Makes credentials renew themselves once for all who wait."""
    door: aioboto3.Session | None = None

    def create_client(
        self, *arguments: object, config: AioConfig | None = None, **more: object
    ) -> ClientCreatorContext:
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


def _stay(request_dict: dict[str, dict[str, dict[str, object]]], **_: object) -> None:
    """Tell S3's redirector that it has redirected already.

    It sends a refused request again, to the bucket's region, whatever the number of attempts is.
    """
    request_dict["context"].setdefault("s3_redirect", {})["redirected"] = True


def _session(profile: str, shared: Callable[[Credentials], Credentials]) -> _Session:
    session = _Session(profile=profile or None)
    session.shared = shared
    session.register_component("data_loader", LOADER)
    parsers = _Parsers()
    parsers.set_parser_defaults(timestamp_parser=moment)
    session.register_component("response_parser_factory", parsers)
    return session


def _opened(session: _Session) -> aioboto3.Session:
    """aioboto3's door to a session of ours, one for all its clients.

    A second one would register aioboto3's methods of S3 twice, and no client of S3 could be made.
    Each one adds boto3's data folder to the loader once more, which all sessions share: without
    the last line its search path would grow with every renewal of credentials.
    """
    if session.door is None:
        session.door = aioboto3.Session(botocore_session=session)
        LOADER.search_paths[:] = dict.fromkeys(LOADER.search_paths)
    return session.door


async def _closed(answers: Iterable[AnswerToCome[AioBaseClient]]) -> None:
    """Close the clients that came about; those that hang are left after a moment."""
    made = [each.future.result() for each in answers if each.future.done() and not each.failed]
    closing = [asyncio.ensure_future(client.close()) for client in made]
    if closing:
        done, late = await asyncio.wait(closing, timeout=_CLOSING)
        for task in late:
            task.cancel()
        for task in done:
            task.exception()
