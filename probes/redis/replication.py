"""Redis replication: is the link up, is the primary heard, how far are the replicas."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.text import visible
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.units import duration, size
from probes.began import MEASURED, ago
from probes.redis.model import AttachedReplica, RedisHealth


def replication(
    look: RedisHealth,
    *,
    link_down: Thresholds,
    silent_primary: float,
    lag_bytes: Thresholds,
    lag_seconds: Thresholds,
) -> Iterator[Finding]:
    """Both sides: a replica's link, a primary's replicas."""
    yield from _link(look, link_down, silent_primary)
    for replica in look.replicas:
        yield from _lag(look, replica, lag_bytes, lag_seconds)


def _link(look: RedisHealth, link_down: Thresholds, silent_primary: float) -> Iterator[Finding]:
    """A replica has no link to its primary, or hears nothing over it.

    Its readers see the past, and it would take over without what is missing. The link says up for
    as long as `repl-timeout` while the primary hangs.
    """
    if look.link_up is None:
        return
    if not look.link_up:
        down = look.down_s
        yield Finding(
            "RD_REPL_LINK_DOWN",
            link_down.grade(down) or Severity.HIGH,
            f"the link to the primary {visible(look.primary_address, 60)} is down"
            + (f" for {duration(down)}" if down else "")
            + ("; a sync is running" if look.syncing else ""),
            evidence=(
                Evidence("down for", down, "s", link_down.critical),
                Evidence("heard last", look.heard_s, "s"),
            ),
            likely=("the primary is gone", "its password changed", "the network between them"),
            against=("a sync is running: the link says up when it ends",) if look.syncing else (),
            next="does the primary answer from here? then its log",
            began=ago(look.at, look.link_down_s),
            resolution=MEASURED,
        )
    elif look.heard_s is not None and look.heard_s > silent_primary:
        yield Finding(
            "RD_REPL_LINK_DOWN",
            Severity.HIGH,
            f"the primary has been silent for {duration(look.heard_s)}, though the link says up",
            evidence=(Evidence("heard last", look.heard_s, "s", silent_primary),),
            likely=("the primary hangs: the link notices only after repl-timeout",),
            next="does the primary answer from here?",
            began=ago(look.at, look.heard_s),
            resolution=MEASURED,
        )


def _lag(
    look: RedisHealth, replica: AttachedReplica, lag_bytes: Thresholds, lag_seconds: Thresholds
) -> Iterator[Finding]:
    """A replica is behind its primary.

    Its readers see the past, and a failover to it loses what is missing. When it is further behind
    than the backlog holds and reconnects, it needs a full copy.
    """
    if replica.state not in {"", "online"} or replica.offset == 0:
        return  # it takes a full copy, and has not acknowledged anything yet
    behind = look.behind(replica)
    grades = (lag_bytes.grade(behind), lag_seconds.grade(replica.lag_s))
    severity = max((grade for grade in grades if grade), default=None)
    if severity is None:
        return
    full = behind is not None and look.backlog is not None and behind > look.backlog
    yield Finding(
        "RD_REPL_LAG",
        severity,
        f"replica {visible(replica.address, 60)} is {size(behind or 0)} behind"
        + ("; more than the backlog holds: a full sync, should it reconnect" if full else ""),
        subject=visible(replica.address, 60),
        evidence=(
            Evidence("behind", behind, "bytes", lag_bytes.first),
            Evidence("last acknowledged", replica.lag_s, "s", lag_seconds.first),
            Evidence("backlog", look.backlog, "bytes"),
        ),
        likely=("the replica hangs or is slow", "the network", "a burst of writes"),
        next="look at the replica itself",
        fact=False,
    )
