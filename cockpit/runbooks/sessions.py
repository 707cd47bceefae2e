"""The ports of a running runbook over the real connections.

Reads go through the sessions of the probes; a commander's session is opened for one approved plan.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cockpit.connect.open import Connections
from cockpit.connect.role import Role
from cockpit.connect.session import Acts, RedisReads, Right, SqlReads, TellsRights
from cockpit.connect.settings import AwsSite, Login
from cockpit.connect.statements import checked, shown, statement
from cockpit.errors import BlindError, Misconfigured, Reason, Refused, UnknownOutcome
from cockpit.runbooks.ports import Identity
from cockpit.runbooks.step import StepKind
from cockpit.triage.target import Target

_PATIENCE = 3.0
"""Seconds that a step in a database waits for AWS to say which account it belongs to."""


@dataclass(slots=True)
class RunSessions:
    """Implements `Reads` and `Actors` of `cockpit.runbooks.ports`."""

    connections: Connections
    places: Mapping[str, AwsSite]
    actor: str
    """Who sits here: the principal of steps that run on this machine."""
    _accounts: dict[str, str] = field(default_factory=dict)
    """Place → account, for what is not run through AWS; empty: it could not be told."""

    async def read(
        self, target: Target, kind: StepKind, does: str, /, arguments: Mapping[str, object]
    ) -> Mapping[str, object]:
        """See `Reads`. Raises `Refused` for what is not on the list of reads."""
        if kind is StepKind.AWS:
            return await self._read_aws(target, does, arguments)
        known = statement(does, target.kind)
        if known.risk != "read":
            raise Refused(f"{does} changes something: it is not run as a look")
        values = checked(known, arguments)
        session = await self.connections.session(target.name, target.settings)
        if isinstance(session, RedisReads):
            value = await session.command(*_words(known.words, values))
        elif isinstance(session, SqlReads):
            value = shown(known, await session.value(known.sql, values))
        else:
            raise Refused(f"{does} cannot be read from {target.name}: it takes no statements")
        return {"done": True, "detail": known.effect, "value": value}

    async def open(self, target: Target, kind: StepKind) -> Acts:
        """See `Actors`: `Connections.acts` refuses in triage, always."""
        if kind is StepKind.AWS:
            return await self.connections.aws_acts(place_of(target))
        return await self.connections.acts(target.settings)

    async def identity(self, target: Target | None, kind: StepKind) -> Identity:
        """See `Actors`. In triage it is the reader's, which says where one looks."""
        if target is None:
            return Identity(principal=f"{self.actor}, on this machine")
        place = _place_name(target)
        region = self.places[place].region if place in self.places else ""
        if kind is StepKind.AWS:
            account, arn = await self._caller(place_of(target))
            return Identity(principal=arn, account=account, region=region)
        account = await self._account(place) if place else ""
        if kind in {StepKind.SQL, StepKind.REDIS}:
            principal = f"{_user(target)} via {getattr(target.settings, 'host', '')}"
            return Identity(principal=principal, account=account, region=region)
        return Identity(principal=f"{self.actor}, on this machine", region=region)

    async def identity_and_right(
        self, target: Target, kind: StepKind, does: str, args: Mapping[str, object], /
    ) -> tuple[Identity, Right]:
        """See `Actors`. Of AWS both are asked in one session, which costs one credential."""
        if self.connections.role is not Role.COMMANDER:
            return await self.identity(target, kind), Right(None)
        if kind is not StepKind.AWS:
            return await self.identity(target, kind), await self._right(target, kind, does, args)
        place = place_of(target)
        acts = await self.connections.aws_acts(place)
        try:
            account, arn = await _caller(acts)
            region = self.places[place].region if place in self.places else ""
            right = await self._right(target, kind, does, args, session=acts)
            return Identity(principal=arn, account=account, region=region), right
        finally:
            await acts.close()

    async def _right(
        self,
        target: Target,
        kind: StepKind,
        does: str,
        args: Mapping[str, object],
        *,
        session: Acts | None = None,
    ) -> Right:
        """What a session tells of the right; None: one of its own. Never raises."""
        try:
            async with asyncio.timeout(_PATIENCE):
                if session is not None:
                    return await _told(session, target, does, args)
                own = await self.open(target, kind)
                try:
                    return await _told(own, target, does, args)
                finally:
                    await own.close()
        except TimeoutError:
            return Right(None, f"{target.name} did not say within {_PATIENCE:g} s")
        except (BlindError, Misconfigured, Refused, UnknownOutcome) as error:
            return Right(None, error.message)

    async def _read_aws(
        self, target: Target, does: str, arguments: Mapping[str, object]
    ) -> Mapping[str, object]:
        from cockpit.connect.aws.models import parse

        service, operation = await asyncio.to_thread(parse, does)
        session = await self.connections.aws(place_of(target))
        # not shared: what is looked at again before an effect is not of a moment ago
        return await session.call(service, operation, arguments, "")

    async def _account(self, place: str) -> str:
        """The account behind a database, asked once: it only says where one is.

        Empty when AWS does not answer: a lock in a database can be ended while AWS is down.
        """
        if place not in self._accounts:
            try:
                async with asyncio.timeout(_PATIENCE):
                    self._accounts[place], _ = await self._caller(place)
            except (BlindError, Misconfigured, TimeoutError, UnknownOutcome):
                self._accounts[place] = ""
        return self._accounts[place]

    async def _caller(self, place: str) -> tuple[str, str]:
        """Account and ARN that steps are run as now. Raises `BlindError`."""
        if self.connections.role is not Role.COMMANDER:
            return await (await self.connections.aws(place)).identity()
        acts = await self.connections.aws_acts(place)
        try:
            return await _caller(acts)
        finally:
            await acts.close()


async def _caller(acts: Acts) -> tuple[str, str]:
    try:
        answer = await acts.run("sts.GetCallerIdentity", {})
    except UnknownOutcome as error:
        raise BlindError(Reason.UNREACHABLE, error.message, hint=error.hint) from None
    return str(answer.get("Account", "")), str(answer.get("Arn", ""))


async def _told(session: Acts, target: Target, does: str, args: Mapping[str, object]) -> Right:
    if not isinstance(session, TellsRights):
        return Right(None, f"sessions of {target.kind} do not tell")
    return await session.may(does, args)


def place_of(target: Target) -> str:
    """The place whose AWS API knows the target. Raises `Refused` when it names none."""
    place = _place_name(target)
    if not place:
        raise Refused(f"{target.name} has no AWS place", hint='add aws = "…" to the target')
    return place


def _place_name(target: Target) -> str:
    return str(getattr(target.settings, "aws", ""))


def _user(target: Target) -> str:
    commander = getattr(target.settings, "commander", Login())
    return str(commander.user or getattr(target.settings, "user", "") or "default")


def _words(words: Sequence[str], values: Mapping[str, object]) -> list[str]:
    """A Redis command with each parameter as one word of its own."""
    return [
        str(values[word[1:-1]]) if word.startswith("{") and word.endswith("}") else word
        for word in words
    ]
