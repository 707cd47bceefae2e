"""MySQL and MariaDB replicas: are both threads running, how far behind, do they take writes.

Source: catalogue of findings 3.1 and 3.5. Needs: REPLICATION CLIENT; on MariaDB SLAVE MONITOR.
`Seconds_Behind` is NULL, not large, when a thread is stopped, and 0 while a hung primary sends
nothing. A server that replicates from nobody has nothing to look at, which is no finding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from cockpit.connect.mysql.settings import MysqlSettings
from cockpit.connect.session import SqlReads
from cockpit.errors import BlindError, Reason
from cockpit.text import visible
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.triage.nature import codes
from cockpit.triage.probe import Fact, Probe, RecoveryPoint
from cockpit.triage.target import Target
from cockpit.triage.view import Column, Offer, Row, Table
from cockpit.units import duration
from probes.mysql.channels import Channel, channel, seconds, whole
from probes.mysql.channels_gone import GoneChannel, gone_findings, none_finding, still_gone
from probes.mysql.galera import NAMES, galera_of
from probes.mysql.model import MysqlServer, read_server
from probes.mysql.replica_errors import causes
from probes.mysql.status import read_values

HEARTBEATS = """
SELECT s.channel_name AS name, s.count_received_heartbeats AS heartbeats,
       c.heartbeat_interval AS heartbeat_s
  FROM performance_schema.replication_connection_status AS s
  JOIN performance_schema.replication_connection_configuration AS c
    ON c.channel_name = s.channel_name
