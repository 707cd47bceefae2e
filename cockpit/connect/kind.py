"""A kind of target as one record: what its table in the configuration holds, and who opens it.

A connector brings its own record (`cockpit.connect.postgres.kind`); a probe of an AWS kind writes
one line beside itself (`KIND = aws_kind("sqs_queue", "sqs")`); a distribution of its own names its
record in the entry-point group `cockpit.kinds`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Generic, Protocol, TypeVar

from cockpit.connect.clocks import Clocks
from cockpit.connect.session import Acts, Closable
from cockpit.connect.settings import AwsSite, ConnectionSettings, HasLogin

Settings = TypeVar("Settings", bound=ConnectionSettings)
Session = TypeVar("Session", bound=Closable)
Shared = TypeVar("Shared")

Secret = Callable[[str], Awaitable[str]]
"""Resolves a reference (`env:NAME`, `iam`, …) to the secret. Raises `BlindError`."""
Problem = tuple[str, str]
"""A field of the settings, and what is wrong with it."""


class ServerSettings(HasLogin, Protocol):
    """Settings of a server that is logged in to."""

    @property
    def host(self) -> str:
        """Its name or address."""

    @property
    def port(self) -> int:
        """Its port."""

    @property
    def aws(self) -> str:
        """The place whose credentials resolve `aws-secret:` and `iam`; empty: none."""


class Door(Protocol):
    """What a connector is opened with, besides its settings."""

    @property
    def places(self) -> Mapping[str, AwsSite]:
        """The places of the configuration, by name."""

    @property
    def clocks(self) -> Clocks:
        """What other clocks say about ours; endpoints tell theirs."""

    @property
    def wanted(self) -> Mapping[str, Sequence[str]]:
        """Place → IAM actions that the probes of its targets need, the most important first."""

    def place(self, name: str) -> AwsSite:
        """A place of the configuration. Raises `BlindError` when there is none of this name."""

    def once(self, key: Hashable, make: Callable[[], Shared]) -> Shared:
        """What sessions of one key share, such as the rate limits of an account: made once."""

    async def secret(self, settings: ServerSettings, *, acting: bool = False) -> Secret:
        """What resolves the references to a server's passwords; `acting`: the commander's."""


def no_problem(_settings: object, _written: Mapping[str, object]) -> Iterable[Problem]:
    """What has no rules of its own."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[Settings, Session]):
    """Everything that the product knows of a kind before it looks."""

    name: str
    """Public: what the configuration writes as `kind`."""
    short: str
    """At most six cells, for narrow columns."""
    settings: type[Settings]
    """A frozen dataclass: the keys of a `[[target]]` of this kind, checked field by field."""
    open: Callable[[Settings, Door], Awaitable[Session]]
    """The read-only session. Raises `BlindError`. Imports its driver off the loop (`off_loop`)."""
    open_acts: Callable[[Settings, Door], Awaitable[Acts]] | None = None
    """A commander's session; None: nothing of this kind can be acted on."""
    place: Callable[[Settings], str] | None = None
    """The AWS place whose one session all its targets share; None: each has its own."""
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Field → the words that it may have."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Key that people write → the field that it goes to (`arn` → `id`)."""
    problems: Callable[[Settings, Mapping[str, object]], Iterable[Problem]] = no_problem
    """What types cannot say, from the settings and the table that was written. What it says of a
    field that is already told is dropped."""


AnyKind = Kind[Any, Any]


async def off_loop(module: str) -> None:
    """Import a module without holding up the screen: drivers take a tenth of a second and more."""
    await asyncio.to_thread(import_module, module)
