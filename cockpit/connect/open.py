"""Sessions for a role: one a database from the start, one a place for AWS, opened once.

The only door to the systems. A triage process never gets past `acts`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar, cast

from cockpit.clock import now
from cockpit.connect.aws.budget import BUDGET, Budget
from cockpit.connect.aws.kind import RESOURCE
from cockpit.connect.aws.settings import AwsResource
from cockpit.connect.clocks import Clocks, Witness, certainly
from cockpit.connect.kind import AnyKind, Secret, ServerSettings, off_loop
from cockpit.connect.kinds import KINDS
from cockpit.connect.role import Role
from cockpit.connect.secrets import needs_aws, resolve_async
from cockpit.connect.session import Acts, Closable
from cockpit.connect.settings import AwsSite, ConnectionSettings
from cockpit.errors import BlindError, Misconfigured, Reason, Refused

if TYPE_CHECKING:
    from cockpit.connect.aws.session import Aws

Shared = TypeVar("Shared")
_CLOSING = 0.5


class Connections:
    """Opens what probes and approved plans need, and closes all of it at the end.

    Implements `cockpit.connect.kind.Door` for the connectors.
    """

    def __init__(
        self,
        places: Mapping[str, AwsSite],
        role: Role,
        kinds: Mapping[str, AnyKind] = KINDS,
        *,
        budget: Budget | None = None,
        wanted: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """`budget`: what looking may cost an hour; None: the usual."""
        self.role = role
        self.places = places
        self.wanted = wanted or {}
        self.clocks = Clocks(self._aws_clocks)
        self._kinds = {kind.settings: kind for kind in (RESOURCE, *KINDS.values(), *kinds.values())}
        """Kinds that share settings share their session too: all of a place are `AwsResource`."""
        self._opening: dict[str, asyncio.Task[Closable]] = {}
        self.budget = budget or Budget()
        self._shared: dict[Hashable, object] = {BUDGET: self.budget}

    async def session(self, name: str, settings: ConnectionSettings) -> Closable:
        """The read-only session of a target; AWS targets of one place share one.

        An asker that is cancelled leaves the opening to the others. Raises `BlindError`.
        """
        place = self.place_of(settings)
        key = f"aws:{place}" if place is not None else f"target:{name}"
        opening = self._opening.get(key)
        if opening is None:
            opening = asyncio.create_task(self._open(settings))
            self._opening[key] = opening
            opening.add_done_callback(lambda task: self._opened(key, task))
        return await asyncio.shield(opening)

    async def aws(self, place: str) -> Aws:
        """The read-only session of a place, which all its targets share."""
        return cast("Aws", await self.session("", AwsResource(aws=place, id="")))

    def opened_places(self) -> Mapping[str, Aws]:
        """The AWS sessions that are open now, by the name of their place."""
        return {
            key.removeprefix("aws:"): cast("Aws", task.result())
            for key, task in self._opening.items()
            if key.startswith("aws:") and _is_open(task)
        }

    async def discard(self, name: str, settings: ConnectionSettings) -> None:
        """Close a target's session from under whoever hangs in it. AWS sessions are kept:
        one slow call says nothing about the place.
        """
        if self.place_of(settings) is not None:
            return
        opening = self._opening.pop(f"target:{name}", None)
        if opening is not None:
            await _close(opening)

    async def acts(self, settings: ConnectionSettings) -> Acts:
        """A commander's session for one approved plan. Raises `Refused` in triage, always."""
        if self.role is not Role.COMMANDER:
            raise Refused(
                "triage is read-only: nothing can be run from here",
                hint="propose the step (p), or restart with --role commander",
            )
        kind = self._kind(settings)
        if kind.open_acts is None:
            raise Refused(f"nothing of the kind {kind.name} can be acted on")
        acts: Acts = await kind.open_acts(settings, self)
        return acts

    async def aws_acts(self, place: str) -> Acts:
        """A commander's session of a place. Raises `Refused` in triage, always."""
        return await self.acts(AwsResource(aws=place, id=""))

    async def close(self) -> None:
        """Close every session; never waits longer than half a second for all of them."""
        openings, self._opening = list(self._opening.values()), {}
        if openings:
            closing = [asyncio.create_task(_close(opening)) for opening in openings]
            _, late = await asyncio.wait(closing, timeout=_CLOSING)
            for task in late:
                task.cancel()

    def place_of(self, settings: ConnectionSettings) -> str | None:
        """The place whose session an AWS target uses; None for targets with their own session."""
        kind = self._kinds.get(type(settings))
        return kind.place(settings) if kind is not None and kind.place is not None else None

    def place(self, name: str) -> AwsSite:
        """A place of the configuration. Raises `BlindError` when there is none of this name."""
        if name not in self.places:
            known = ", ".join(sorted(self.places)) or "none"
            raise BlindError(
                Reason.MISCONFIGURED, f"no place [aws.{name}] is configured (there are: {known})"
            )
        return self.places[name]

    def once(self, key: Hashable, make: Callable[[], Shared]) -> Shared:
        """What sessions of one key share; made when it is first asked for."""
        if key not in self._shared:
            self._shared[key] = make()
        return cast("Shared", self._shared[key])

    async def secret(self, settings: ServerSettings, *, acting: bool = False) -> Secret:
        """What resolves the references to a server's passwords; with AWS where they need it."""
        user = settings.commander.user if acting else ""
        password = settings.commander.password if acting else ""
        if not needs_aws(password or settings.password):
            return resolve_async
        await off_loop("cockpit.connect.aws.secrets")
        from cockpit.connect.aws.secrets import secrets_of

        return secrets_of(
            self.place(settings.aws),
            host=settings.host,
            port=settings.port,
            user=user or settings.user,
            acting=acting,
        )

    def _aws_clocks(self) -> Iterator[Witness]:
        for name, session in self.opened_places().items():
            if session.skew is not None:
                yield Witness(who=f"AWS ({name})", ahead=certainly(session.skew), at=now())

    def _kind(self, settings: ConnectionSettings) -> AnyKind:
        kind = self._kinds.get(type(settings))
        if kind is None:
            raise Misconfigured(f"nothing can open a session for {type(settings).__name__}")
        return kind

    def _opened(self, key: str, task: asyncio.Task[Closable]) -> None:
        failed = task.cancelled() or task.exception() is not None
        if failed and self._opening.get(key) is task:
            del self._opening[key]

    async def _open(self, settings: ConnectionSettings) -> Closable:
        session: Closable = await self._kind(settings).open(settings, self)
        return session


def _is_open(task: asyncio.Task[Closable]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


async def _close(opening: asyncio.Task[Closable]) -> None:
    if not opening.done():
        opening.cancel()
        return
    if _is_open(opening):
        await opening.result().close()
