"""Findings about the hosts of a cluster: those that no task can be started at, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import count, duration, percent
from probes.began import TOLD, earliest
from probes.ecs_cluster.model import ContainerInstance, Snapshot, wanted
from probes.ecs_cluster.settings import Settings

_STATES = frozenset(
    {
        "ACTIVE",
        "DRAINING",
        "REGISTERING",
        "DEREGISTERING",
        "REGISTRATION_FAILED",
        "INACTIVE",
    }
)
_HEALTH = frozenset({"OK", "IMPAIRED", "INSUFFICIENT_DATA", "INITIALIZING", ""})
_UPDATES = frozenset({"PENDING", "STAGING", "STAGED", "UPDATING", "UPDATED", "FAILED", ""})


def nowhere(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """No host of the cluster takes tasks: what is not on Fargate can neither start nor be replaced.

    Where hosts come from a capacity provider and no task waits, it may have been scaled to none on
    purpose.
    """
    if snapshot.hosts is None or any(host.placeable for host in snapshot.hosts):
        return
    if not snapshot.hosts and not snapshot.providers:
        return
    bad = bool(snapshot.hosts) or snapshot.pending > 0
    yield Finding(
        "ECS_NO_HOSTS",
        Severity.CRITICAL if bad else Severity.INFO,
        f"none of {count(len(snapshot.hosts), 'host')} takes tasks"
        if snapshot.hosts
        else "there is no host",
        evidence=(
            Evidence("hosts", len(snapshot.hosts)),
            Evidence("states", _states(snapshot.hosts)),
            Evidence("pending", snapshot.pending),
            Evidence("providers", ", ".join(each.name for each in snapshot.providers) or None),
        ),
        likely=("hosts do not start: see the Auto Scaling group", "their agents cannot reach ECS")
        if bad
        else (),
        against=() if bad else ("no task waits for one",),
        next="does the Auto Scaling group have instances, and do they register?",
    )


def _states(hosts: Sequence[ContainerInstance]) -> str:
    return ", ".join(sorted({_state(host) for host in hosts})) or "none"


def _state(host: ContainerInstance) -> str:
    return host.status if host.connected else f"{host.status} without agent"


def disconnected(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Agents do not speak with ECS: on their hosts no task is started, stopped or replaced.

    Tasks that run there go on. Agents reconnect several times an hour, so it is judged after three
    minutes; at a first look that cannot know for how long, it is told and not judged.
    """
    hosts = wanted(snapshot)
    away = [host for host in hosts if not host.connected]
    long = [host for host in away if _away(snapshot, host) >= settings.disconnected_for]
    unknown = [host for host in away if host.away_since is None]
    if not long and not unknown:
        return
    told = long or unknown
    share = len(told) / len(hosts)
    severity = settings.disconnected.grade(share) or Severity.INFO
    longest = max((_away(snapshot, host) for host in long), default=None)
    yield Finding(
        "ECS_AGENT_DISCONNECTED",
        severity if long else Severity.INFO,
        f"the agent of {len(told)} of {count(len(hosts), 'host')} does not speak with ECS",
        evidence=(
            Evidence("share", share, "share", settings.disconnected.limit(Severity.CRITICAL)),
            Evidence("longest", longest, "s", settings.disconnected_for),
            Evidence("instances", ", ".join(host.instance or host.id for host in told[:5])),
            Evidence("tasks on them", sum(host.running for host in told)),
        ),
        likely=(
            "the host hangs or is out of memory or disk",
            "its role lost a right",
            "there is no way to ECS: NAT, endpoint, security group",
        ),
        against=() if long else ("since when is not known: agents reconnect by themselves",),
        next="what do the status checks of the instance say?",
    )


def _away(snapshot: Snapshot, host: ContainerInstance) -> float:
    """Seconds for which the agent is away, at least; 0 when it is not known."""
    return (snapshot.at - host.away_since).total_seconds() if host.away_since else 0.0


