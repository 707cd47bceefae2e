"""An AWS that answers from literals: for `collect` without HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from cockpit.connect.aws.settings import AwsResource
from cockpit.connect.session import MetricQuery, Series
from cockpit.errors import BlindError, ListTooLong, Reason
from cockpit.triage.target import Target

AT = datetime(2026, 11, 21, 3, 0, 30, tzinfo=UTC)


def ago(**span: float) -> datetime:
    """A moment before the look."""
    return AT - timedelta(**span)


def minutes(*values: float | None, late: int = 3, status: str = "Complete") -> Series:
    """One point a minute, oldest first; the newest began `late` minutes before 03:00.

    With the default the newest point is the newest settled one. None is a gap.
    """
    end = AT.replace(second=0) - timedelta(minutes=late)
    points = [
        (end - timedelta(minutes=len(values) - 1 - index), float(value))
        for index, value in enumerate(values)
        if value is not None
    ]
    return Series(tuple(t for t, _ in points), tuple(v for _, v in points), status)


def hours(usual: float, *now: float) -> Series:
    """Three hours of one value, then the newest minutes."""
    return minutes(*([usual] * (180 - len(now))), *now)


def target(kind: str, id_: str, **settings: str) -> Target:
    """A target of an AWS kind."""
    return Target(name="shop", kind=kind, settings=AwsResource(aws="prod", id=id_, **settings))


def denied(what: str = "not authorized") -> BlindError:
    """What the connector raises for AccessDenied."""
    return BlindError(Reason.DENIED, what)


class FakeAws:
    """Rows by `service.Operation`; an error in their place is raised.

    A row is found by `key` in any of its text members. Metrics are found by name, or by
    `name/value-of-a-dimension` when one name has several.
    """

    region = "us-east-1"

    def __init__(
        self,
        answers: Mapping[str, Any],
        series: Mapping[str, Series] | BlindError | None = None,
    ) -> None:
        self.answers = answers
        self.series = series if series is not None else {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.queries: list[MetricQuery] = []
        self.minutes: dict[str, int] = {}
        """How far back the metrics were asked for, by name."""
        self.rest: set[str] = set()
        """Names of metrics that were asked for at the slow pace only."""

    def _answer(self, service: str, operation: str, arguments: dict[str, Any]) -> Any:
        name = f"{service}.{operation}"
        self.calls.append((name, arguments))
        answer = self.answers.get(name, [])
        if callable(answer):
            answer = answer(**arguments)
        if isinstance(answer, BlindError):
            raise answer
        return answer

    async def read(
        self, service: str, operation: str, /, *, expect: str = "", **arguments: Any
    ) -> Mapping[str, Any]:
        """The rows under the expected member."""
        answer = self._answer(service, operation, arguments)
        return answer if isinstance(answer, Mapping) else {expect: answer}

    async def pages(
        self, service: str, operation: str, /, *, key: str, most: int = 2000, **arguments: Any
    ) -> list[Any]:
        """All rows."""
        rows = list(self._answer(service, operation, arguments))
        if len(rows) > most:
            raise ListTooLong(Reason.UNREADABLE, f"more than {most}")
        return rows

    async def item(
        self, service: str, operation: str, /, *, key: str, **shared: Any
    ) -> Mapping[str, Any]:
        """The row that has the key in one of its members."""
        rows: Iterable[Mapping[str, Any]] = self._answer(service, operation, shared)
        for row in rows:
            if key in [value for value in row.values() if isinstance(value, str)]:
                return row
        raise BlindError(Reason.MISSING, f"{operation}: there is no {key}")

    async def metrics(
        self,
        queries: Iterable[MetricQuery],
        *,
        minutes: int = 15,
        ago: int = 0,
        rest: bool = False,
    ) -> Mapping[MetricQuery, Series]:
        """The series by name; what is not there is empty."""
        if isinstance(self.series, BlindError):
            raise self.series
        self.queries += queries
        names = {query.name for query in queries}
        self.minutes |= dict.fromkeys(names, minutes)
        self.rest = self.rest | names if rest else self.rest - names
        return {query: self._series(query) for query in queries}

    def _series(self, query: MetricQuery) -> Series:
        assert not isinstance(self.series, BlindError)
        for _, value in query.dimensions:
            found = self.series.get(f"{query.name}/{value}")
            if found is not None:
                return found
        return self.series.get(query.name, Series())
