"""A Redis server as tables."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.text import visible
from cockpit.triage.finding import Severity, Thresholds
from cockpit.triage.probe import Fact
from cockpit.triage.view import Column, Row, Table
from cockpit.units import duration, percent, quantity, rounded
from probes.gains import MINUTE
from probes.redis.model import RedisHealth
from probes.redis.tally import ERROR, Endings, ended, error_kind
from probes.served import served

_OVERVIEW = (Column("what", 24), Column("value", 20, right=True), Column("note"))
_REPLICAS = (
    Column("replica", 24),
    Column("state", 12),
    Column("behind", 12, right=True),
    Column("acknowledged", 14, right=True),
)


def overview(look: RedisHealth, *, memory: Thresholds, clients: Thresholds) -> Iterator[Table]:
    """What it is and does, then its replicas when it has any."""
    yield Table(
        title="Overview",
        columns=_OVERVIEW,
        rows=tuple(
            Row(key=what, cells=(what, value, note), severity=severity)
            for what, value, note, severity in _rows(look, memory, clients)
        ),
        headline=f"{look.engine} · {look.role} · up for {duration(look.uptime_s)}",
    )
    if look.replicas:
        yield Table(
            title="Replicas",
            columns=_REPLICAS,
            rows=tuple(
                Row(
                    key=replica.address,
                    cells=(
                        visible(replica.address, 60),
                        visible(replica.state, 20),
                        quantity(look.behind(replica), "bytes"),
                        quantity(replica.lag_s, "s"),
                    ),
                )
                for replica in look.replicas
            ),
        )


_ENDINGS = (
    Column("error reply", 28),
    Column("in a minute", 12, right=True),
    Column("of all", 8, right=True),
    Column("since the start", 16, right=True),
)


def endings(look: RedisHealth) -> Iterator[Table]:
    """Error replies by kind, known or not; what greetings were refused is left out."""
    minute = ended(look.pairs, look.at, MINUTE)
    kinds = {kind for name in look.tally if (kind := error_kind(name))}
    if not kinds:
        return
    last = minute.kinds if minute else {}
    listed = sorted(kinds, key=lambda kind: (-last.get(kind, 0), kind))
    failed = minute.names(6) if minute else ""
    yield Table(
        title="Error replies",
        columns=_ENDINGS,
        rows=tuple(
            Row(
                key=kind,
                cells=(
                    kind,
                    f"{last.get(kind, 0):,}" if minute else "unknown",
                    percent(minute.share(kind)) if minute else "",
                    f"{look.tally[ERROR + kind]:,}",
                ),
            )
            for kind in listed
        ),
        note=(f"refused or failed in the last minute: {failed}",) if failed else (),
    )


def answers(look: RedisHealth) -> Fact:
    """Commands that end well, and those that do not. Clients in BLPOP wait on purpose."""
    minute = ended(look.pairs, look.at, MINUTE)
    rejected = look.rates.rejected or 0.0 if look.rates else 0.0
    commands = look.rates.commands if look.rates else None
    held = look.paused not in {"", "none"}
    return served(
        minute.served_per_s if minute else commands,
        failed=(minute.all_per_s if minute else 0.0) + rejected,
        waiting=look.blocked if held else None,
    )


def told(minute: Endings) -> str:
    """Error replies a second, and the kind that most are of."""
    most = max(minute.kinds, key=lambda kind: minute.kinds[kind], default="")
    return f"{rounded(minute.all_per_s)}/s" + (f", most {most}" if most else "")


def _rows(
    look: RedisHealth, memory: Thresholds, clients: Thresholds
) -> Iterator[tuple[str, str, str, Severity | None]]:
    share = look.memory_share
    limit = "no limit" if look.limit == 0 else quantity(look.limit, "bytes")
    judged = None if look.is_cache else memory.grade(share)
    yield (
        "memory used",
        quantity(look.used, "bytes"),
        f"of {limit}" if look.limit is not None else "the limit is not told",
        judged,
    )
    if share is not None:
        yield "memory share", percent(share), look.policy, judged
    yield "data", quantity(look.dataset, "bytes"), f"{look.keys:,} keys", None
    yield "client buffers", quantity(look.client_buffers, "bytes"), "", None
    used = look.clients / look.max_clients if look.clients and look.max_clients else None
    most = f"of {look.max_clients}" if look.max_clients else ""
    yield "clients", quantity(look.clients, ""), most, clients.grade(used)
    yield "blocked clients", quantity(look.blocked, ""), "BLPOP and XREAD wait on purpose", None
    if (rates := look.rates) is not None:
        yield "commands", quantity(_round(rates.commands), "/s"), "", None
        yield "evictions", quantity(_round(rates.evicted), "/s"), look.policy, None
        yield "new connections", quantity(_round(rates.connections), "/s"), "", None
        yield "refused connections", quantity(_round(rates.rejected), "/s"), "", None
        yield "refused writes", quantity(_round(rates.oom_errors), "/s"), "out of memory", None
        yield "hits", quantity(rates.hit_share, "share"), "of look-ups", None
        yield "engine busy", quantity(rates.cpu, "share"), "of its one thread", None
    if look.link_up is not None:
        state = "up" if look.link_up else "down"
        yield "link to the primary", state, visible(look.primary_address, 60), None


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