def impaired(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The container runtime of a host fails, as its agent reports: tasks there hang, and new ones
    do not start.
    """
    hosts = wanted(snapshot)
    sick = [host for host in hosts if host.health == "IMPAIRED"]
    if not sick:
        return
    since = min((host.health_since for host in sick if host.health_since), default=None)
    yield Finding(
        "ECS_HOST_IMPAIRED",
        settings.impaired.grade(len(sick) / len(hosts)) or Severity.WARNING,
        f"the container runtime of {len(sick)} of {count(len(hosts), 'host')} fails",
        evidence=(
            Evidence("instances", ", ".join(host.instance or host.id for host in sick[:5])),
            Evidence("for", (snapshot.at - since).total_seconds() if since else None, "s"),
            Evidence("tasks on them", sum(host.running for host in sick)),
        ),
        likely=("the container runtime hangs", "the disk of the host is full"),
        next="drain it, and let its group replace it",
        began=earliest(host.health_since for host in sick),
        resolution=TOLD,
    )


def leaving(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Hosts that come or go.

    ECS_HOST_DRAINING: A host takes no new task and loses those that it has. It is a warning when it
    still has some after an hour: services cannot move them, or nobody ends it.

    ECS_HOST_NOT_REGISTERED: A host could not join the cluster.
    """
    drains = [host for host in snapshot.hosts or () if host.status == "DRAINING"]
    if drains:
        long = [host for host in drains if host.running and _drains(snapshot, host, settings)]
        yield Finding(
            "ECS_HOST_DRAINING",
            Severity.WARNING if long else Severity.INFO,
            f"{count(len(drains), 'host')} drain, with "
            f"{count(sum(host.running for host in drains), 'task')} left",
            evidence=(
                Evidence("instances", ", ".join(host.instance or host.id for host in drains[:5])),
                Evidence("for long", len(long)),
            ),
            likely=("a deployment's percentages leave no room to move a task",) if long else (),
            against=() if long else ("most often on purpose: a refresh, or somebody's work",),
            next="do services have room for their tasks elsewhere?",
        )
    failed = [host for host in snapshot.hosts or () if host.status == "REGISTRATION_FAILED"]
    if failed:
        yield Finding(
            "ECS_HOST_NOT_REGISTERED",
            Severity.WARNING,
            f"{count(len(failed), 'host')} could not join: {failed[0].reason or 'no reason told'}",
            evidence=(
                Evidence("reason", failed[0].reason or None),
                Evidence("instances", ", ".join(host.instance or host.id for host in failed[:5])),
            ),
            likely=("its network interface could not be made", "its role may not register"),
            next="read the reason",
        )


def _drains(snapshot: Snapshot, host: ContainerInstance, settings: Settings) -> bool:
    since = host.draining_since
    return since is not None and (snapshot.at - since).total_seconds() >= settings.draining_for


def unknown(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """A state of a host or of its health that is in no table here: told as it is, not judged."""
    words = [host.status for host in snapshot.hosts or () if host.status not in _STATES]
    words += [host.health for host in snapshot.hosts or () if host.health not in _HEALTH]
    words += [host.update for host in snapshot.hosts or () if host.update not in _UPDATES]
    for word in dict.fromkeys(words):
        yield Finding(
            "ECS_STATUS_UNKNOWN",
            Severity.WARNING,
            f"a state that the cockpit does not know: {word or 'none told'}",
            subject=word,
            evidence=(Evidence("state", word or None),),
            next="look it up, and tell the makers of the cockpit",
        )


def room_text(share: float | None) -> str:
    """`82% reserved`, or `unknown`."""
    return "unknown" if share is None else f"{percent(share)} reserved"


def lasted(snapshot: Snapshot, host: ContainerInstance) -> str:
    """How long its agent is away, for a table; empty when it is there."""
    if host.connected:
        return ""
    return f"away {duration(_away(snapshot, host))}" if host.away_since else "away"
