"""Newer members and calls of AWS: each is read by the probe that is named, or has a reason.

The two lists stand in docs/coverage/head.md.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from botocore.model import ServiceModel

import probes
from cockpit.connect.aws import reads
from cockpit.connect.aws.answer import Answer
from cockpit.connect.aws.loader import ModelLoader
from cockpit.triage.registry import registry

HEAD = (Path(__file__).parents[2] / "docs/coverage/head.md").read_text(encoding="utf-8")
WANTED = """
elbv2.TargetHealthDescription.AnomalyDetection elbv2.TargetHealthDescription.AdministrativeOverride
elbv2.TargetGroup.TargetControlPort rds.DBInstance.StorageVolumeStatus
rds.DBInstance.AdditionalStorageVolumes rds.DescribeDBProxyTargets rds.DescribeBlueGreenDeployments
elasticache.ReplicationGroup.EffectiveDurability health.Event.actionability
ecs.DeploymentCircuitBreaker.thresholdConfiguration
ecs.DeploymentCircuitBreaker.resetOnHealthyTask ecs.DeploymentLifecycleHook.timeoutConfiguration
dynamodb.DescribeContributorInsights dynamodb.TableDescription.GlobalTableSettingsReplicationMode
cloudwatch.GetInsightRuleReport ec2.InstanceStatus.ApplicationStatus ec2.DescribeApplicationStatus
route53.ListResourceRecordSetChanges route53.ListHostedZoneChangeBatches
route53resolver.ResolverEndpoint.TargetNameServerMetricsEnabled networkflowmonitor.ListMonitors
application-signals.ListInstrumentationConfigurations
"""
"""Those that the design names (aws.md), and what was found beside them."""


def listed(title: str) -> dict[str, str]:
    """Member or call → what the line says of it, of the list under a title."""
    section = HEAD.partition(f"**{title}**")[2].partition("\n\n")[2].partition("\n\n")[0]
    return dict(re.findall(r"^- `([\w.-]+)`: (.*)$", section, re.MULTILINE))


READ = listed("Newer members and calls")
UNREAD = listed("Newer members and calls, unread")


def _records(base: type[Answer] = Answer) -> Iterator[type[Answer]]:
    for record in base.__subclasses__():
        yield record
        yield from _records(record)


def _reached(record: type[Answer], shape: str, model: ServiceModel) -> Iterator[tuple[str, str]]:
    """Shape and member of all that a record reads, its parts among them."""
    members = model.shape_for(shape).members
    hints = get_type_hints(record)
    for name, member in zip(record.__struct_fields__, record.__struct_encode_fields__, strict=True):
        yield shape, member
        inner = members.get(member)
        part = _part(hints[name])
        if part is not None and inner is not None:
            inner = inner.member if inner.type_name == "list" else inner
            if inner.type_name == "structure":
                yield from _reached(part, inner.name, model)


def _part(hint: object) -> type[Answer] | None:
    if isinstance(hint, type) and issubclass(hint, Answer):
        return hint
    return next(filter(None, map(_part, get_args(hint))), None)


def _read_members(service: str, package: str) -> set[tuple[str, str]]:
    for module in pkgutil.walk_packages(probes.__path__, "probes."):
        importlib.import_module(module.name)
    model = ServiceModel(ModelLoader().load_service_model(service, "service-2"), service)
    return {
        reached
        for record in _records()
        if record.of.startswith(f"{service}.") and record.__module__.startswith(f"{package}.")
        for reached in _reached(record, record.of.partition(".")[2], model)
    }


def test_each_is_read_or_has_a_reason() -> None:
    assert READ.keys() | UNREAD.keys() == set(WANTED.split())
    assert not READ.keys() & UNREAD.keys()


@pytest.mark.parametrize("name", READ)
def test_what_is_told_as_read_is_read_by_that_probe(name: str) -> None:
    probe = registry()[READ[name]]
    service, _, rest = name.partition(".")
    shape, _, member = rest.partition(".")
    if member:
        assert (shape, member) in _read_members(service, f"probes.{probe.id.partition('.')[0]}")
    else:
        assert reads.is_read(service, shape)
        assert reads.iam_action(service, shape) in probe.needs


@pytest.mark.parametrize("name", UNREAD)
def test_what_is_unread_says_why(name: str) -> None:
    assert len(UNREAD[name]) > 60
    service, _, rest = name.partition(".")
    needs = {action for probe in registry().values() for action in probe.needs}
    if "." not in rest:
        assert reads.iam_action(service, rest) not in needs
