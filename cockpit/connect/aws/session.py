"""AWS of one place for a role: guarded, limited, coalesced reads, and a commander's single acts.

Imports aiobotocore: import it off the loop (`cockpit.connect.open` does). The guard is the table in
`cockpit.connect.aws.reads`; it stands before the call and again in botocore, before signing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from weakref import WeakSet

from botocore import xform_name
from botocore.exceptions import ClientError

from cockpit.clock import now
from cockpit.connect.aws import errors as aws_errors
from cockpit.connect.aws import reads
from cockpit.connect.aws.batches import LISTED, Batches, frozen, listing
from cockpit.connect.aws.budget import USD_PER_SERIES, Budget, usd_of_query
from cockpit.connect.aws.clients import ClientOptions, Clients, Hooks
from cockpit.connect.aws.documents import refuse_lockout
from cockpit.connect.aws.errors import FAILURES, AwsCall
from cockpit.connect.aws.limits import Limits, limits_of
from cockpit.connect.aws.metrics import Metrics
from cockpit.connect.aws.models import parse, validate_call
from cockpit.connect.aws.paging import paging_of
from cockpit.connect.aws.policy import session_policy
from cockpit.connect.aws.redact import redact, redacted
from cockpit.connect.aws.rights import role_of, simulated
from cockpit.connect.aws.sessions import off_loop
from cockpit.connect.session import MetricQuery, Right, Series
from cockpit.connect.settings import AwsSite
from cockpit.connect.shared import Memory, Tasks
from cockpit.errors import BlindError, Misconfigured, Reason, Refused, UnknownOutcome
from cockpit.text import visible

if TYPE_CHECKING:
    from aiobotocore.client import AioBaseClient

_RETRIED = 2


@dataclass(slots=True)
class AwsCost:
    """What looking has cost so far, for the whole life of the session."""

    api_calls: int = 0
    """Requests that left, retries included."""
    throttled: int = 0
    """Answers that said: slower."""
    metrics_requested: int = 0
    estimated_usd: float = 0.0


class Aws:
    """The read-only session of one place. Implements `AwsReads`."""

    def __init__(
        self,
        place: AwsSite,
        wanted: Sequence[str] = (),
        *,
        limits: Limits | None = None,
        budget: Budget | None = None,
    ) -> None:
        self.place = place
        self.cost = AwsCost()
        self.skew: float | None = None
        """Seconds that AWS' clock is ahead of ours; None before the first answer."""
        self._consent = reads.consented(wanted)
        self._closed = False
        self._tasks = Tasks()
        self._limits = limits or limits_of(place)
        self._answers: Memory[dict[str, object]] = Memory()
        self._lists: Memory[list[object]] = Memory()
        self._batches = Batches(self, self._tasks, self._lists)
        self._metrics = Metrics(self, self._tasks, budget or Budget())
        self._clients = Clients(
            place,
            ClientOptions(
                profile=place.profile,
                attempts=_RETRIED,
                policy=session_policy(wanted) if place.role_arn else None,
                session_name="cockpit-triage",
            ),
            hooks=Hooks(guard=self._guard, sending=self._sending, answered=self._answered),
            tasks=self._tasks,
        )
        _OPEN.setdefault(place.name, WeakSet()).add(self)

    @property
    def region(self) -> str:
        """The region of the place."""
        return self.place.region

    @property
    def redirected(self) -> Mapping[str, str]:
        """Service → its endpoint, of those asked so far that the place does not send there."""
        return self._clients.redirected

    @property
    def waiting(self) -> Mapping[str, int]:
        """Service → calls that wait for a turn."""
        return self._limits.waiting

    @property
    def slowed(self) -> Mapping[str, float]:
        """Service → calls a second, where throttling has slowed us."""
        return self._limits.slowed

    def busy(self, service: str) -> bool:
        """Whether a call to the service would have to wait for its turn."""
        return not self._limits.of(service).open

    def occupied(self, *, but: str) -> bool:
        """Whether calls to other services wait for a turn or are under way."""
        return self._limits.occupied(but=but)

    async def read(
        self, service: str, operation: str, /, *, expect: str = "", **arguments: object
    ) -> Mapping[str, object]:
        """One call; identical ones within two seconds share it. See `AwsReads`."""
        reads.check(service, operation, self._consent)
        return await self._answers.ask(
            (service, operation, expect, frozen(arguments)),
            lambda: self.call(service, operation, arguments, expect),
            tasks=self._tasks,
        )

    async def pages(
        self, service: str, operation: str, /, *, key: str, most: int = LISTED, **arguments: object
    ) -> Sequence[object]:
        """Every item of `key`; identical questions within two seconds share the pages."""
        reads.check(service, operation, self._consent)
        return await self._lists.ask(
            listing(service, operation, key, most=most, arguments=arguments),
            lambda: self.all_pages(service, operation, arguments, key=key, most=most),
            tasks=self._tasks,
        )

    async def item(
        self, service: str, operation: str, /, *, key: str, **shared: object
    ) -> Mapping[str, object]:
        """One item by its name, id or ARN, out of a batched call. See `AwsReads`."""
        reads.check(service, operation, self._consent)
        return await self._batches.item(service, operation, key, shared)

    async def metrics(
        self,
        queries: Sequence[MetricQuery],
        *,
        minutes: int = 15,
        ago: int = 0,
        rest: bool = False,
    ) -> Mapping[MetricQuery, Series]:
        """Series by query, out of calls that many share. See `AwsReads`."""
        return await self._metrics.ask(queries, minutes, ago, rest=rest)

    async def identity(self) -> tuple[str, str]:
        """Account and ARN of the credentials, from STS."""
        answer = await self.read("sts", "GetCallerIdentity", expect="Account")
        return str(answer["Account"]), str(answer.get("Arn", ""))

    def forget(self) -> None:
        """Nothing that was read before a change may be used to verify it."""
        self._answers.clear()
        self._lists.clear()
        self._batches.forget()
        self._metrics.forget()

    async def close(self) -> None:
        """Give up every call and connection, at once."""
        self._closed = True
        _OPEN[self.place.name].discard(self)
        self._tasks.cancel()
        await self._clients.close()

    async def call(
        self, service: str, operation: str, arguments: Mapping[str, object], expect: str
    ) -> dict[str, object]:
        """One call as it is: guarded, limited, redacted, not shared. Raises `BlindError`."""
        reads.check(service, operation, self._consent)
        reads.check_bounds(service, operation, arguments)
        about = AwsCall(
            service,
            operation,
            self.region,
            self.place.profile,
            keys=bool(self.place.access_key_id),
        )
        if self._closed:
            raise BlindError(Reason.UNREACHABLE, f"{about.name}: the session is closed")
        self._has_room(about)
        async with self._limits.of(service).turn():
            asked = arguments.get("MetricDataQueries")
            if isinstance(asked, list) and "NextToken" not in arguments:
                self.cost.metrics_requested += len(asked)
                self.cost.estimated_usd += len(asked) * USD_PER_SERIES
            try:
                client = await self._clients.reads(service)
                answer = await client.call(operation, arguments)
            except FAILURES as error:
                found = aws_errors.blind(error, about)
                if aws_errors.outdated(error, found):
                    self._clients.renew()
                raise found from error
        promised(answer, expect, about)
        if operation == "GetQueryResults":
            self.cost.estimated_usd += usd_of_query(answer)
        return await redacted(service, answer)

    async def all_pages(
        self, service: str, operation: str, arguments: Mapping[str, object], *, key: str, most: int
    ) -> list[object]:
        """Every item of a member over all pages, not shared. Raises `BlindError`."""
        about = AwsCall(service, operation, self.region)
        paging = await paging_of(service, operation)
        items: list[object] = []
        tokens: dict[str, object] = {}
        while True:
            answer = await self.call(service, operation, {**arguments, **tokens}, key)
            if not isinstance(held := answer[key], list):
                raise aws_errors.unreadable(f"the answer's {key} is no list", about)
            items.extend(held)
            following = paging.following(answer) if paging is not None else {}
            if len(items) > most:
                raise aws_errors.too_long(key, most, about)
            if following and following == tokens:
                raise aws_errors.unreadable("repeats a page", about)
            if not following:
                return items
            tokens = following

    def _has_room(self, about: AwsCall) -> None:
        """Raise `BlindError` for what the session policy had no room for."""
        action = reads.iam_action(about.service, about.operation)
        if action in self._clients.left_out:
            raise BlindError(
                Reason.DENIED,
                f"{about.name}: there was no room for {action} in the session policy of the role",
                hint="STS allows 2,048 characters: name fewer kinds at one place, or use a profile"
                " whose role is read-only by itself, without role_arn",
            )

    def _guard(self, service: str, operation: str) -> None:
        reads.check(service, operation, self._consent)

    def _sending(self, service: str) -> None:
        self.cost.api_calls += 1

    def _answered(self, service: str, answer: Mapping[str, object]) -> None:
        self._notice_clock(answer)
        if "Error" not in answer:
            return
        about = AwsCall(service, "", self.region)
        if aws_errors.from_answer(answer, about).reason is Reason.THROTTLED:
            self.cost.throttled += 1
            self._limits.of(service).throttled()

    def _notice_clock(self, answer: Mapping[str, object]) -> None:
        if self.skew is not None and self.cost.api_calls % 100:
            return
        date = _metadata(answer)[1].get("date")
        if isinstance(date, str):
            try:
                self.skew = (parsedate_to_datetime(date) - now()).total_seconds()
            except (ValueError, TypeError):
                self.skew = None


