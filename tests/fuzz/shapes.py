"""Random answers of AWS, made from botocore's own output shapes, for everything that probes ask.

Members are missing, empty, extreme, of another type, or say a word that no model knows yet. What a
probe asked for is found by its name in most answers, so that looks get past their first call.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import jmespath
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StringShape, StructureShape

from cockpit.connect.aws.batched import BATCHES
from cockpit.connect.aws.loader import ModelLoader
from cockpit.connect.session import MetricQuery, Series
from cockpit.errors import BlindError, Reason

AT = datetime(2026, 11, 21, 3, 0, 30, tzinfo=UTC)
_LOADER = ModelLoader()
_DEEPEST = 6
_WORDS = (
    "",
    "shop",
    "orders",
    "arn:aws:ecs:us-east-1:1:service/shop/orders",
    "arn:aws:lambda:us-east-1:1:function:orders:7",
    "10.0.0.1",
    "10.0.0.0/16",
    "0",
    "-1",
    "12.5",
    "{",
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*"}]}',
    "Task failed ELB health checks in (target-group x)",
    "REPORT RequestId: 1 Duration: 3.1 ms",
    "\x1b[31m[bold]\u202e",
    "x" * 3000,
)
_NUMBERS = (0, 1, -1, 2, 3, 10, 60, 100, 200, 429, 503, 2**31 - 1, 2**31, 2**63 - 1, -(2**63))
_SHARES = (0.0, -0.0, 1.0, 0.5, 99.9, -3.0, 1e300, 5e-324)


@cache
def _before(many: int, period: int) -> tuple[timedelta, ...]:
    """Periods of so many seconds before the end of a series, the oldest first."""
    return tuple(timedelta(seconds=n * period) for n in range(many - 1, -1, -1))


@cache
def model(service: str) -> ServiceModel:
    """What the installed botocore knows of a service, completed as sessions have it."""
    return ServiceModel(_LOADER.load_service_model(service, "service-2"), service)


class Shaped:
    """An AWS of one place whose answers are random but of the right shapes. Implements `AwsReads`.

    `unknown`: words for enumerations that no model has, by the member that says them.
    """

    region = "us-east-1"

    def __init__(self, seed: str, names: Sequence[str]) -> None:
        self.chance = random.Random(seed)
        self.unknown: dict[str, str] = {}
        self._names = names
        self._absent = self.chance.choice((0.0, 0.1, 0.3, 0.7))
        self._wrong = self.chance.choice((0.0, 0.0, 0.0, 0.01, 0.05))
        self._fails = self.chance.choice((0.0, 0.0, 0.1, 0.5))
        self._odd = self.chance.choice((0.0, 0.1, 0.5))

    async def read(
        self, service: str, operation: str, /, *, expect: str = "", **arguments: object
    ) -> Mapping[str, object]:
        """One answer, which has the member that is expected."""
        answer = self._answer(service, operation, arguments)
        if expect and expect not in answer:
            answer[expect] = self._made(self._output(service, operation).members[expect], expect, 1)
        return answer

    async def pages(
        self, service: str, operation: str, /, *, key: str, most: int = 2000, **arguments: object
    ) -> Sequence[object]:
        """Some items of a member."""
        answer = self._answer(service, operation, arguments)
        found = jmespath.search(key, answer)
        return found if isinstance(found, list) else []

    async def item(
        self, service: str, operation: str, /, *, key: str, **shared: object
    ) -> Mapping[str, object]:
        """One item, which has the name that was asked for; sometimes there is none."""
        batch = BATCHES[f"{service}.{operation}"]
        shape: Any = self._output(service, operation).members[batch.member]
        self._may_fail(operation)
        shape = shape.member if isinstance(shape, ListShape) else shape
        shape = shape.members[batch.inside].member if batch.inside else shape
        made = self._structure(shape, 1)
        if batch.names:
            made[batch.names[0]] = key
        return made

    async def metrics(
        self, queries: Iterable[MetricQuery], *, minutes: int = 15, ago: int = 0, rest: bool = False
    ) -> Mapping[MetricQuery, Series]:
        """Series with gaps, all kinds of values, and all states that AWS has for one."""
        self._may_fail("GetMetricData")
        return {query: self._series(minutes, ago, query.period) for query in queries}

    def _series(self, minutes: int, ago: int, period: int) -> Series:
        status = self.chance.choice(
            ("Complete",) * 4 + ("PartialData", "InternalError", "Forbidden")
        )
        usual = self.chance.choice((0.0, 1.0, 40.0, 99.0, 1e6, 1e15))
        end = AT.replace(second=0) - timedelta(minutes=ago + self.chance.choice((1, 2, 3, 30)))
        many = self.chance.choice((0, 1, 3, minutes * 60 // period)) + 1
        # drawn all at once: months of points for each of many queries are most of the work here
        values = self.chance.choices((usual, usual, usual * 3, 0.0), k=many)
        gaps = self.chance.choices((False,) * 9 + (True,), k=many)
        points = [
            (end - since, value)
            for since, value, gap in zip(_before(many, period), values, gaps, strict=True)
            if not gap
        ]
        return Series(tuple(t for t, _ in points), tuple(v for _, v in points), status)

    def _output(self, service: str, operation: str) -> StructureShape:
        shape: StructureShape = model(service).operation_model(operation).output_shape
        return shape

    def _answer(
        self, service: str, operation: str, arguments: Mapping[str, object]
    ) -> dict[str, Any]:
        self._may_fail(operation)
        self._asked = [a for a in arguments.values() if isinstance(a, str)]
        return self._structure(self._output(service, operation), 0)

    def _may_fail(self, operation: str) -> None:
        if self.chance.random() < self._fails:
            raise BlindError(self.chance.choice([*Reason]), f"{operation} failed")

    def _structure(self, shape: StructureShape, depth: int) -> dict[str, Any]:
        return {
            name: self._made(member, name, depth + 1)
            for name, member in shape.members.items()
            if depth == 0 or (depth < _DEEPEST and self.chance.random() >= self._absent)
        }

    def _made(self, shape: Shape, name: str, depth: int) -> Any:
        if depth > 1 and self.chance.random() < self._wrong:
            return self.chance.choice((None, 7, 1.5, "7", [], {}, [None], b"x", True, [{}]))
        match shape:
            case StructureShape():
                return self._structure(shape, depth)
            case ListShape():
                many = self.chance.choice((0, 1, 1, 2, 3)) if depth < _DEEPEST else 0
                return [self._made(shape.member, name, depth + 1) for _ in range(many)]
            case MapShape():
                many = self.chance.choice((0, 1, 2)) if depth < _DEEPEST else 0
                return {
                    self._text(shape.key, name): self._made(shape.value, name, depth + 1)
                    for _ in range(many)
                }
            case StringShape():
                return self._text(shape, name)
        return self._scalar(shape.type_name)

    def _text(self, shape: StringShape, name: str) -> str:
        if shape.enum:
            if self.chance.random() < self._odd:
                return self.unknown.setdefault(name, f"NEVER_HEARD_OF_{name.upper()}")
            return str(self.chance.choice(shape.enum))
        if self.chance.random() < 0.5:
            return self.chance.choice((*self._names, *self._asked_for))
        return self.chance.choice(_WORDS)

    @property
    def _asked_for(self) -> Sequence[str]:
        return getattr(self, "_asked", ())

    def _scalar(self, kind: str) -> object:
        if kind == "boolean":
            return self.chance.random() < 0.5
        if kind in {"integer", "long"}:
            return self.chance.choice(_NUMBERS)
        if kind in {"double", "float"}:
            return self.chance.choice(_SHARES)
        if kind == "timestamp":
            return self.chance.choice(
                (
                    AT - timedelta(seconds=self.chance.randrange(1, 7200)),
                    AT - timedelta(days=self.chance.randrange(1, 4000)),
                    AT + timedelta(hours=5),
                    datetime(1970, 1, 1, tzinfo=UTC),
                    datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
                )
            )
        return b"x"
