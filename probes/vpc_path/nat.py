"""What the NAT gateways on a way carry and refuse: an open path may have no port left.

Source: VPC User Guide, "Monitor NAT gateways with Amazon CloudWatch". Their metrics come every
minute, zeros included.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from cockpit.connect.session import AwsReads, MetricQuery, Series
from cockpit.triage.finding import Evidence, Finding, Severity
from probes.answers import Gap, blind_series
from probes.baseline import usual
from probes.metrics import NO_DATA, Rate, history, is_blind, peak, query, settled, together, total
from probes.vpc_path.findings import Settings, Snapshot
from probes.vpc_path.model import NatLoad

_SPACE = "AWS/NATGateway"
_MOST = 10
"""NAT gateways of a path that are looked at."""
_SETTLING = timedelta(minutes=15)
"""In which a new gateway may not have published yet."""
_NAMES = {
    "port_errors": ("ErrorPortAllocation", "Sum"),
    "dropped": ("PacketsDropCount", "Sum"),
    "attempts": ("ConnectionAttemptCount", "Sum"),
    "established": ("ConnectionEstablishedCount", "Sum"),
    "active": ("ActiveConnectionCount", "Maximum"),
}
_ARRIVED = ("PacketsInFromSource", "PacketsInFromDestination")


def on_the_way(snapshot: Snapshot) -> tuple[str, ...]:
    """The NAT gateways that packets of the path go through, in the order of its ways."""
    return tuple(
        dict.fromkeys(
            hop.subject
            for way in snapshot.ways
            for hop in way.hops
            if hop.name == f"NAT gateway {hop.subject}" and hop.outcome == "passes"
        )
    )


async def measured(aws: AwsReads, snapshot: Snapshot) -> Snapshot:
    """The snapshot with what these carry; nothing is asked where the path needs none."""
    ids = on_the_way(snapshot)[:_MOST]
    if not ids:
        return snapshot
    asked = {
        (id_, field): query(_SPACE, name, stat, NatGatewayId=id_)
        for id_ in ids
        for field, (name, stat) in _NAMES.items()
    }
    idle = {id_: query(_SPACE, "IdleTimeoutCount", "Sum", NatGatewayId=id_) for id_ in ids}
    found = await aws.metrics(tuple(asked.values()), minutes=15)
    rest = await aws.metrics(tuple(idle.values()), minutes=185, rest=True)
    loads = []
    for id_ in ids:
        series = {field: found.get(asked[id_, field], NO_DATA) for field in _NAMES}
        load = NatLoad(id=id_, idle=rest.get(idle[id_], NO_DATA), **series)
        loads.append(await _with_packets(aws, load))
    return replace(snapshot, nat_load=tuple(loads))


async def _with_packets(aws: AwsReads, load: NatLoad) -> NatLoad:
    if not any(load.dropped.values):
        return load
    asked: list[MetricQuery] = [
        query(_SPACE, name, "Sum", NatGatewayId=load.id) for name in _ARRIVED
    ]
    found = await aws.metrics(asked, minutes=15)
    return replace(load, arrived=together(*(found.get(each, NO_DATA) for each in asked)))


def unseen(snapshot: Snapshot) -> Iterator[Gap]:
    """Series that were refused, and a gateway that publishes nothing at all."""
    for load in snapshot.nat_load:
        yield from blind_series(
            {f"of {load.id}": load.port_errors, f"of {load.id}, active": load.active}
        )
        made = snapshot.network.nats[load.id].created
        new = made is not None and snapshot.at - made < _SETTLING
        known = settled(load.active, snapshot.at, minutes=10).values or is_blind(load.active)
        if not known and not new:
            yield Gap(f"metrics of {load.id}", "missing", "it is available, and publishes nothing")


def load(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The way is open, and a NAT gateway on it refuses, drops or loses connections.

    NET_NAT_PORT_ERRORS: It has no port left for connections to one destination: each of its
    addresses has 55,000. New connections fail at random while old ones work.

    NET_NAT_DROPS: Packets are dropped, connections are tried and not established, or many more are
    forgotten after 350 idle seconds than is usual: what is behind them hangs until it times out.
    """
    for each in snapshot.nat_load:
        yield from _ports(snapshot, each, settings)
        yield from _dropped(snapshot, each, settings)
        yield from _refused(snapshot, each, settings)
        yield from _forgotten(snapshot, each, settings)