"""
"""MySQL, whose status of a replica does not have them. Needs SELECT on performance_schema."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MysqlReplication:
    """One look. No channels: it replicates from nobody."""

    server: MysqlServer
    channels: tuple[Channel, ...] = ()
    sees: bool = True
    """False: the role may not ask."""
    expects: str = "any"
    other_ways: bool = False
    """Its data come in another way: Aurora's storage, group replication, or Galera."""
    gone: tuple[GoneChannel, ...] = ()
    """Channels that our looks of the last hour saw and that are here no longer."""

    @property
    def lacks_a_primary(self) -> bool:
        """It is meant to follow somebody and does not."""
        none = self.sees and not self.channels and not self.other_ways
        return none and self.expects == "reader"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Thresholds in seconds."""

    behind: Thresholds = Thresholds(warning=30, high=120, critical=600)
    silent: float = 3
    """Heartbeats that the primary may miss."""
    silent_least: float = 10


async def collect(mysql: SqlReads, target: Target) -> MysqlReplication:
    """Ask in the words that this server knows."""
    server = await read_server(mysql)
    settings = target.settings
    assert isinstance(settings, MysqlSettings)
    ways = (
        ("SHOW ALL SLAVES STATUS",)
        if server.mariadb
        else ("SHOW REPLICA STATUS", "SHOW SLAVE STATUS")
    )
    denied = False
    for way in ways:
        try:
            rows = await mysql.rows(way, into=dict)
        except BlindError as error:
            if error.reason not in {Reason.UNSUPPORTED, Reason.DENIED}:
                raise
            denied = denied or error.reason is Reason.DENIED
        else:
            found = tuple(channel(row) for row in rows)
            own = tuple(each for each in found if not each.name.startswith(_OF_A_GROUP))
            if not server.mariadb and own:
                own = await _with_heartbeats(mysql, own)
            other = server.engine_read_only or len(own) < len(found)
            if settings.expects == "reader" and not own:
                other = other or bool(galera_of(await read_values(mysql, NAMES)))
            return MysqlReplication(
                server=server, channels=own, expects=settings.expects, other_ways=other
            )
    return MysqlReplication(server=server, sees=not denied, expects=settings.expects)


_OF_A_GROUP = "group_replication_"
"""Channels of group replication: they rest while all is well, and follow no source."""


async def _with_heartbeats(mysql: SqlReads, channels: tuple[Channel, ...]) -> tuple[Channel, ...]:
    """As MySQL counts them; unchanged where the role may not see them."""
    try:
        rows: list[dict[str, Any]] = await mysql.rows(HEARTBEATS, into=dict)
    except BlindError as error:
        if error.reason not in {Reason.UNSUPPORTED, Reason.DENIED}:
            raise
        return channels
    known = {str(row.get("name")): row for row in rows}
    return tuple(
        replace(
            each,
            heartbeats=whole(known[each.name].get("heartbeats")),
            heartbeat_s=seconds(known[each.name].get("heartbeat_s")),
        )
        if each.name in known
        else each
        for each in channels
    )


def since(before: MysqlReplication, now: MysqlReplication) -> MysqlReplication:
    """Remember for each channel when the primary was last heard: `Seconds_Behind` stays 0 and both
    threads say Yes for a minute after it fell silent.
    """
    same = before.server.hostname == now.server.hostname
    earlier = {each.label: each for each in before.channels if same}
    return replace(
        now,
        gone=still_gone(
            before.gone if same else (),
            {label: each.source for label, each in earlier.items()},
            [each.label for each in now.channels],
            at=now.server.at,
            sees=now.sees,
        ),
        channels=tuple(
            replace(each, heard=_heard(earlier.get(each.label), each, now.server.at))
            for each in now.channels
        ),
    )


def _heard(before: Channel | None, now: Channel, at: datetime) -> datetime | None:
    if now.heartbeats is None or not now.heartbeat_s:
        return None
    if before is None or (before.read, before.heartbeats) != (now.read, now.heartbeats):
        return at
    return before.heard or at


def diagnose(look: MysqlReplication, settings: Settings) -> Iterator[Finding]:
    """Stopped threads, lag, and replicas that take writes.

    MY_OBS_BLIND: The account may not see whether this is a replica, nor how far it is.

    MY_REPL_WRITABLE: Somebody can write to this replica, and what is written here is nowhere else:
    from then on it differs from its primary in silence.
    """
    if not look.sees:
        yield Finding(
            "MY_OBS_BLIND",
            Severity.INFO,
            f"{visible(look.server.role, 60)} may not see replication",
            likely=("the account was made without the right to see replicas",),
            next=look.server.grant,
        )
    yield from gone_findings(
        look.gone, at=look.server.at, reader=look.server.is_reader, expects=look.expects
    )
    if look.lacks_a_primary and not look.gone:
        yield none_finding()
    for each in look.channels:
        if each.connecting:
            yield _unconnected(each)
        elif not each.running:
            yield _stopped(each)
        else:
            yield from _lag(each, settings)
            yield from _silent(each, look.server.at, settings)
    if look.channels and not look.server.is_reader:
        yield Finding(
            "MY_REPL_WRITABLE",
            Severity.HIGH,
            "this replica takes writes: read_only is off",
            evidence=(Evidence("read_only", "off"),),
            likely=("the default of a plain server", "a failover that was not finished"),
            next="SET GLOBAL read_only = 1; on RDS the parameter group's {TrueIfReplica}",
        )


def _stopped(each: Channel) -> Finding:
    """A thread of the replica is stopped: it gets nothing, or applies nothing.

    Its data grow old without any sign to those who read it, and it cannot take over. The error that
    the thread ended with says why; without one, somebody stopped it. To skip an event makes the
    replica differ from its primary in silence.
    """
    halted = [name for name, state in (("IO", each.io), ("SQL", each.sql)) if state != "Yes"]
    number = each.sql_errno or each.io_errno
    said = str(each.sql_error or each.io_error)
    tail = f" (error {number})" if number else ""
    return Finding(
        "MY_REPL_STOPPED",
        Severity.CRITICAL,
        f"replication from {each.label} is stopped: "
        f"{' and '.join(halted)} thread {'is' if len(halted) == 1 else 'are'} not running{tail}",
        subject=each.label,
        evidence=(
            Evidence("IO thread", each.io),
            Evidence("SQL thread", each.sql),
            Evidence("error number", number or None),
            Evidence("error", said or None),
        ),
        likely=causes(number, each.io_error),
        next="read the error; skipping an event makes the replica differ silently",
    )


def _unconnected(each: Channel) -> Finding:
    """The replica cannot reach its primary, and tries again and again.

    What it has is served and grows old. It is the network, the replication user's password, TLS, or
    the primary itself.
    """
    number = each.io_errno
    return Finding(
        "MY_REPL_STOPPED",
        Severity.CRITICAL,
        f"the replica cannot connect to its primary {each.label}"
        f"{f' (error {number})' if number else ''}; it tries again and again",
        subject=each.label,
        evidence=(
            Evidence("IO thread", each.io),
            Evidence("SQL thread", each.sql),
            Evidence("error number", number or None),
            Evidence("error", each.io_error or None),
        ),
        likely=causes(number, each.io_error) if number else ("the primary cannot be reached",),
        next="does the primary answer from here? then the replication user's password and TLS",
        fact=False,
    )


def _lag(each: Channel, settings: Settings) -> Iterator[Finding]:
    """The replica is late: its readers see the past, and a failover to it loses what is missing.

    A delay that is configured does not count. A large transaction shows as a jump that ends by
    itself; a lock or a backup on the replica as a straight rise.
    """
    behind = each.behind_s
    if behind is not None and each.delay_s:
        behind = max(0.0, behind - each.delay_s)
    severity = settings.behind.grade(behind)
    if severity is not None:
        yield Finding(
            "MY_REPL_LAG",
            severity,
            f"the replica is {duration(behind or 0)} behind {each.label}",
            subject=each.label,
            evidence=(
                Evidence("behind", behind, "s", settings.behind.first),
                Evidence("SQL thread does", each.sql_state or None),
                Evidence("read and not applied", each.unapplied, "bytes"),
            ),
            likely=("one large transaction", "a lock on the replica", "one thread applies all"),
            next="what does the SQL thread do? a lock or backup on the replica holds it up",
            fact=False,
        )


def _silent(each: Channel, at: datetime, settings: Settings) -> Iterator[Finding]:
    """Both threads say Yes, but no heartbeat of the primary arrives.

    `Seconds_Behind` counts from the last event that came, so it stays 0 while the primary hangs or
    the network drops its packets.
    """
    if each.heard is None or each.heartbeat_s is None:
        return
    silence = (at - each.heard).total_seconds()
    limit = max(settings.silent_least, settings.silent * each.heartbeat_s)
    if silence >= limit:
        yield Finding(
            "MY_REPL_LAG",
            Severity.HIGH,
            f"nothing was heard from {each.label} for {duration(silence)}, though both threads "
            "say Yes",
            subject=f"{each.label} silent",
            evidence=(
                Evidence("silent for", silence, "s", limit),
                Evidence("a heartbeat is due every", each.heartbeat_s, "s"),
                Evidence("behind, as it says", each.behind_s, "s"),
            ),
            likely=("the primary hangs", "the network between them drops packets"),
            against=("Seconds_Behind counts from the last event that arrived: it stays 0",),
            next="does the primary answer from here?",
        )


def facts(look: MysqlReplication, _: Settings) -> Iterator[Fact]:
    """How far behind, of the worst channel."""
    if not look.sees:
        yield Fact("replication", "unknown", None)
        return
    if not look.channels:
        none = Severity.CRITICAL if look.lacks_a_primary else None
        yield Fact("replication", "no replica", None, severity=none)
        return
    stopped = [each for each in look.channels if not each.running]
    known = [each.behind_s for each in look.channels if each.behind_s is not None]
    behind = max(known, default=None)
    if stopped:
        text = "cannot connect" if all(each.connecting for each in stopped) else "stopped"
        yield Fact("replication", text, None, severity=Severity.CRITICAL)
    else:
        text = "unknown" if behind is None else f"{duration(behind)} behind"
        yield Fact("replication", text, behind, "s")
    for each in look.channels:
        if each.filters:
            yield Fact(f"filters of {each.label}", each.filters)


_COLUMNS = (
    Column("source", 28),
    Column("IO", 12),
    Column("SQL", 8),
    Column("behind", 10, right=True),
    Column("error"),
)
_START = Offer(
    key="r",
    label="start replication",
    kind="sql",
    call="start_replication",
    args={},
    risk="low",
    effect="starts the replica's threads again",
)


def tables(look: MysqlReplication, settings: Settings) -> Iterator[Table]:
    """One row a channel. A start is of all channels: offered where one of them is stopped."""
    stopped = sum("No" in {each.io, each.sql} for each in look.channels)
    hidden = () if look.sees else (f"hidden: {look.server.grant}",)
    several = f"{stopped} sources are stopped: START SLAVE 'name' at the server starts one"
    yield Table(
        title="Replication",
        columns=_COLUMNS,
        rows=tuple(_row(each, settings) for each in look.channels),
        note=(*hidden, *((several,) if stopped > 1 else ())),
        best=(_START,) if stopped == 1 else (),
    )


def _row(each: Channel, settings: Settings) -> Row:
    return Row(
        key=each.label,
        cells=(
            each.label,
            each.io,
            each.sql,
            "unknown" if each.behind_s is None else duration(each.behind_s),
            str(each.sql_error or each.io_error),
        ),
        secret=each.sql_error,
        severity=settings.behind.grade(each.behind_s) if each.running else Severity.CRITICAL,
    )


_UNHEARD = 60.0
"""Seconds that a primary may be silent unnoticed (`replica_net_timeout`), where nobody counts its
heartbeats."""


def points(look: MysqlReplication) -> Iterator[RecoveryPoint]:
    """What this replica has of its primaries' data. A primary does not know its replicas."""
    for each in look.channels:
        lacks = _lacks(each, look.server.at)
        yield RecoveryPoint(f"this replica of {each.label}", lacks, itself=True)


def _lacks(channel: Channel, at: datetime) -> float | None:
    """At most, seconds. A stopped replica says NULL: how old its newest row is is not known."""
    if not channel.running or channel.behind_s is None:
        return None
    heard = channel.heard
    silent = _UNHEARD if heard is None else max(0.0, (at - heard).total_seconds())
    return max(0.0, channel.behind_s) + silent


PROBE = Probe(
    id="mysql.replication",
    kind="mysql",
    collect=collect,
    diagnose=diagnose,
    snapshot=MysqlReplication,
    settings=Settings(),
    every=10,
    timeout=9,
    facts=facts,
    tables=tables,
    points=points,
    since=since,
    twice=False,
    needs=("GRANT REPLICATION CLIENT", "GRANT SLAVE MONITOR (MariaDB)"),
    codes=codes(
        cause=("MY_REPL_STOPPED", "MY_REPL_LAG", "MY_REPL_GONE", "MY_REPL_NONE"),
        risk=("MY_REPL_WRITABLE",),
        eye=("MY_OBS_BLIND",),
    ),
)
