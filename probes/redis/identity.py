"""Which Redis answers: whether it can, what its role is, and whether it is the one of before."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import duration, percent
from probes.began import COUNTED, ago
from probes.gains import severity_of
from probes.redis.model import RedisHealth


def identity(look: RedisHealth) -> Iterator[Finding]:
    """What the server is, and whether it can answer.

    RD_STATE_LOADING: It reads its data from disk, or a full copy from its primary, and answers
    nothing until then. It takes as long as there is data.

    RD_ROLE_WRONG: The name of the primary leads to a replica, where every write fails with
    READONLY; or a name for readers leads to the primary. DNS or a pool still leads to the server of
    before a failover.
    """
    if look.loading:
        share = look.loading_share
        copies = look.role == "replica" and look.syncing
        yield Finding(
            "RD_STATE_LOADING",
            Severity.CRITICAL,
            (
                "the replica is loading a full copy from its primary: it answers no reads"
                if copies
                else "the server is loading its data after a start"
            )
            + (f": {percent(share)}" if share is not None else ""),
            evidence=(
                Evidence("loaded", share, "share"),
                Evidence("about to take", look.loading_eta_s, "s"),
            ),
            likely=("it was away for longer than the primary's backlog remembers", "it is new")
            if copies
            else ("it was restarted: a crash, a replacement, maintenance",),
            next="wait; a client that retries in a loop makes it slower",
            began=None if copies else ago(look.at, look.uptime_s),
            resolution=COUNTED,
        )
    wrong = {"primary": "replica", "replica": "primary"}.get(look.expects) == look.role
    if wrong:
        yield Finding(
            "RD_ROLE_WRONG",
            Severity.CRITICAL if look.expects == "primary" else Severity.HIGH,
            f"the endpoint of a {look.expects} is answered by a {look.role}"
            + (": writes fail with READONLY" if look.role == "replica" else ""),
            evidence=(Evidence("role", look.role),),
            likely=("stale DNS after a failover", "a failover in progress"),
            next="compare with the control plane's idea of the primary",
        )
    yield from _changed(look)


def _changed(look: RedisHealth) -> Iterator[Finding]:
    """Between two looks the server was restarted, or took another role.

    RD_ROLE_CHANGED: It became a primary or a replica: a failover. Clients that keep their old
    connections write to a replica and get READONLY.

    RD_RESTARTED: Without persistence it begins empty: every read misses, and the database behind
    takes the load. Of a replica that follows its primary again it is information: its copy is back.

    RD_FLUSHED: FLUSHALL or FLUSHDB threw out half of the keys or more. Every read misses now, and
    what was only here is gone.
    """
    if look.moved_last and look.moved is not None:
        yield _moved(look, severity_of(look.moved, look.at))
    elif look.role_changed is not None:
        yield Finding(
            "RD_ROLE_CHANGED",
            severity_of(look.role_changed, look.at),
            f"the server became a {look.role} while we looked",
            likely=("a failover",),
            next="look whether the applications follow",
        )
    if look.restarted is not None:
        yield Finding(
            "RD_RESTARTED",
            Severity.INFO
            if look.role == "replica" and look.link_up
            else severity_of(look.restarted, look.at),
            f"the server was restarted; it is up for {duration(look.uptime_s)}",
            evidence=(Evidence("up for", look.uptime_s, "s"), Evidence("keys", look.keys)),
            likely=("a crash or an out-of-memory kill", "a node replacement", "maintenance"),
            next="is its data there? without persistence it begins empty",
            began=ago(look.at, look.uptime_s),
            resolution=COUNTED,
        )
    if look.flushed is not None:
        yield _flushed(look, look.flushed)


def _flushed(look: RedisHealth, flushed: datetime) -> Finding:
    """For a minute it is high: what is behind feels it now; then it is told as what happened."""
    ago = (look.at - flushed).total_seconds()
    return Finding(
        "RD_FLUSHED",
        severity_of(flushed, look.at),
        f"{look.flushed_by} threw out {look.flushed_keys:,} keys"
        + (f" {duration(ago)} ago" if ago >= 1 else ""),
        evidence=(
            Evidence("keys thrown out", look.flushed_keys),
            Evidence("keys now", look.keys),
        ),
        likely=(
            "a person or a script that took this for another server",
            "a deployment that empties its cache",
        ),
        next="who sent it? the slow log has the client's address, if it took long; the database "
        "behind gets the load now",
    )


def _moved(look: RedisHealth, severity: Severity) -> Finding:
    """Another server answers behind the name than at the last look.

    A failover that the name followed, or a name for several readers (information). When it does not
    hold the data of the one before, the name leads to another cache altogether.
    """
    readers = look.expects == "replica" and look.role == "replica"
    other = look.moved_history is False
    return Finding(
        "RD_ROLE_CHANGED",
        Severity.HIGH if other else Severity.INFO if readers else severity,
        f"another server answers behind this name, a {look.role}; it is up for "
        f"{duration(look.uptime_s)}",
        evidence=(
            Evidence("up for", look.uptime_s, "s"),
            Evidence(
                "has the data of the one before",
                None if look.moved_history is None else "no" if other else "yes",
            ),
        ),
        likely=("the name or the port now leads to another cache",)
        if other
        else ("the name leads to several replicas in turn",)
        if readers
        else ("a failover that the name followed", "a node replacement"),
        next="is that the cache that was meant? compare with the control plane"
        if other
        else "look whether the applications follow",
    )
