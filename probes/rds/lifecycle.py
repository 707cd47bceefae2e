"""How long the engine's version of a database is supported, and by which support.

Source: RDS API reference, `DescribeDBMajorEngineVersions`; RDS User Guide, "Amazon RDS Extended
Support". The list is of the whole region: it is read once an hour.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from cockpit import clock
from cockpit.connect.aws.answer import Answer, answer_into, answers_into
from cockpit.connect.aws.settings import AwsResource
from cockpit.connect.session import AwsReads
from cockpit.errors import BlindError, Reason
from cockpit.text import SafeText
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.triage.nature import codes
from cockpit.triage.probe import Fact, Probe
from cockpit.triage.target import Target
from cockpit.units import duration
from probes.answers import Gap, attempt, partly_blind

_STANDARD, _EXTENDED = "open-source-rds-standard-support", "open-source-rds-extended-support"
_DISABLED = f"{_EXTENDED}-disabled"
_VERSION = "the version's support"


class LifecycleRow(Answer, frozen=True):
    """One kind of support of a major version, and when it ends."""

    lifecycle_support_name: SafeText = ""
    lifecycle_support_end_date: datetime | None = None


class MajorVersionRow(Answer, frozen=True):
    """One row of `DescribeDBMajorEngineVersions`."""

    of = "rds.DBMajorEngineVersion"
    engine: SafeText = ""
    major_engine_version: SafeText = ""
    supported_engine_lifecycles: tuple[LifecycleRow, ...] = ()


class EngineRow(Answer, frozen=True):
    """What is read of an instance or cluster here: both call it the same."""

    of = "rds.DBInstance"
    engine: SafeText = ""
    engine_version: SafeText = ""
    engine_lifecycle_support: SafeText = ""


class ClusterEngineRow(EngineRow, frozen=True):
    """The same of a cluster."""

    of = "rds.DBCluster"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifecycle:
    """One look at the support of a database's version. None of a date: it is not told."""

    at: datetime
    id: str
    engine: str
    version: str
    major: str
    """As AWS's list names it; empty: the list does not have it."""
    standard_until: datetime | None = None
    extended_until: datetime | None = None
    paid: bool = True
    """Whether the database goes into Extended Support, which is paid for, or is upgraded then."""
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleSettings:
    """Times are seconds."""

    standard: Thresholds = Thresholds(info=180 * 86_400, warning=30 * 86_400, below=True)
    """Until standard support ends."""
    extended: Thresholds = Thresholds(warning=180 * 86_400, high=30 * 86_400, below=True)
    """Until Extended Support ends, and AWS upgrades by itself."""


async def collect(aws: AwsReads, target: Target) -> Lifecycle:
    """The database's version, which is a must, and what the region's list says of it."""
    settings = target.settings
    assert isinstance(settings, AwsResource)
    gaps: list[Gap] = []
    listed = aws.pages("rds", "DescribeDBMajorEngineVersions", key="DBMajorEngineVersions")
    row, rows = await asyncio.gather(
        _engine(aws, settings.id),
        attempt(gaps, "support of versions", listed, otherwise=()),
    )
    known = [each for each in answers_into(rows, MajorVersionRow) if each.engine == row.engine]
    major = _major(row.engine_version, [each.major_engine_version for each in known])
    ends = {
        life.lifecycle_support_name: life.lifecycle_support_end_date
        for each in known
        if each.major_engine_version == major
        for life in each.supported_engine_lifecycles
    }
    return Lifecycle(
        at=clock.now(),
        id=settings.id.rpartition(":")[2],
        engine=row.engine,
        version=row.engine_version,
        major=major,
        standard_until=ends.get(_STANDARD),
        extended_until=ends.get(_EXTENDED),
        paid=row.engine_lifecycle_support != _DISABLED,
        gaps=tuple(gaps),
    )


async def _engine(aws: AwsReads, name: str) -> EngineRow:
    """Of the instance or the cluster: by the kind in its ARN, else the first that has the name."""
    if ":cluster:" not in name:
        try:
            return answer_into(await aws.item("rds", "DescribeDBInstances", key=name), EngineRow)
        except BlindError as error:
            if error.reason is not Reason.MISSING or ":db:" in name:
                raise
    return answer_into(await aws.item("rds", "DescribeDBClusters", key=name), ClusterEngineRow)


def _major(version: str, known: list[str]) -> str:
    """The longest major version that the version begins with; empty: none."""
    fits = [each for each in known if each and f"{version}.".startswith(f"{each}.")]
    return max(fits, key=len, default="")


def diagnose(look: Lifecycle, settings: LifecycleSettings) -> Iterator[Finding]:
    """Judge how long the version is supported."""
    yield from _ends(look, settings)
    yield from partly_blind("RDS_OBS_BLIND", look.gaps)


def _ends(look: Lifecycle, settings: LifecycleSettings) -> Iterator[Finding]:
    """The support of the engine's version ends, or has ended.

    After standard support Extended Support is charged for each vCPU, or, where it is switched off,
    AWS upgrades the major version by itself. After Extended Support it upgrades in any case: a
    major upgrade that nobody tested, at a time that nobody chose.
    """
    now, standard, extended = look.at, look.standard_until, look.extended_until
    if standard is None:
        return
    left = (standard - now).total_seconds()
    last = None if extended is None else (extended - now).total_seconds()
    in_extended = left <= 0 and look.paid
    severity = settings.standard.grade(left)
    told = f"standard support of {look.engine} {look.major} ends in {duration(max(left, 0))}"
    if in_extended:
        severity = settings.extended.grade(last) or Severity.INFO
        told = f"{look.engine} {look.major} is in Extended Support, which is paid for"
        told += "" if last is None else f": AWS upgrades it in {duration(max(last, 0))}"
    elif left <= 0:
        severity = Severity.HIGH
        told = f"standard support of {look.engine} {look.major} has ended: AWS upgrades it"
    if severity is None:
        return
    shown = settings.extended if in_extended else settings.standard
    yield Finding(
        "RDS_EXTENDED_SUPPORT",
        severity,
        f"{look.id}: {told}",
        subject=look.id,
        evidence=(
            Evidence("version", look.version),
            Evidence("standard support for", left, "s", limit=shown.first),
            Evidence("Extended Support for", last, "s"),
            Evidence("after standard support", "paid" if look.paid else "upgraded by AWS"),
        ),
        likely=("a major upgrade that was put off",),
        next="plan the major upgrade: by a blue/green deployment it can be tried beforehand",
    )


def facts(look: Lifecycle, _: LifecycleSettings) -> Iterator[Fact]:
    """Until when the version is supported; `unknown` where AWS's list does not tell."""
    until = look.standard_until
    shown = f"until {until:%Y-%m-%d}" if until else "unknown"
    yield Fact(_VERSION, f"{look.engine} {look.version}: {shown}")


PROBE = Probe(
    id="rds.lifecycle",
    kind="rds",
    collect=collect,
    diagnose=diagnose,
    snapshot=Lifecycle,
    settings=LifecycleSettings(),
    every=3600,
    timeout=12,
    facts=facts,
    twice=False,
    needs=(
        "rds:DescribeDBInstances",
        "rds:DescribeDBClusters",
        "rds:DescribeDBMajorEngineVersions",
    ),
    codes=codes(risk=("RDS_EXTENDED_SUPPORT",), eye=("RDS_OBS_BLIND",)),
)
