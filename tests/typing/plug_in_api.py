"""The names that plug-ins may use, as they use them. Only type checkers read this file.

What stops to type-check here breaks somebody's plug-in: see docs/plug-ins.md and RELEASE.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from cockpit.connect.aws.answer import Answer, GivenText, answer_into, answers_into
from cockpit.connect.aws.kind import aws_kind
from cockpit.connect.aws.settings import AwsResource
from cockpit.connect.kind import Door, Kind, Problem, Secret, off_loop
from cockpit.connect.session import Acts, AwsReads, MetricQuery, RedisReads, Series, SqlReads
from cockpit.connect.settings import Login
from cockpit.errors import BlindError, Reason, Refused, UnknownOutcome
from cockpit.logs.source import LogSource
from cockpit.redact import SecretText
from cockpit.text import visible
from cockpit.triage.changes import Change
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Fact, Probe, RecoveryPoint
from cockpit.triage.target import Target
from cockpit.triage.view import Column, Row, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class LorrySettings:
    host: str
    port: int = 1
    user: str = ""
    password: str = ""
    aws: str = ""
    commander: Login = Login()  # noqa: RUF009  # a frozen record


class Lorry:
    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    async def load(self) -> float:
        password: str = await self._secret("env:LORRY")
        if not password:
            raise BlindError(Reason.DENIED, "no password", hint="export LORRY=…")
        return 1.0

    async def close(self) -> None: ...


class Driver:
    async def run(self, call: str, arguments: Mapping[str, object]) -> Mapping[str, object]:
        if call == "unload":
            raise UnknownOutcome("the lorry hung up")
        raise Refused(f"{call} is not known")

    async def close(self) -> None: ...


async def open_lorry(settings: LorrySettings, door: Door) -> Lorry:
    await off_loop("json")
    return Lorry(await door.secret(settings))


async def open_driver(_: LorrySettings, __: Door) -> Acts:
    return Driver()


def problems(settings: LorrySettings, _: Mapping[str, object]) -> Iterator[Problem]:
    if not settings.host:
        yield "host", "is empty"


KIND: Kind[LorrySettings, Lorry] = Kind(
    name="lorry",
    short="lorry",
    settings=LorrySettings,
    open=open_lorry,
    open_acts=open_driver,
    words={"user": ("a", "b")},
    renamed={"address": "host"},
    problems=problems,
)
QUEUE = aws_kind("queue", "q", named=False)


@dataclass(frozen=True, slots=True)
class Load:
    tons: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    tons: Thresholds = Thresholds(warning=3, critical=4)


async def collect(lorry: Lorry, target: Target) -> Load:
    assert isinstance(target.settings, LorrySettings)
    return Load(await lorry.load())


def diagnose(look: Load, settings: Settings) -> Iterator[Finding]:
    severity: Severity | None = settings.tons.grade(look.tons)
    if severity:
        evidence = (Evidence("load", look.tons, "t", settings.tons.first),)
        yield Finding("LORRY_FULL", severity, visible("full"), evidence=evidence)


def facts(look: Load, settings: Settings) -> Iterator[Fact]:
    yield Fact("load", f"{look.tons:g} t", look.tons, "t", settings.tons.grade(look.tons))


def points(look: Load) -> Iterator[RecoveryPoint]:
    yield RecoveryPoint("the lorry behind", behind=None)


def tables(look: Load, _: Settings) -> Iterator[Table]:
    row = Row(key="1", cells=(f"{look.tons:g}",), secret=SecretText("SELECT 1"))
    yield Table(title="Load", columns=(Column("tons", 8, right=True),), rows=(row,))


def changes(_: Load, target: str) -> Iterator[Change]:
    yield Change(
        at=datetime(2026, 11, 21, tzinfo=UTC),
        kind="lorry",
        target=target,
        summary="left",
        actor="",
        source="lorry",
    )


async def logs(lorry: Lorry, look: Load, target: Target) -> tuple[LogSource, ...]:
    return (LogSource(group=f"/lorries/{target.name}", label="engine"),)


def since(_: Load, now: Load) -> Load:
    return now


def again(look: Load, _: Settings) -> float | None:
    return 0.5 if look.tons else None


def wakes(_: Load) -> tuple[str, ...]:
    return ("lorry.brakes",)


PROBE: Probe[Lorry, Load, Settings] = Probe(
    id="lorry.load",
    kind="lorry",
    collect=collect,
    diagnose=diagnose,
    snapshot=Load,
    settings=Settings(),
    every=5,
    timeout=3,
    facts=facts,
    tables=tables,
    points=points,
    changes=changes,
    since=since,
    again=again,
    wakes=wakes,
    logs=logs,
    needs=("a key",),
    leads=True,
    codes=codes(either=("LORRY_FULL",), traits={Trait.LOAD: ("LORRY_FULL",)}),
)


class QueueRow(Answer, frozen=True):
    name: GivenText
    waiting: int = 0


async def rows_of(aws: AwsReads) -> tuple[QueueRow, ...]:
    one: QueueRow = answer_into(await aws.item("sqs", "ListQueues", key="q"), QueueRow)
    more = answers_into(await aws.pages("sqs", "ListQueues", key="Queues"), QueueRow, strict=False)
    return (one, *more)


async def reads(aws: AwsReads, sql: SqlReads, redis: RedisReads, resource: AwsResource) -> None:
    query = MetricQuery("AWS/SQS", "Age", (("QueueName", resource.id),), "Maximum")
    series: Mapping[MetricQuery, Series] = await aws.metrics([query])
    rows: list[Load] = await sql.rows("SELECT 1 AS tons", into=Load)
    info: Mapping[str, object] = await redis.info("server")
    assert series
    assert rows
    assert info
