"""Replicas of Redis as their primary counts them: full copies, and who is gone."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import count, duration
from probes.gains import Window
from probes.redis.performance_model import CUT, Performance


def full_syncs(look: Performance, minute: Window, five: Window) -> Iterator[Finding]:
    """A replica takes a full copy instead of going on where it was.

    The primary forks and sends everything, which costs time, memory and bandwidth. One a replica is
    what a new or restarted one needs (information), and so is what ended a minute ago. When it
    begins again and again, it never gets in step: the replica's output buffer limit, or the
    backlog, is too small for the writes that come meanwhile, and the primary cuts it off at the end
    of each copy.
    """
    full, refused = five.gained.get("sync_full"), five.gained.get("sync_partial_err")
    if not full and not refused:
        return
    copies, replicas = full or 0, max(1, look.most_replicas, look.replicas or 0)
    loop, cut = copies > 2 * replicas, five.gained.get(CUT)
    planned = copies <= replicas and not refused
    over = not any(minute.gained.get(name) for name in ("sync_full", "sync_partial_err"))
    yield Finding(
        "RD_REPL_FULL_SYNC",
        Severity.HIGH if loop else Severity.INFO if planned or over else Severity.WARNING,
        f"{count(copies, 'full sync', 'full syncs')} to {count(replicas, 'replica')} within "
        f"{duration(five.seconds)}: "
        + ("a loop, each begins anew before it is in step" if loop
           else "each forks and copies everything"),
        evidence=(
            Evidence("full syncs", full, "", 0),
            Evidence("partial syncs refused", refused, "", 0),
            Evidence("clients cut at their output buffer's limit", cut, "", 0),
            Evidence("replicas", look.replicas),
        ),
        likely=(
            "client-output-buffer-limit of replicas is reached while the copy is made: it is cut "
            "off, and begins anew",
            "repl-timeout is shorter than the copy takes",
        )
        if loop
        else ("a new or restarted replica", "a failover")
        if planned
        else (
            "a replica was away for longer than the backlog remembers",
            "a new or restarted replica",
            "a failover",
        ),
        next="a larger client-output-buffer-limit for replicas, and repl-backlog-size; fewer "
        "writes until it is in step"
        if loop
        else "it ends by itself: is the replica in step then?"
        if planned
        else "does it end, or does a replica begin again and again? repl-backlog-size, and its "
        "output buffer limit",
    )  # fmt: skip


def lost_replicas(look: Performance) -> Iterator[Finding]:
    """A replica that was connected is gone.

    Without any, nothing takes over when the primary fails, and writes that it had are lost.
    """
    if look.fewer_since is None:
        return
    yield Finding(
        "RD_REPL_NONE",
        Severity.WARNING,
        f"{look.replicas or 0} of {count(look.most_replicas, 'replica')} are connected: "
        + ("nothing could take over" if not look.replicas else "the rest carries more"),
        evidence=(
            Evidence("replicas", look.replicas, "", look.most_replicas),
            Evidence("fewer for", (look.at - look.fewer_since).total_seconds(), "s"),
        ),
        likely=("a replica died or hangs", "the network between them", "it was taken away"),
        next="does the replica answer from here? what does the control plane say?",
    )
