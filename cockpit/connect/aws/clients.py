"""Clients of one place, one a service, made once, with what they need loaded off the event loop.

Every client has an explicit configuration, the place's endpoint, and the guard that is given: it
sees each call, paginators included, before anything is signed. `generate_presigned_url` makes no
call and is not seen: nothing here uses it, and a test forbids the name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiobotocore.config import AioConfig
from botocore.credentials import Credentials

from cockpit.clock import monotonic
from cockpit.connect.aws.assumed_role import AssumedRole, RoleSession
from cockpit.connect.aws.codes import CODES
from cockpit.connect.aws.credentials import HeldAnswer, share
from cockpit.connect.aws.errors import AwsCall
from cockpit.connect.aws.outside import outside
from cockpit.connect.aws.policy import SessionPolicy
from cockpit.connect.aws.sessions import (
    ACTS_LOADER,
    CONNECT_TIMEOUT,
    LOADER,
    READ_TIMEOUT,
    PlaceSession,
    Resolver,
    load,
    off_loop,
    open_session,
)
from cockpit.connect.aws.thin import ThinClient
from cockpit.connect.secrets import resolve_async
from cockpit.connect.settings import AwsSite
from cockpit.connect.shared import AnswerToCome, Tasks
from cockpit.connect.workshop import WORKSHOP
from cockpit.errors import BlindError, Reason

if TYPE_CHECKING:
    from aiobotocore.client import AioBaseClient
    from botocore.model import OperationModel

_CLOSING = 0.3
_RENEWED_EVERY = 20.0
_RETIRED_AFTER = CONNECT_TIMEOUT + READ_TIMEOUT + 2
"""Seconds for which calls that were under way may still use the clients of old credentials."""


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
        self._loader = ACTS_LOADER if identity.attempts == 1 else LOADER
        self._hooks = hooks
        self._tasks = tasks
        self._clients: dict[str, AnswerToCome[ThinClient]] = {}
        self._session: AnswerToCome[PlaceSession] | None = None
        self._retired: list[AnswerToCome[ThinClient]] = []
        self._renewed_at = float("-inf")
        self._given = CODES.given
        self._account: HeldAnswer | None = None
        self.redirected: dict[str, str] = {}
        """Service → an endpoint that the environment or the profile names, and not the place."""

    async def of(self, service: str) -> AioBaseClient:
        """The client of a service as aiobotocore has it, for acts. Raises as `reads` does."""
        return (await self.reads(service)).client

    async def reads(self, service: str) -> ThinClient:
        """What reads of a service are sent by. Raises what botocore raises; a failed one is made
        anew.

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

    async def _retire(self, old: list[AnswerToCome[ThinClient]]) -> None:
        await asyncio.sleep(_RETIRED_AFTER)
        self._retired = [answer for answer in self._retired if answer not in old]
        await _closed(old)
        WORKSHOP.given_up()

    async def close(self) -> None:
        """Drop all connections, within a third of a second."""
        made = [*self._clients.values(), *self._retired]
        self._clients.clear()
        self._retired.clear()
        await _closed(made)

    async def _make(self, service: str) -> ThinClient:
        await off_loop(load, service, self._loader)
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

    async def _connected(self, session: PlaceSession, service: str) -> ThinClient:
        client = await self._made(session, service)
        thin = self._registered(client, service)
        if not self._place.endpoint_url and (url := outside(session, client)):
            self.redirected[service] = url
        return thin

    async def _made(self, session: PlaceSession, service: str) -> AioBaseClient:
        await session.get_credentials()  # may ask the network, which is not to be done in a turn
        async with WORKSHOP.turn(last=service == "sts"):
            return await session.create_client(
                service,
                region_name=self._place.region,
                endpoint_url=self._place.endpoint_url or None,
                config=self._configuration(),
            ).__aenter__()

    def _registered(self, client: AioBaseClient, service: str) -> ThinClient:
        """The client with our hooks on both of its ways."""
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
        return ThinClient(
            client,
            guard=hooks.guard,
            sending=before_send,
            answered=response_received,
            ours=frozenset({before_call, before_send, response_received}),
        )

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

    async def _open(self) -> PlaceSession:
        """The session with the credentials of the place, narrowed when a role is given."""
        place = self._place
        keys = place.access_key_id, place.secret_access_key
        resolved = [await resolve_async(each) for each in keys if place.access_key_id]
        async with WORKSHOP.turn(last=True):
            session = self._session_of(self._identity.profile)
            if resolved:
                session.set_credentials(*resolved)
            if not place.role_arn:
                return session
            assumed = self._session_of("")
        await off_loop(load, "sts", self._loader)
        # the profile's ca_bundle holds for the role's calls too
        assumed.set_config_variable("ca_bundle", session.get_config_variable("ca_bundle"))

        async def refresh() -> dict[str, str]:
            return await self._assume(session)

        assumed.register_component("credential_provider", AssumedRole(refresh))
        return assumed

    def _session_of(self, profile: str) -> PlaceSession:
        def shared(credentials: Credentials) -> Credentials:
            return share(
                credentials,
                place=self._place,
                profile=profile,
                tasks=self._tasks,
                asking=self._hooks.sending,
            )

        return open_session(profile, self._place.region, shared=shared, loader=self._loader)

    async def _assume(self, source: PlaceSession) -> dict[str, str]:
        sts = await self._made(source, "sts")
        try:
            return await self._role.credentials(sts)
        finally:
            await sts.close()

    @property
    def left_out(self) -> frozenset[str]:
        """IAM actions for which the session policy had no room: AWS would deny them."""
        return self._role.left_out


def _stay(request_dict: dict[str, dict[str, dict[str, object]]], **_: object) -> None:
    """Tell S3's redirector that it has redirected already.

    It sends a refused request again, to the bucket's region, whatever the number of attempts is.
    """
    request_dict["context"].setdefault("s3_redirect", {})["redirected"] = True


async def _closed(answers: Iterable[AnswerToCome[ThinClient]]) -> None:
    """Close the clients that came about; those that hang are left after a moment."""
    made = [each.future.result() for each in answers if each.future.done() and not each.failed]
    closing = [asyncio.ensure_future(client.close()) for client in made]
    if closing:
        done, late = await asyncio.wait(closing, timeout=_CLOSING)
        for task in late:
            task.cancel()
        for task in done:
            task.exception()
