"""Doors that were opened or moved: security groups and buckets."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from cockpit.triage.finding import Evidence, Finding, Severity
from probes.began import TOLD, told
from probes.changes import rule_diff
from probes.changes.calls import resource_of
from probes.changes.model import Snapshot
from probes.changes.network import permissions
from probes.changes.refusals import events_of
from probes.changes.settings import Settings
from probes.changes.telling import kind_and_risk, summary
from probes.trail import is_denied

_EVERYBODY = frozenset({"0.0.0.0/0", "::/0"})
_DAY = timedelta(hours=24)


def opened(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """A security group lets the whole internet in on a port of administration or of a database.

    Told of a rule that came within what is read and was not taken away since.
    """
    closed = {
        (resource_of(event), rule)
        for event in events_of(snapshot)
        if event.call == "ec2.RevokeSecurityGroupIngress" and not event.error
        for rule in rule_diff.each_rule(permissions(event))
    }
    for event in events_of(snapshot):
        if event.call != "ec2.AuthorizeSecurityGroupIngress" or event.error:
            continue
        for rule in rule_diff.each_rule(permissions(event)):
            group = resource_of(event)
            if rule.end not in _EVERYBODY or (group, rule) in closed:
                continue
            if not _reaches(rule, settings.admin_ports):
                continue
            yield Finding(
                "SG_OPENED",
                Severity.CRITICAL,
                f"{group} lets everybody in: {rule.traffic} from {rule.end}",
                subject=f"{group} {rule.traffic} {rule.end}",
                evidence=(
                    Evidence("who", event.actor or "unknown"),
                    Evidence("from", event.address or "unknown"),
                    Evidence("ago", (snapshot.at - event.at).total_seconds(), "s"),
                ),
                likely=("somebody tested, and forgot it", "a stolen key"),
                next="ask who did it; take the rule away unless they can say what it is for",
                began=told(event.at, snapshot.at),
                resolution=TOLD,
            )


def _reaches(rule: rule_diff.SecurityRule, ports: tuple[int, ...]) -> bool:
    if rule.protocol == "-1":
        return True
    if rule.protocol not in {"tcp", "udp", "6", "17"} or rule.low is None:
        return False
    high = rule.high if rule.high is not None else rule.low
    return any(rule.low <= port <= high for port in ports)


def buckets(snapshot: Snapshot) -> Iterator[Finding]:
    """Who may read or write a bucket was changed within a day.

    Readers may be shut out, or strangers let in. Critical when calls about this bucket are refused
    since. CloudTrail's events of management have no reads of objects: no refusal there means
    little.
    """
    events = events_of(snapshot)
    for event in events:
        kind, _ = kind_and_risk(event)
        if kind != "s3.policy" or event.error or snapshot.at - event.at > _DAY:
            continue
        bucket = resource_of(event)
        refused = sum(
            1
            for each in events
            if each.at >= event.at and is_denied(each) and bucket == resource_of(each)
        )
        yield Finding(
            "BUCKET_POLICY_CHANGED",
            Severity.CRITICAL if refused else Severity.WARNING,
            summary(event),
            subject=f"{bucket or 'account'} {event.id}",
            evidence=(
                Evidence("who", event.actor or "unknown"),
                Evidence("ago", (snapshot.at - event.at).total_seconds(), "s"),
                Evidence("refused calls since", refused),
            ),
            next="read what it was before (the change's details), and whether readers are refused",
            began=told(event.at, snapshot.at),
            resolution=TOLD,
        )
