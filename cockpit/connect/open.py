"""Sessions for a role: one a database from the start, one a place for AWS, opened once.

The only door to the systems. A triage process never gets past `acts`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from importlib import import_module
from typing import Any, cast

from cockpit.clock import now
from cockpit.connect.clocks import Clocks, Witness, certainly
from cockpit.connect.role import Role
from cockpit.connect.secrets import needs_aws
from cockpit.connect.session import Acts, Closable
from cockpit.connect.settings import (
    AwsPlace,
    AwsResource,
    ConnectionSettings,
    EndpointSettings,
    Login,
    MysqlSettings,
    PostgresSettings,
    RedisSettings,
    VpcPathSettings,
)
from cockpit.errors import BlindError, Misconfigured, Reason, Refused

_OPENERS: Mapping[str, tuple[str, str]] = {
    "PostgresSettings": ("cockpit.connect.postgres.session", "open_postgres"),
    "MysqlSettings": ("cockpit.connect.mysql.session", "open_mysql"),
    "RedisSettings": ("cockpit.connect.redis.session", "open_redis"),
    "MemcachedSettings": ("cockpit.connect.memcached.session", "open_memcached"),
    "EndpointSettings": ("cockpit.connect.net.session", "open_net"),
}
_CLOSING = 0.5


class Connections:
    """Opens what probes and approved plans need, and closes all of it at the end."""

    def __init__(self, places: Mapping[str, AwsPlace], role: Role) -> None:
        self.role = role
        self.places = places
        self._opening: dict[str, asyncio.Task[Closable]] = {}
        self._limits: dict[tuple[str, ...], Any] = {}
        self._clocks = Clocks(self._aws_clocks)

    async def session(self, name: str, settings: ConnectionSettings) -> Any:
        """The read-only session of a target; AWS targets of one place share one.

        An asker that is cancelled leaves the opening to the others. Raises `BlindError`.
        """
        place = _place_of(settings)
        key = f"aws:{place}" if place is not None else f"target:{name}"
        opening = self._opening.get(key)
        if opening is None:
            opening = asyncio.create_task(self._open(settings))
            self._opening[key] = opening
            opening.add_done_callback(lambda task: self._opened(key, task))
        return await asyncio.shield(opening)

    async def place(self, name: str) -> Any:
        """The read-only session of a place, for its cost counters and identity."""
        return await self.session("", AwsResource(aws=name, id=""))

    def opened_places(self) -> Mapping[str, Any]:
        """The AWS sessions that are open now, by the name of their place."""
        return {
            key.removeprefix("aws:"): task.result()
            for key, task in self._opening.items()
            if key.startswith("aws:") and _is_open(task)
        }

    def _aws_clocks(self) -> Iterator[Witness]:
        for name, session in self.opened_places().items():
            if session.skew is not None:
                yield Witness(who=f"AWS ({name})", ahead=certainly(session.skew), at=now())

    async def discard(self, name: str, settings: ConnectionSettings) -> None:
        """Close a target's session from under whoever hangs in it. AWS sessions are kept:
        one slow call says nothing about the place.
        """
        if _place_of(settings) is not None:
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
        place = _place_of(settings)
        if place is not None:
            opener = import_module("cockpit.connect.aws.session").open_aws_acts
            return cast("Acts", await opener(self._place(place)))
        module, function = _opener(settings)
        opener = getattr(import_module(module), f"{function}_acts")
        return cast("Acts", await opener(settings, **await self._login(settings, acting=True)))

    async def close(self) -> None:
        """Close every session; never waits longer than half a second for all of them."""
        openings, self._opening = list(self._opening.values()), {}
        if openings:
            closing = [asyncio.create_task(_close(opening)) for opening in openings]
            _, late = await asyncio.wait(closing, timeout=_CLOSING)
            for task in late:
                task.cancel()

    def _place(self, name: str) -> AwsPlace:
        if name not in self.places:
            known = ", ".join(sorted(self.places)) or "none"
            raise BlindError(
                Reason.MISCONFIGURED, f"no place [aws.{name}] is configured (there are: {known})"
            )
        return self.places[name]

    def _opened(self, key: str, task: asyncio.Task[Closable]) -> None:
        failed = task.cancelled() or task.exception() is not None
        if failed and self._opening.get(key) is task:
            del self._opening[key]

    async def _open(self, settings: ConnectionSettings) -> Closable:
        place = _place_of(settings)
        if place is not None:
            module = await asyncio.to_thread(import_module, "cockpit.connect.aws.session")
            found = self._place(place)
            key = _account(found)
            if key not in self._limits:
                sharing = [each for each in self.places.values() if _account(each) == key]
                self._limits[key] = module.limits_of(*sharing)
            return cast("Closable", await module.open_aws(found, limits=self._limits[key]))
        path, function = _opener(settings)
        module = await asyncio.to_thread(import_module, path)
        open_session: Callable[..., Awaitable[Closable]] = getattr(module, function)
        return await open_session(settings, **await self._login(settings, acting=False))

    async def _login(self, settings: ConnectionSettings, *, acting: bool) -> dict[str, Any]:
        """What a session is opened with besides its settings: the clocks that all endpoints share,
        or what resolves the password when AWS keeps or makes it.
        """
        if isinstance(settings, EndpointSettings):
            return {"clocks": self._clocks}
        if not isinstance(settings, PostgresSettings | MysqlSettings | RedisSettings):
            return {}
        login = settings.commander if acting else Login()
        if not needs_aws(login.password or settings.password):
            return {}
        module = await asyncio.to_thread(import_module, "cockpit.connect.aws.secrets")
        resolve = module.secrets_of(
            self._place(settings.aws),
            host=settings.host,
            port=settings.port,
            user=login.user or settings.user,
            acting=acting,
        )
        return {"secret": resolve}


def _place_of(settings: ConnectionSettings) -> str | None:
    """The place whose session an AWS target uses; None for targets with their own session."""
    return settings.aws if isinstance(settings, AwsResource | VpcPathSettings) else None


def _account(place: AwsPlace) -> tuple[str, ...]:
    """What tells accounts and regions apart without a call: AWS throttles by account and region,
    so places of one share their limits. Two profiles of one account cannot be told from two
    accounts here; a role's account can.
    """
    account = place.role_arn.split(":")[4:5] or [f"{place.profile} {place.access_key_id}"]
    return (*account, place.region, place.endpoint_url)


def _opener(settings: ConnectionSettings) -> tuple[str, str]:
    name = type(settings).__name__
    if name not in _OPENERS:
        raise Misconfigured(f"nothing can open a session for {name}")
    return _OPENERS[name]


def _is_open(task: asyncio.Task[Closable]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


async def _close(opening: asyncio.Task[Closable]) -> None:
    if not opening.done():
        opening.cancel()
        return
    if _is_open(opening):
        await opening.result().close()