class AwsActs:
    """A commander's session: single operations of one approved plan. Implements `Acts`."""

    def __init__(self, place: AwsSite) -> None:
        self.place = place
        self._sent = False
        self._acting = ""
        self._who: tuple[str, str] | None = None
        self._tasks = Tasks()
        self._profile = place.commander_profile or place.profile
        self._clients = Clients(
            place,
            ClientOptions(
                profile=self._profile, attempts=1, policy=None, session_name="cockpit-commander"
            ),
            hooks=Hooks(guard=self._guard, sending=self._sending, answered=self._answered),
            tasks=self._tasks,
        )

    async def run(self, call: str, arguments: Mapping[str, object]) -> Mapping[str, object]:
        """Run one operation: `ecs.UpdateService` or `ecs.update_service`. Never repeated.

        Raises `Misconfigured` when the service model has something against call or arguments,
        `Refused` for what no session runs, `BlindError` when nothing was done, `UnknownOutcome`.
        """
        service, operation = await off_loop(parse, call)
        reads.check_act(service, operation)
        problems = await off_loop(validate_call, call, arguments)
        if problems:
            raise Misconfigured(f"{call}: {'; '.join(problems)}")
        await refuse_lockout(self, f"{service}.{operation}", arguments)
        keys = bool(self.place.access_key_id)
        about = AwsCall(service, operation, self.place.region, self._profile, keys=keys)
        changes = not reads.is_read(service, operation)
        try:
            if changes:
                forget(self.place.name)
            answer = await self._sent_once(about, arguments)
        finally:
            if changes:
                forget(self.place.name)
        if operation == "GetCallerIdentity":
            self._who = str(answer.get("Account", "")), str(answer.get("Arn", ""))
        return redact(service, answer)

    async def identity(self) -> tuple[str, str]:
        """Account and ARN that acts are made as, asked once a session."""
        if self._who is None:
            await self.run("sts.GetCallerIdentity", {})
        return self._who or ("", "")

    async def may(self, call: str, arguments: Mapping[str, object]) -> Right:
        """See `TellsRights`: what `run` would refuse, then IAM's simulation where permitted."""
        service, operation = await off_loop(parse, call)
        action = reads.iam_action(service, operation)
        try:
            await refuse_lockout(self, f"{service}.{operation}", arguments)
            _, arn = await self.identity()
            asked = {"PolicySourceArn": role_of(arn), "ActionNames": [action]}
            return simulated(await self.run("iam.SimulatePrincipalPolicy", asked), action, arn)
        except Refused as error:
            return Right(False, error.message)
        except (BlindError, UnknownOutcome) as error:
            return Right(None, f"IAM does not tell: {error.message}")

    async def close(self) -> None:
        """Give the connections up. Never raises."""
        self._tasks.cancel()
        await self._clients.close()

    async def _sent_once(
        self, about: AwsCall, arguments: Mapping[str, object]
    ) -> dict[str, object]:
        self._sent, self._acting = False, about.service
        try:
            client = await self._clients.of(about.service)
            self._refuse_redirected(about)
            answer = await _method(client, about.operation)(**arguments)
            promised(answer, "", about)
        except FAILURES as error:
            raise self._end(error, about) from error
        except BlindError as error:
            raise (_unknown(about, error.message) if self._sent else error) from error
        return answer

    def _refuse_redirected(self, about: AwsCall) -> None:
        """An act goes where the configuration says: a shell's leftovers must not take it away."""
        if url := self._clients.redirected.get(about.service):
            raise Refused(
                f"{about.name}: the environment or the profile sends it to {visible(url)}",
                hint=f"unset AWS_ENDPOINT_URL, or write endpoint_url into [aws.{self.place.name}]",
            )

    def _end(self, error: Exception, about: AwsCall) -> BlindError | UnknownOutcome:
        found = aws_errors.blind(error, about)
        if isinstance(error, ClientError):
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            moved = error.response.get("Error", {}).get("Code") in aws_errors.MOVED
            certain = 400 <= status < 500 or moved or found.reason is Reason.THROTTLED
        else:
            certain = not self._sent or aws_errors.never_sent(error)
        return found if certain else _unknown(about, found.message)

    def _guard(self, service: str, operation: str) -> None:
        reads.check_act(service, operation)

    def _sending(self, service: str) -> None:
        self._sent |= service == self._acting  # not while credentials are asked for

    def _answered(self, service: str, answer: Mapping[str, object]) -> None:
        """Acts are neither counted nor slowed down."""


