"""A blue/green deployment of a database: whether it is being switched over, or could not be.

Source: RDS API reference, `DescribeBlueGreenDeployments`; RDS User Guide, "Switching a blue/green
deployment". While it switches, writes stop and connections are cut; one that fails is taken back,
and blue stays the production.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from msgspec import field

from cockpit import clock
from cockpit.connect.aws.answer import Answer, GivenText, answers_into
from cockpit.connect.aws.settings import AwsResource
from cockpit.connect.session import AwsReads
from cockpit.text import SafeText
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.triage.nature import codes
from cockpit.triage.probe import Fact, Probe
from cockpit.triage.target import Target
from cockpit.triage.view import Column, Row, Table

_RUNNING, _FAILED = "SWITCHOVER_IN_PROGRESS", "SWITCHOVER_FAILED"
_DONE, _INVALID = "SWITCHOVER_COMPLETED", "INVALID_CONFIGURATION"
_QUIET = {"PROVISIONING", "AVAILABLE", _DONE, "DELETING"}
_LOST = {_FAILED, "MISSING_SOURCE", "MISSING_TARGET"}


class SwitchoverRow(Answer, frozen=True):
    """One resource of both sides."""

    source_member: SafeText = ""
    target_member: SafeText = ""
    status: SafeText = ""


class BlueGreenRow(Answer, frozen=True):
    """One row of `DescribeBlueGreenDeployments`. Source and target are ARNs."""

    of = "rds.BlueGreenDeployment"
    id: GivenText = field(name="BlueGreenDeploymentIdentifier")
    name: SafeText = field(name="BlueGreenDeploymentName", default="")
    source: SafeText = ""
    target: SafeText = ""
    status: SafeText = ""
    status_details: SafeText = ""
    switchover_details: tuple[SwitchoverRow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Switchover:
    """A database or a replica of both sides, by name, and how far it is."""

    blue: str
    green: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BlueGreen:
    """A blue/green deployment that has the database on one of its sides."""

    id: str
    name: str
    blue: str
    """The source: the production until it was switched over."""
    green: str
    status: str
    """AWS's word; empty: not told."""
    details: str = ""
    switchovers: tuple[Switchover, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BlueGreens:
    """One look at the blue/green deployments of a database."""

    at: datetime
    id: str
    deployments: tuple[BlueGreen, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BlueGreenSettings:
    """Nothing to set: the states are AWS's own."""


async def collect(aws: AwsReads, target: Target) -> BlueGreens:
    """Those of the database, out of one list for the region. Raises `BlindError`."""
    settings = target.settings
    assert isinstance(settings, AwsResource)
    name = _short(settings.id)
    rows = await aws.pages("rds", "DescribeBlueGreenDeployments", key="BlueGreenDeployments")
    found = map(_deployment, answers_into(rows, BlueGreenRow))
    mine = tuple(each for each in found if name in _sides(each))
    return BlueGreens(at=clock.now(), id=name, deployments=mine)


def _short(arn: str) -> str:
    return arn.rpartition(":")[2]


def _deployment(row: BlueGreenRow) -> BlueGreen:
    return BlueGreen(
        id=row.id,
        name=row.name or row.id,
        blue=_short(row.source),
        green=_short(row.target),
        status=row.status.upper(),
        details=row.status_details,
        switchovers=tuple(
            Switchover(
                blue=_short(each.source_member),
                green=_short(each.target_member),
                status=each.status.upper(),
            )
            for each in row.switchover_details
        ),
    )


def _sides(each: BlueGreen) -> set[str]:
    members = (name for one in each.switchovers for name in (one.blue, one.green))
    return {each.blue, each.green, *members}


def diagnose(look: BlueGreens, settings: BlueGreenSettings) -> Iterator[Finding]:
    """Each deployment that moves, that could not be moved, or whose status is not known."""
    for each in look.deployments:
        yield from _switching(each)
        yield from _failed(each)
        yield from _invalid(each)


def _switching(each: BlueGreen) -> Iterator[Finding]:
    """The database is being switched over to its green side.

    Writes are stopped and connections are cut until it is over, which AWS takes back by itself when
    it lasts longer than its timeout (five minutes unless another was given).
    """
    if each.status != _RUNNING:
        return
    yield Finding(
        "RDS_BLUE_GREEN_SWITCHING",
        Severity.WARNING,
        f"{each.blue} is being switched over to {each.green}: no writes until it is over",
        subject=each.name,
        evidence=_evidence(each),
        likely=("somebody began the switchover",),
        next="wait for its end before you change anything of the database",
    )


def _failed(each: BlueGreen) -> Iterator[Finding]:
    """A switchover was tried and failed.

    AWS takes it back, so that blue stays the production: a release that counts on the green side
    does not have it. Of high severity when members stand on different sides.
    """
    lost = [one for one in each.switchovers if one.status in _LOST]
    moved = [one for one in each.switchovers if one.status == _DONE]
    if each.status != _FAILED and not (lost and each.status not in _QUIET | {_INVALID}):
        return
    mixed = bool(lost and moved)
    which = ", ".join(f"{one.blue} {one.status}" for one in lost[:3])
    end = f": {which}" if which else f": {each.details}" if each.details else ""
    yield Finding(
        "RDS_BLUE_GREEN_FAILED",
        Severity.HIGH if mixed else Severity.WARNING,
        f"the switchover of {each.blue} to {each.green} failed{end}",
        subject=each.name,
        evidence=_evidence(each),
        likely=(
            "replication to the green side was behind, or long transactions held it up",
            "a change on the green side that does not go with replication",
        ),
        next=f"ask both sides which takes writes, and read the RDS events of {each.blue}",
    )


def _invalid(each: BlueGreen) -> Iterator[Finding]:
    """It cannot be switched over as it stands, or its status is in no table.

    The production is not touched by that. It matters to those who count on the switchover.
    """
    if each.status in _QUIET | {_RUNNING, _FAILED}:
        return
    known = each.status == _INVALID
    yield Finding(
        "RDS_BLUE_GREEN_INVALID",
        Severity.INFO if known else Severity.WARNING,
        f"{each.name} cannot be switched over: {each.details or each.status}"
        if known
        else f"{each.name}: the status {each.status or 'of it'} is not known to the cockpit",
        subject=each.name,
        evidence=_evidence(each),
        next="read the status details, and repair the green side before anybody switches",
    )


def _evidence(each: BlueGreen) -> tuple[Evidence, ...]:
    return (
        Evidence("status", each.status or None),
        Evidence("details", each.details or None),
        Evidence("blue", each.blue or None),
        Evidence("green", each.green or None),
        *(Evidence(f"{one.blue} → {one.green}", one.status) for one in each.switchovers[:6]),
    )


def facts(look: BlueGreens, _: BlueGreenSettings) -> Iterator[Fact]:
    """The status of each, or that there is none."""
    told = ", ".join(each.status.lower() or "unknown" for each in look.deployments)
    yield Fact("blue/green", told or "none")


def tables(look: BlueGreens, _: BlueGreenSettings) -> Iterator[Table]:
    """Each deployment, and each resource of its sides."""
    yield Table(
        title="Blue/green",
        columns=(
            Column("deployment", 24),
            Column("blue", 24),
            Column("green", 24),
            Column("status"),
        ),
        rows=tuple(row for each in look.deployments for row in _rows(each)),
        headline=f"blue/green deployments of {look.id}",
    )


def _rows(each: BlueGreen) -> Iterator[Row]:
    status = f"{each.status} {each.details}".strip()
    yield Row(key=each.id, cells=(each.name, each.blue, each.green, status))
    for one in each.switchovers:
        cells = ("", one.blue, one.green, one.status)
        yield Row(key=f"{each.id} {one.blue}", cells=cells, depth=1)


PROBE = Probe(
    id="rds.blue_green",
    kind="rds",
    collect=collect,
    diagnose=diagnose,
    snapshot=BlueGreens,
    settings=BlueGreenSettings(),
    every=60,
    timeout=12,
    facts=facts,
    tables=tables,
    twice=False,
    needs=("rds:DescribeBlueGreenDeployments",),
    codes=codes(
        event=("RDS_BLUE_GREEN_SWITCHING", "RDS_BLUE_GREEN_FAILED"),
        risk=("RDS_BLUE_GREEN_INVALID",),
    ),
)
