"""The proxies in front of a database: a proxy that cannot log in refuses everybody, while the
database itself is well and its own probe is green.

Source: RDS API reference, `DescribeDBProxies`, `DescribeDBProxyTargets` and `TargetHealth`. The
list of proxies is of the whole account and region, the targets of one proxy are a call. Which
secret a proxy uses, and for whom, is not read.
"""

from __future__ import annotations

import asyncio
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
from cockpit.units import count
from probes.answers import Gap, attempt, partly_blind

_AVAILABLE = "AVAILABLE"
_NO_TROUBLE = {_AVAILABLE, "REGISTERING", "UNUSED"}
_MOST = 20
"""Proxies whose targets are asked for: the default quota of an account."""


class ProxyRow(Answer, frozen=True):
    """One row of `DescribeDBProxies`."""

    of = "rds.DBProxy"
    name: GivenText = field(name="DBProxyName")
    status: SafeText = ""


class ProxyTargetHealth(Answer, frozen=True):
    """Whether the proxy can use it; the reason stands beside what is unavailable."""

    state: SafeText = ""
    reason: SafeText = ""
    description: SafeText = ""


class ProxyTargetRow(Answer, frozen=True):
    """One row of `DescribeDBProxyTargets`: an instance, or a cluster that is tracked."""

    of = "rds.DBProxyTarget"
    rds_resource_id: SafeText = ""
    tracked_cluster_id: SafeText = ""
    type: SafeText = ""
    role: SafeText = ""
    target_health: ProxyTargetHealth = ProxyTargetHealth()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyTarget:
    """What a proxy sends to. `state` and `reason` are AWS's words; empty: not told."""

    id: str
    role: str
    """READ_WRITE, READ_ONLY, or UNKNOWN."""
    state: str
    reason: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A proxy that sends to the database."""

    name: str
    status: str
    targets: tuple[ProxyTarget, ...] = ()

    def available(self, role: str) -> int:
        """Targets of a role that it can use."""
        return sum(t.role == role and t.state == _AVAILABLE for t in self.targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxies:
    """One look at what stands in front of a database."""

    at: datetime
    id: str
    proxies: tuple[Proxy, ...] = ()
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxySettings:
    """Nothing to set: the states are AWS's own."""


async def collect(aws: AwsReads, target: Target) -> Proxies:
    """The proxies of the place, then the targets of each. Raises `BlindError` without the list."""
    settings = target.settings
    assert isinstance(settings, AwsResource)
    name, gaps = settings.id.rpartition(":")[2], list[Gap]()
    rows = await aws.pages("rds", "DescribeDBProxies", key="DBProxies")
    asked = answers_into(rows, ProxyRow)
    if len(asked) > _MOST:
        left = count(len(asked) - _MOST, "proxy", "proxies")
        gaps.append(Gap(left, "unreadable", f"the targets of {_MOST} are asked for"))
    found = await asyncio.gather(
        *(
            attempt(gaps, f"the targets of {row.name}", _of(aws, row, name), otherwise=None)
            for row in asked[:_MOST]
        )
    )
    known = tuple(each for each in found if each is not None)
    return Proxies(at=clock.now(), id=name, proxies=known, gaps=tuple(gaps))


async def _of(aws: AwsReads, row: ProxyRow, name: str) -> Proxy | None:
    """The proxy with its targets; None when none of them is this database."""
    rows = await aws.pages("rds", "DescribeDBProxyTargets", key="Targets", DBProxyName=row.name)
    targets = answers_into(rows, ProxyTargetRow)
    if not any(name in {each.rds_resource_id, each.tracked_cluster_id} for each in targets):
        return None
    # the row of a tracked cluster has no health: its instances have
    held = (each for each in targets if each.target_health.state or each.type == "RDS_INSTANCE")
    return Proxy(name=row.name, status=row.status, targets=tuple(map(_target, held)))


def _target(row: ProxyTargetRow) -> ProxyTarget:
    health = row.target_health
    return ProxyTarget(
        id=row.rds_resource_id,
        role=row.role.upper(),
        state=health.state.upper(),
        reason=health.reason.upper(),
        description=health.description,
    )


def diagnose(look: Proxies, settings: ProxySettings) -> Iterator[Finding]:
    """What each proxy cannot use, the proxies that are not available, and what was not seen."""
    for proxy in look.proxies:
        yield from _unavailable(proxy)
        yield from _status(proxy)
    yield from partly_blind("RDS_OBS_BLIND", look.gaps)


