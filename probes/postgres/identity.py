"""Which PostgreSQL answers, since when, and what of it cannot be seen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from cockpit.text import visible
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.triage.probe import Fact
from cockpit.units import duration
from probes.answers import slow_answers
from probes.began import TOLD, told
from probes.gains import severity_of
from probes.postgres.model import GRANT, quoted
from probes.postgres.pulse import Pulse, ReadOnlyDefault
from probes.postgres.sessions_model import PostgresSessions


def sight(look: PostgresSessions) -> Iterator[Finding]:
    """What this look could not see, or sees otherwise than it seems.

    PG_OBS_BLIND: The role may not see other sessions, or a view answered otherwise than known. What
    is hidden counts as unknown, never as idle or healthy.

    PG_OBS_VIA_POOLER: The target is a pooler: pids and addresses of sessions are its own, so who a
    session belongs to cannot be told from them.
    """
    pulse = look.pulse
    if pulse.hidden or not pulse.server.sees_all:
        yield Finding(
            "PG_OBS_BLIND",
            Severity.INFO,
            f"role '{pulse.server.role}' may not see other sessions: "
            f"{pulse.hidden} of {pulse.backends} are hidden",
            evidence=(Evidence("hidden sessions", pulse.hidden, limit=0),),
            next=GRANT.format(role=pulse.server.role),
        )
    if look.unread:
        yield Finding(
            "PG_OBS_BLIND",
            Severity.INFO,
            f"{pulse.server.name} answers otherwise than known: " + "; ".join(look.unread),
            subject="parts",
            likely=("a version that is newer than this cockpit",),
            next="the rest is seen; look there by hand, and report it",
        )
    if look.slow_s is not None:
        yield slow_answers("PG_OBS_SLOW", look.slow_s)
    if look.pooler:
        yield Finding(
            "PG_OBS_VIA_POOLER",
            Severity.INFO,
            "looked at through a pooler: pids and addresses are the pooler's, not the clients'",
            next="prefer the instance's endpoint; a target of kind pgbouncer tells who waits there",
        )


def identity(look: PostgresSessions) -> Iterator[Finding]:
    """Which server answers, and whether it is the one that was meant.

    PG_ROLE_WRONG: The name of the writer leads to a standby, where every write fails with 25006; or
    a name for readers leads to the primary, which then carries their load too. DNS or a pool still
    leads to the server of before a failover.

    PG_ROLE_CHANGED: The server became a primary or a standby between two looks: a failover, or
    somebody's promotion. Pools and names of the applications have to follow.
    """
    pulse = look.pulse
    is_a, should = ("a standby", "writer") if pulse.recovery else ("a primary", "reader")
    if look.expects == should:
        writer = should == "writer"
        yield Finding(
            "PG_ROLE_WRONG",
            Severity.CRITICAL if writer else Severity.HIGH,
            f"the {should} endpoint is answered by {is_a}"
            + (": writes fail with 25006" if writer else ""),
            likely=("stale DNS after a failover", "a failover in progress"),
            next="compare the endpoint's address with the control plane's idea of the writer",
        )
    if look.role_changed is not None:
        yield Finding(
            "PG_ROLE_CHANGED",
            severity_of(look.role_changed, pulse.at),
            f"the server became {is_a} while we looked",
            likely=("a failover", "a promotion by hand"),
            next="look whether the applications follow the endpoint",
        )
    yield from _read_only(look)
    if look.restarted is not None:
        yield _restarted(look, look.restarted)


def _read_only(look: PostgresSessions) -> Iterator[Finding]:
    """A primary that answers, and refuses every write of its applications.

    PG_READ_ONLY: `default_transaction_read_only` is on for the server, for the database or for a
    role: each INSERT, UPDATE and DELETE fails with 25006 while reads go on. Critical behind the
    name of the writer. A role that only reads may be meant so: it is information.
    """
    state = look.pulse.read_only
    if state is None or look.expects == "reader":
        return
    if state.refuses:
        yield _refuses(look, state)
    elif look.expects == "writer":
        here = {client.usename for client in look.pulse.by_client}
        for role in sorted(state.roles & here - {state.role}):
            name = visible(role, 60)
            yield Finding(
                "PG_READ_ONLY",
                Severity.INFO,
                f"role '{name}' has sessions here and only reads by default: its writes fail with "
                "25006",
                subject=name,
                likely=("it is meant to read only", "somebody stopped its writes and forgot it"),
                next=f"if it should write: ALTER ROLE {quoted(role)} "
                "RESET default_transaction_read_only, then new sessions",
            )


def _refuses(look: PostgresSessions, state: ReadOnlyDefault) -> Finding:
    """See `_read_only`."""
    writer = look.expects == "writer"
    place, undo = _set_by(state)
    roles = sorted({s.role for s in state.set if s.role is not None and not s.value})
    spared = visible(", ".join(roles), 200) or "none"
    return Finding(
        "PG_READ_ONLY",
        Severity.CRITICAL if writer else Severity.WARNING,
        ("the writer endpoint" if writer else "this primary")
        + f" lets new transactions only read: writes fail with 25006 ({place})",
        subject="default_transaction_read_only",
        evidence=(
            Evidence("default_transaction_read_only is on for", place),
            Evidence("roles that may write", spared),
        ),
        likely=(
            "somebody stopped the writes, for a migration or since the disk was full",
            "a parameter group or a restored configuration",
        ),
        against=("a session that asks for READ WRITE itself may write",),
        next=f"whose decision was it? is the disk full? then {undo}",
    )


def _set_by(state: ReadOnlyDefault) -> tuple[str, str]:
    """What it is on for, and how it is taken back."""
    if state.general is None:
        return "the server", (
            "ALTER SYSTEM RESET default_transaction_read_only and SELECT pg_reload_conf(), or the "
            "parameter group: sessions that are open follow at once"
        )
    if state.general.database is None:
        return "every role", (
            "ALTER ROLE ALL RESET default_transaction_read_only, then new sessions"
        )
    name = visible(state.general.database, 60)
    return f"database {name}", (
        f"ALTER DATABASE {quoted(state.general.database)} RESET default_transaction_read_only, "
        "then new sessions"
    )


def _restarted(look: PostgresSessions, began: datetime) -> Finding:
    """The server was restarted, or one of its processes crashed: every session was dropped.

    Applications see broken connections, and reconnect all at once. The buffers are cold, so the
    first minutes are slow by themselves. After a crash the server replays its WAL before it lets
    anybody in. A minute after a restart it is information: what is still wrong then is told by
    itself. A crash stays high for ten minutes, since it comes again while its cause is there.
    """
    ago = max(0.0, (look.pulse.at - began).total_seconds())
    what = "a server process crashed" if look.crashed else "the server was restarted"
    return Finding(
        "PG_RESTARTED",
        Severity.HIGH if look.crashed else severity_of(began, look.pulse.at),
        f"{what} {duration(ago)} ago: every session was dropped",
        evidence=(
            Evidence("up for", ago, "s"),
            Evidence("postmaster since", f"{look.pulse.server.started:%Y-%m-%d %H:%M:%S} UTC"),
        ),
        likely=("out of memory: the kernel killed a backend", "a bug in the server or an extension")
        if look.crashed
        else ("maintenance or a parameter change", "a failover", "the machine went down"),
        next="the server's log: which process ended, by which signal, in which statement"
        if look.crashed
        else "the server's log and the control plane's events of that minute",
        began=told(began, look.pulse.at),
        resolution=TOLD,
    )


def writes(pulse: Pulse) -> Iterator[Fact]:
    """Whether new transactions may write, where that is not as usual or not known."""
    state = pulse.read_only
    if state is not None and state.refuses:
        yield Fact("new transactions", "read-only by default")
    elif state is not None and state.refuses is None:
        yield Fact("new transactions", "may write or not: hidden by a default of our own role")
