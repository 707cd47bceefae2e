"""Findings about a cluster as a whole: its state, room for tasks, and who brings more hosts."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import count, duration, number, percent
from probes.ecs_cluster.model import CapacityProvider, ContainerInstance, Snapshot
from probes.ecs_cluster.settings import Settings

_CLUSTER = {
    "ACTIVE": None,
    "PROVISIONING": Severity.WARNING,
    "DEPROVISIONING": Severity.CRITICAL,
    "INACTIVE": Severity.CRITICAL,
    "FAILED": Severity.CRITICAL,
}
_PROVIDER = frozenset({"ACTIVE", ""})


def standing(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The cluster itself is not active: it is being deleted, was deleted, or could not be made.

    ECS_STATUS_UNKNOWN: A status that is in no table here.
    """
    if snapshot.status not in _CLUSTER:
        yield Finding(
            "ECS_STATUS_UNKNOWN",
            Severity.WARNING,
            f"a state that the cockpit does not know: {snapshot.status or 'none told'}",
            subject=snapshot.status,
            evidence=(Evidence("status", snapshot.status or None),),
            next="look it up, and tell the makers of the cockpit",
        )
    severity = _CLUSTER.get(snapshot.status)
    if severity is not None:
        yield Finding(
            "ECS_CLUSTER_NOT_ACTIVE",
            severity,
            f"the cluster is {snapshot.status}",
            evidence=(
                Evidence("status", snapshot.status),
                Evidence("services", snapshot.services),
                Evidence("running", snapshot.running),
            ),
            likely=("it was deleted",) if severity is Severity.CRITICAL else (),
            next="find the caller of DeleteCluster in CloudTrail",
        )


def pending(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Tasks of the cluster are pending, look after look: they wait for a host, an image, a network
    interface. Not always the same ones: it is the number that never comes to zero.
    """
    if not snapshot.pending or snapshot.pending_since is None:
        return
    lasting = (snapshot.at - snapshot.pending_since).total_seconds()
    severity = settings.pending_for.grade(lasting)
    if severity is None:
        return
    yield Finding(
        "ECS_TASKS_PENDING",
        severity,
        f"{count(snapshot.pending, 'task')} pending, for {duration(lasting)} never none",
        evidence=(
            Evidence("pending", snapshot.pending),
            Evidence("for", lasting, "s", settings.pending_for.first),
            Evidence("running", snapshot.running),
        ),
        likely=(
            "no host has room, and no new one comes",
            "images take long or cannot be pulled",
            "a service whose tasks die at their start",
        ),
        next="which service do they belong to, and what do its events say?",
        fact=False,
    )


def reserved(hosts: tuple[ContainerInstance, ...]) -> tuple[float | None, float | None]:
    """Shares of processors and memory that tasks have reserved at these hosts."""

    def share(whole: int, left: int) -> float | None:
        return 1 - left / whole if whole > 0 else None

    cpu = share(sum(h.cpu for h in hosts), sum(h.cpu_left for h in hosts))
    return cpu, share(sum(h.memory for h in hosts), sum(h.memory_left for h in hosts))


def placeable(snapshot: Snapshot) -> tuple[ContainerInstance, ...]:
    """Hosts at which tasks can be started."""
    return tuple(host for host in snapshot.hosts or () if host.placeable)


def full(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Nearly all processors or memory of the hosts are reserved: one more task, or a deployment,
    finds no place. Critical while tasks wait.

    What is reserved is not what is used: idle tasks fill a cluster too.
    """
    hosts = placeable(snapshot)
    cpu, memory = reserved(hosts)
    most = max((each for each in (cpu, memory) if each is not None), default=None)
    severity = settings.reserved.grade(most)
    if most is None or severity is None:
        return
    if snapshot.pending:
        severity = Severity.CRITICAL
    roomy = max(hosts, key=lambda host: host.memory_left)
    yield Finding(
        "ECS_CLUSTER_FULL",
        severity,
        f"{percent(most)} of the hosts' {'memory' if most == memory else 'processors'} is reserved",
        evidence=(
            Evidence("processors", cpu, "share", settings.reserved.first),
            Evidence("memory", memory, "share", settings.reserved.first),
            Evidence("hosts", len(hosts)),
            Evidence("roomiest host", f"{number(roomy.memory_left)} MiB, {roomy.cpu_left} units"),
            Evidence("pending", snapshot.pending),
        ),
        likely=("more tasks than hosts were made for", "a deployment runs old and new tasks"),
        next="does a capacity provider bring hosts, or has its group reached its maximum?",
        fact=False,
    )


def providers(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """A capacity provider of the cluster does not work: no host comes by it.

    Its own status, the end of its last change, or that of its attachment to the cluster says so; or
    the cluster names one that is not there.
    """
    read = not any(gap.what == "capacity providers" for gap in snapshot.gaps)
    known = {each.name for each in snapshot.providers} | {"FARGATE", "FARGATE_SPOT"}
    for each in snapshot.providers:
        broken = each.update.endswith("_FAILED")
        if broken or each.status not in _PROVIDER:
            yield _provider(each, broken)
    for name in snapshot.provider_names if read else ():
        if name not in known:
            yield _provider(CapacityProvider(name=name, status="not there"), broken=False)
    if snapshot.attachments.endswith("_FAILED"):
        yield Finding(
            "ECS_CAPACITY_PROVIDER_FAILED",
            Severity.WARNING,
            f"attaching capacity providers to the cluster: {snapshot.attachments}",
            subject="attachments",
            evidence=(Evidence("status", snapshot.attachments),),
            next="are the group and its scaling plan still there?",
        )


def _provider(each: CapacityProvider, broken: bool) -> Finding:
    told = each.update if broken else each.status
    return Finding(
        "ECS_CAPACITY_PROVIDER_FAILED",
        Severity.WARNING if broken or each.status == "PROVISIONING" else Severity.CRITICAL,
        f"the capacity provider {each.name} is {told}"
        + (f": {each.reason}" if each.reason else ""),
        subject=each.name,
        evidence=(
            Evidence("status", each.status or None),
            Evidence("last change", each.update or None),
            Evidence("reason", each.reason or None),
            Evidence("group", each.group or None),
        ),
        likely=("its Auto Scaling group was deleted", "its role lost a right"),
        next="does its Auto Scaling group exist, and does it launch?",
    )