_OPEN: dict[str, WeakSet[Aws]] = {}
"""Sessions by the name of their place: an act makes them forget what they read before it."""


def _method(client: AioBaseClient, operation: str) -> Callable[..., Awaitable[dict[str, object]]]:
    method: Callable[..., Awaitable[dict[str, object]]] = getattr(client, xform_name(operation))
    return method


def promised(answer: object, expect: str, about: AwsCall) -> None:
    """Raise `unreadable` unless the answer is one of AWS: no exception is not an answer.

    botocore makes `{}` of a login page with status 200 (catalogue moto §2.3).
    """
    if not isinstance(answer, Mapping):
        raise aws_errors.unreadable("the answer is no structure", about)
    metadata, headers = _metadata(answer)
    if "text/html" in str(headers.get("content-type")):
        raise aws_errors.unreadable("somebody answered with a page of HTML", about)
    if expect and expect not in answer:
        raise aws_errors.unreadable(f"the answer has no {expect}", about)
    if len(answer) <= 1 and not (metadata.get("RequestId") or expect):
        raise aws_errors.unreadable("the answer is empty and has no request id", about)


def _metadata(answer: Mapping[str, object]) -> tuple[Mapping[str, object], Mapping[str, object]]:
    """What botocore adds to an answer, and the headers in it."""
    metadata = answer.get("ResponseMetadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    headers = metadata.get("HTTPHeaders")
    return metadata, headers if isinstance(headers, Mapping) else {}


def _unknown(about: AwsCall, message: str) -> UnknownOutcome:
    return UnknownOutcome(
        f"{about.name} was sent, and its end is not known: {message}",
        hint="verify before repeating it",
    )


def forget(place: str) -> None:
    """Let every open session of the place forget what it read: something is being changed."""
    for session in tuple(_OPEN.get(place, ())):
        session.forget()


async def open_aws(
    place: AwsSite,
    *,
    wanted: Sequence[str] = (),
    limits: Limits | None = None,
    budget: Budget | None = None,
) -> Aws:
    """The read-only session of a place. Makes no call: clients are made when they are needed.

    `wanted` are the IAM actions that the probes of the configured kinds need, the most important
    first: an assumed role is narrowed to them, and of `reads.CONSENT` they open what they name.
    None given: all reads, and nothing that asks for consent. `limits` are those of the account and
    region, when other places share them (None: the place's own); `budget` is that of all places
    (None: the usual one, for this place alone).
    """
    if place.role_arn:
        await off_loop(session_policy, wanted)  # which is kept: for many kinds it takes long
    return Aws(place, wanted, limits=limits, budget=budget)


async def open_aws_acts(place: AwsSite) -> AwsActs:
    """A commander's session of a place, with the commander's profile. Makes no call."""
    return AwsActs(place)
