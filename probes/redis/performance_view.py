"""Redis' speed as tables: commands by time, the slow log, clients with large buffers."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import Severity
from cockpit.triage.view import Column, Offer, Row, Table
from cockpit.units import duration, percent, size
from probes.redis.performance_model import Hoarder, Performance

_COMMANDS = (
    Column("command", 24),
    Column("time", 8, right=True),
    Column("calls", 12, right=True),
    Column("a call", 12, right=True),
)
_SLOW = (Column("command", 24), Column("took", 12, right=True), Column("ago", 12, right=True))
_CLIENTS = (
    Column("client", 12),
    Column("name", 24),
    Column("from", 24),
    Column("memory", 12, right=True),
    Column("command", 20),
)


def milliseconds(seconds: float) -> str:
    """`0.3 ms`, `12 ms`; seconds from one on."""
    if seconds >= 1:
        return duration(seconds)
    value = seconds * 1000
    return f"{value:.1f} ms" if value < 10 else f"{value:.0f} ms"


def views(look: Performance, *, expensive_ms: float) -> Iterator[Table]:
    """What took the thread's time since the look before, then what is slow and large."""
    yield Table(
        title="Commands by time",
        columns=_COMMANDS,
        rows=tuple(
            Row(
                key=each.name,
                cells=(
                    each.name.upper().replace("|", " "),
                    percent(each.share),
                    f"{each.calls_per_s:,.1f}/s",
                    milliseconds(each.ms / 1000),
                ),
                severity=Severity.WARNING if each.ms > expensive_ms else None,
                sort=(each.name, each.share, each.calls_per_s, each.ms),
            )
            for each in look.busiest
        ),
        headline="answers unknown"
        if look.p95 is None
        else f"one answer in twenty takes {milliseconds(look.p95)} or more",
        note=() if look.commands else ("INFO commandstats is hidden or not there",),
    )
    if look.slow is not None:
        yield Table(
            title="Slow log",
            columns=_SLOW,
            rows=tuple(
                Row(
                    key=str(each.id),
                    cells=(
                        each.command,
                        milliseconds(each.ms / 1000),
                        duration(max(0.0, (look.at - each.at).total_seconds())),
                    ),
                    dim=each not in look.new_slow,
                )
                for each in look.slow
            ),
            note=("the command's own time: queueing and the network are not in it",),
        )
    if look.hoarders:
        yield Table(
            title="Clients by memory",
            columns=_CLIENTS,
            rows=tuple(
                Row(
                    key=str(each.id),
                    cells=(
                        str(each.id), each.name, each.address, size(each.memory), each.command,
                    ),
                    offers=(_close(each),),
                )
                for each in look.hoarders
            ),
        )  # fmt: skip


def _close(client: Hoarder) -> Offer:
    return Offer(
        key="t",
        label=f"close {client.id}",
        kind="redis",
        call="client_kill",
        args={"id": client.id},
        risk="high",
        effect=f"closes {client.name or 'the client'} at {client.address} and frees "
        f"{size(client.memory)}; it reconnects",
    )
