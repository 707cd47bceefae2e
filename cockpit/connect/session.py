"""What a session can do, by role: the types are the guard.

A triage session has no method that changes anything. The commander's session is another type,
opened by the runner for one approved plan and closed after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar, runtime_checkable

Row = TypeVar("Row")


class Closable(Protocol):
    """Every session can be given up at once, also from under a call that hangs."""

    async def close(self) -> None:
        """Give the connection up within half a second. Never raises."""


@dataclass(frozen=True, slots=True)
class MetricQuery:
    """One CloudWatch series. `dimensions` must match exactly what AWS publishes."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    stat: str
    period: int = 60


@dataclass(frozen=True, slots=True)
class Series:
    """Points of one metric, oldest first. Empty is *no data*, which is neither zero nor healthy.

    `status` is CloudWatch's StatusCode; `Forbidden` and `InternalError` mean blind, and so does
    `Unanswered`: it was asked for, and the answer left it out.
    """

    times: tuple[datetime, ...] = ()
    values: tuple[float, ...] = ()
    status: str = "Complete"
    asked_at: datetime | None = None
    """When CloudWatch was asked: what happened since is not in it. None: not told; just now."""


class AwsReads(Protocol):
    """Reads of one place (account and region), refused before signing when not on the list.

    All errors are `BlindError`. Answers are plain dicts as botocore gives them, with secrets
    already dropped (environment values, user data, presigned URLs).
    """

    @property
    def region(self) -> str:
        """The region of the place."""

    async def read(
        self, service: str, operation: str, /, *, expect: str = "", **arguments: object
    ) -> Mapping[str, object]:
        """One call: `read("ecs", "DescribeClusters", expect="clusters", clusters=[…])`.

        `expect` names the top-level member that a real answer must have; without it the answer is
        `unreadable`. Identical reads within two seconds share one call.
        """

    async def pages(
        self, service: str, operation: str, /, *, key: str, most: int = 2000, **arguments: object
    ) -> Sequence[object]:
        """Every item of member `key` over all pages; raises `unreadable` beyond `most`."""

    async def item(
        self, service: str, operation: str, /, *, key: str, **shared: object
    ) -> Mapping[str, object]:
        """One item by its key (a name, id or ARN).

        It comes out of a batched call that gathers what others ask in this moment.

        Operations that can be batched are listed in `cockpit.connect.aws.batched`. Absent:
        `BlindError(missing)`. One bad id never spoils the answers of the others.
        """

    async def metrics(
        self,
        queries: Sequence[MetricQuery],
        *,
        minutes: int = 15,
        ago: int = 0,
        rest: bool = False,
    ) -> Mapping[MetricQuery, Series]:
        """The series of the last `minutes`, ending `ago` minutes in the past, up to 500 a call.

        Each is bought once and shared by all who ask: of a healthy target once a minute, of a sick
        one every 15 seconds; `asked_at` says when. `rest`: gauges that move slowly and are judged
        by themselves, never against another series; of a healthy target every five minutes.
        """


@runtime_checkable
class SqlReads(Protocol):
    """A PostgreSQL or MySQL observer: one connection, autocommit, read-only, short timeouts."""

    async def rows(
        self, sql: str, parameters: Sequence[object] | Mapping[str, object] = (), *, into: type[Row]
    ) -> list[Row]:
        """Rows converted by column name into a frozen dataclass; unknown columns are ignored,
        missing ones take the field's default. A value of the wrong type is `unreadable`.
        """

    async def value(
        self, sql: str, parameters: Sequence[object] | Mapping[str, object] = ()
    ) -> object:
        """The first column of the first row; None without a row. JSON columns come decoded."""


@runtime_checkable
class RedisReads(Protocol):
    """A Redis or Valkey observer: an allowlist of read commands."""

    async def info(self, *sections: str) -> Mapping[str, object]:
        """`INFO` as one flat mapping of field to value."""

    async def command(self, *words: str | int) -> object:
        """One allowed command with its raw reply; `Refused` when it is not on the list."""


@dataclass(frozen=True, slots=True)
class Right:
    """Whether a login may do something, as its server tells before it is done."""

    held: bool | None
    """None: it cannot be told, for the reason in `why`."""
    why: str = ""
    """What is missing, or why it cannot be told."""
    grant: str = ""
    """The line that gives what is missing; empty when there is none, or nothing is missing."""


class Acts(Protocol):
    """A commander's session for one approved plan."""

    async def run(self, call: str, arguments: Mapping[str, object]) -> Mapping[str, object]:
        """Run one named statement or one AWS operation. Raises `BlindError` when it is certain
        that nothing was done, `UnknownOutcome` when it may have been.
        """

    async def close(self) -> None:
        """Give the connection up. Never raises."""


@runtime_checkable
class TellsRights(Protocol):
    """A commander's session that can say beforehand what its login may do."""

    async def may(self, call: str, arguments: Mapping[str, object]) -> Right:
        """Whether `run` with the same would be permitted. Changes nothing. Raises `BlindError`."""
