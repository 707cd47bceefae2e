"""What is read of ECS's answers about a cluster, and as which value of the model."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from cockpit.connect.aws.answer import Answer, GivenText
from cockpit.text import SafeText
from probes.ecs_cluster.model import CapacityProvider, ContainerInstance, Snapshot


class NameAndValue(Answer, frozen=True, rename="camel"):
    """A setting, or an attribute of a host."""

    name: SafeText = ""
    value: SafeText = ""


class ClusterRow(Answer, frozen=True, rename="camel"):
    """A cluster."""

    of = "ecs.Cluster"
    cluster_name: GivenText
    cluster_arn: SafeText = ""
    status: SafeText = ""
    running_tasks_count: int = 0
    pending_tasks_count: int = 0
    active_services_count: int = 0
    registered_container_instances_count: int = 0
    settings: tuple[NameAndValue, ...] = ()
    capacity_providers: tuple[SafeText, ...] = ()
    attachments_status: SafeText = ""


class ResourceRow(Answer, frozen=True, rename="camel"):
    """An amount of something that a host has."""

    name: SafeText = ""
    integer_value: int = 0


class HealthDetail(Answer, frozen=True, rename="camel"):
    """What the agent reported."""

    last_updated: datetime | None = None
    last_status_change: datetime | None = None


class Health(Answer, frozen=True, rename="camel"):
    """The health of a host, told only when it is asked for."""

    overall_status: SafeText = ""
    details: tuple[HealthDetail, ...] = ()


class Version(Answer, frozen=True, rename="camel"):
    """The agent's version."""

    agent_version: SafeText = ""


class HostRow(Answer, frozen=True, rename="camel"):
    """A container instance."""

    of = "ecs.ContainerInstance"
    container_instance_arn: GivenText
    agent_connected: bool
    ec2_instance_id: SafeText = msgspec.field(name="ec2InstanceId", default="")
    capacity_provider_name: SafeText = ""
    status: SafeText = ""
    status_reason: SafeText = ""
    running_tasks_count: int = 0
    pending_tasks_count: int = 0
    agent_update_status: SafeText = ""
    version_info: Version = Version()
    registered_at: datetime | None = None
    registered_resources: tuple[ResourceRow, ...] = ()
    remaining_resources: tuple[ResourceRow, ...] = ()
    attributes: tuple[NameAndValue, ...] = ()
    health_status: Health = Health()


class ManagedScaling(Answer, frozen=True, rename="camel"):
    """Whether ECS sets the desired capacity of the group."""

    status: SafeText = ""
    target_capacity: int | None = None


class GroupProvider(Answer, frozen=True, rename="camel"):
    """An Auto Scaling group behind a provider."""

    auto_scaling_group_arn: SafeText = ""
    managed_scaling: ManagedScaling = ManagedScaling()


class ProviderRow(Answer, frozen=True, rename="camel"):
    """A capacity provider."""

    of = "ecs.CapacityProvider"
    name: GivenText
    type: SafeText = ""
    status: SafeText = ""
    update_status: SafeText = ""
    update_status_reason: SafeText = ""
    auto_scaling_group_provider: GroupProvider = GroupProvider()


def snapshot_of(row: ClusterRow, at: datetime) -> Snapshot:
    """The cluster, without its hosts and providers."""
    settings = {each.name: each.value for each in row.settings}
    return Snapshot(
        at=at,
        name=row.cluster_name,
        arn=row.cluster_arn,
        status=row.status,
        running=row.running_tasks_count,
        pending=row.pending_tasks_count,
        services=row.active_services_count,
        registered=row.registered_container_instances_count,
        insights=settings.get("containerInsights", ""),
        attachments=row.attachments_status,
        provider_names=row.capacity_providers,
    )


def host_of(row: HostRow) -> ContainerInstance:
    """A host."""
    details = row.health_status.details
    changed = [d.last_status_change for d in details if d.last_status_change is not None]
    seen = [d.last_updated for d in details if d.last_updated is not None]
    places = {each.name: each.value for each in row.attributes}
    last = max(seen, default=None)
    return ContainerInstance(
        arn=row.container_instance_arn,
        instance=row.ec2_instance_id,
        status=row.status,
        reason=row.status_reason,
        connected=row.agent_connected,
        health=row.health_status.overall_status,
        health_since=max(changed, default=None),
        seen=last,
        provider=row.capacity_provider_name,
        zone=places.get("ecs.availability-zone", ""),
        running=row.running_tasks_count,
        pending=row.pending_tasks_count,
        cpu=_amount(row.registered_resources, "CPU"),
        cpu_left=_amount(row.remaining_resources, "CPU"),
        memory=_amount(row.registered_resources, "MEMORY"),
        memory_left=_amount(row.remaining_resources, "MEMORY"),
        agent=row.version_info.agent_version,
        update=row.agent_update_status,
        registered=row.registered_at,
        # what it reported last, it reported while it was connected
        away_since=None if row.agent_connected else last,
    )


def _amount(resources: Sequence[ResourceRow], name: str) -> int:
    return next((each.integer_value for each in resources if each.name == name), 0)


def provider_of(row: ProviderRow) -> CapacityProvider:
    """A capacity provider."""
    group = row.auto_scaling_group_provider
    return CapacityProvider(
        name=row.name,
        type=row.type,
        status=row.status,
        update=row.update_status,
        reason=row.update_status_reason,
        group=group.auto_scaling_group_arn.rpartition("autoScalingGroupName/")[2],
        scaling=group.managed_scaling.status,
        target=group.managed_scaling.target_capacity,
    )