_WHY = {
    "AUTH_FAILURE": "it cannot log in",
    "UNREACHABLE": "it does not reach the database",
    "CONNECTION_FAILED": "it cannot connect",
    "PENDING_PROXY_CAPACITY": "the proxy is still growing",
    "INVALID_REPLICATION_STATE": "the instance does not replicate",
}
_LIKELY = {
    "AUTH_FAILURE": (
        "the password was changed in the database and not in the proxy's secret, or the reverse",
        "the proxy's role may not read the secret, or its key",
    ),
    "UNREACHABLE": (
        "a security group or route between the proxy and the database",
        "the database is down",
    ),
    "CONNECTION_FAILED": ("the database refuses connections: it is full or restarting",),
}


def _unavailable(proxy: Proxy) -> Iterator[Finding]:
    """A proxy cannot use a database that stands behind it.

    Clients that come by the proxy's name get errors or wait, although the database answers those
    who ask it directly. Critical while the proxy can use no target of that role. A state that is
    in no table is told as it is.
    """
    for target in proxy.targets:
        if target.state in _NO_TROUBLE:
            continue
        none_left = target.state == "UNAVAILABLE" and not proxy.available(target.role)
        why = _WHY.get(target.reason, target.reason or "AWS gives no reason")
        yield Finding(
            "RDS_PROXY_TARGET_UNAVAILABLE",
            Severity.CRITICAL if none_left else Severity.WARNING,
            f"for the proxy {proxy.name} {target.id} is {target.state or 'of no known state'}:"
            f" {why}",
            subject=f"{proxy.name} {target.id}",
            evidence=(
                Evidence("state", target.state or None),
                Evidence("reason", target.reason or None),
                Evidence("AWS says", target.description or None),
                Evidence("role", target.role or None),
                Evidence("available of this role", proxy.available(target.role)),
            ),
            likely=_LIKELY.get(target.reason, ()),
            against=("a proxy needs minutes after it was made or changed",)
            if target.reason == "PENDING_PROXY_CAPACITY"
            else (),
            next="compare the user and password in the proxy's secret with the database's"
            if target.reason == "AUTH_FAILURE"
            else "connect to the database from the proxy's subnets, and read the proxy's log",
        )


_PROXY_BAD = {"incompatible-network", "insufficient-resource-limits", "suspended", "suspending"}


def _status(proxy: Proxy) -> Iterator[Finding]:
    """A proxy is not available by its own status, so its name may lead nowhere.

    Critical for states that do not end by themselves.
    """
    status = proxy.status.lower()
    if status == "available":
        return
    yield Finding(
        "RDS_PROXY_NOT_AVAILABLE",
        Severity.CRITICAL if status in _PROXY_BAD else Severity.WARNING,
        f"the proxy {proxy.name} is {proxy.status or 'of no known status'}",
        subject=proxy.name,
        evidence=(Evidence("status", proxy.status or None),),
        likely=("its subnets have no free address, or a quota is used up",)
        if status in _PROXY_BAD
        else ("it is being changed",),
        next="read the RDS events of the proxy, then CloudTrail for who changed it",
    )


def facts(look: Proxies, _: ProxySettings) -> Iterator[Fact]:
    """Targets that the proxies can use, of those they know."""
    targets = [target for proxy in look.proxies for target in proxy.targets]
    usable = sum(target.state == _AVAILABLE for target in targets)
    shown = f"{usable}/{len(targets)}" if look.proxies else "none seen" if look.gaps else "none"
    yield Fact("proxy targets", shown, float(usable))


def tables(look: Proxies, _: ProxySettings) -> Iterator[Table]:
    """Each target of each proxy."""
    yield Table(
        title="Proxies",
        columns=(
            Column("proxy", 24),
            Column("status", 12),
            Column("target", 24),
            Column("role", 10),
            Column("state", 12),
            Column("reason"),
        ),
        rows=tuple(_row(proxy, target) for proxy in look.proxies for target in proxy.targets),
        headline=f"{count(len(look.proxies), 'proxy', 'proxies')} in front of {look.id}",
    )


def _row(proxy: Proxy, target: ProxyTarget) -> Row:
    return Row(
        key=f"{proxy.name} {target.id}",
        cells=(
            proxy.name,
            proxy.status,
            target.id,
            target.role,
            target.state,
            f"{target.reason} {target.description}".strip(),
        ),
        severity=None if target.state in _NO_TROUBLE else Severity.WARNING,
    )


PROBE = Probe(
    id="rds.proxies",
    kind="rds",
    collect=collect,
    diagnose=diagnose,
    snapshot=Proxies,
    settings=ProxySettings(),
    every=60,
    timeout=12,
    facts=facts,
    tables=tables,
    twice=False,
    needs=("rds:DescribeDBProxies", "rds:DescribeDBProxyTargets"),
    codes=codes(
        cause=("RDS_PROXY_NOT_AVAILABLE",),
        either=("RDS_PROXY_TARGET_UNAVAILABLE",),
        eye=("RDS_OBS_BLIND",),
    ),
)