def _cut(snapshot: Snapshot, series: Series) -> Series:
    return settled(series, snapshot.at)


def _ports(snapshot: Snapshot, nat: NatLoad, settings: Settings) -> Iterator[Finding]:
    errors = _cut(snapshot, nat.port_errors)
    if sum(1 for value in errors.values if value > 0) < settings.nat_port_minutes:
        return
    yield Finding(
        "NET_NAT_PORT_ERRORS",
        Severity.CRITICAL,
        f"{nat.id} has no port left for {total(errors) or 0:,.0f} connections of 5 minutes",
        subject=nat.id,
        evidence=(
            Evidence("without a port", total(errors), history=history(errors)),
            Evidence("connections at once", peak(_cut(snapshot, nat.active))),
            Evidence("attempts", total(_cut(snapshot, nat.attempts))),
        ),
        likely=(
            "many connections to one address, not kept and not shared",
            "a retry storm: each try takes a port for minutes",
        ),
        next="which service opens them? share connections, or give the NAT gateway more addresses",
        fact=False,
    )


def _dropped(snapshot: Snapshot, nat: NatLoad, settings: Settings) -> Iterator[Finding]:
    rate = Rate(total(_cut(snapshot, nat.dropped)), total(_cut(snapshot, nat.arrived)))
    severity = settings.nat_drops.grade(rate.share)
    if severity is None or not rate.enough(settings.nat_packets):
        return
    yield Finding(
        "NET_NAT_DROPS",
        severity,
        f"{nat.id} drops {rate.part or 0:,.0f} of {rate.whole or 0:,.0f} packets",
        subject=nat.id,
        evidence=(
            Evidence("dropped", rate.share, "share", settings.nat_drops.first),
            Evidence("packets", rate.part, history=history(_cut(snapshot, nat.dropped))),
        ),
        likely=("trouble inside AWS", "more packets than it can carry"),
        next="see AWS Health; send a part of the subnets out by another NAT gateway",
        fact=False,
    )


def _refused(snapshot: Snapshot, nat: NatLoad, settings: Settings) -> Iterator[Finding]:
    done = total(_cut(snapshot, nat.established))
    rate = Rate(done, total(_cut(snapshot, nat.attempts)))
    severity = settings.nat_established.grade(rate.share)
    if severity is None or not rate.enough(settings.nat_attempts):
        return
    yield Finding(
        "NET_NAT_DROPS",
        severity,
        f"{rate.part or 0:,.0f} of {rate.whole or 0:,.0f} connections by {nat.id} are established",
        subject=f"{nat.id} connections",
        evidence=(
            Evidence("established", rate.share, "share", settings.nat_established.first),
            Evidence("attempts", rate.whole, history=history(_cut(snapshot, nat.attempts))),
        ),
        likely=(
            "a destination does not answer, or refuses",
            "the NAT gateway has no port left",
        ),
        against=("it counts all destinations, not only that of this path",),
        next="which destination is it? flow logs tell",
        fact=False,
    )


def _forgotten(snapshot: Snapshot, nat: NatLoad, settings: Settings) -> Iterator[Finding]:
    now, before = total(_cut(snapshot, nat.idle)), usual(nat.idle, snapshot.at)
    if now is None or before is None or now < settings.nat_idle_least:
        return
    if now < settings.nat_idle_times * 5 * before:
        return
    yield Finding(
        "NET_NAT_DROPS",
        Severity.INFO,
        f"{nat.id} forgot {now:,.0f} idle connections in 5 minutes, {before * 5:,.0f} are usual",
        subject=f"{nat.id} idle",
        evidence=(
            Evidence("forgotten", now, history=history(_cut(snapshot, nat.idle))),
            Evidence("usual", before * 5),
        ),
        likely=("clients keep connections longer than 350 seconds without a word",),
        next="keep-alive below 350 seconds",
        fact=False,
    )
