"""What happened in the shop, as CloudTrail, RDS and ElastiCache tell it."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cockpit.world import layout


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiCall:
    """One line of CloudTrail. `at` in seconds since the epoch."""

    at: float
    source: str
    """`ecs.amazonaws.com`."""
    name: str
    user: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    resources: tuple[tuple[str, str], ...] = ()
    """Type and name of what it was about."""
    read_only: bool = False
    error: str = ""
    answer: Mapping[str, Any] = field(default_factory=dict)
    """What the call gave: `responseElements`."""
    key: str = ""
    """The access key that it was signed with."""
    address: str = "198.51.100.23"
    agent: str = "aws-cli/2.31.0"
    role: str = ""
    """The role that `user` is the session of; empty: `user` is a user."""
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def row(self) -> dict[str, Any]:
        """As `LookupEvents` gives it."""
        moment = datetime.fromtimestamp(self.at, UTC)
        detail = {
            "eventVersion": "1.11",
            "userIdentity": self._identity(),
            "eventTime": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "eventSource": self.source,
            "eventName": self.name,
            "awsRegion": layout.REGION,
            "sourceIPAddress": self.address,
            "userAgent": self.agent,
            "requestParameters": dict(self.parameters),
            "responseElements": dict(self.answer) or None,
            "eventID": self.id,
            "readOnly": self.read_only,
            "eventType": "AwsApiCall",
            "managementEvent": True,
            "recipientAccountId": layout.ACCOUNT,
        }
        if self.error:
            detail["errorCode"] = self.error
        return {
            "EventId": self.id,
            "EventName": self.name,
            "ReadOnly": str(self.read_only).lower(),
            "EventTime": moment,
            "EventSource": self.source,
            "Username": self.user,
            "AccessKeyId": self.key,
            "Resources": [
                {"ResourceType": kind, "ResourceName": name} for kind, name in self.resources
            ],
            "CloudTrailEvent": json.dumps(detail, default=str),
        }

    def _identity(self) -> dict[str, Any]:
        account = layout.ACCOUNT
        if not self.role:
            arn = f"arn:aws:iam::{account}:user/{self.user}"
            told = {"type": "IAMUser", "userName": self.user, "accountId": account, "arn": arn}
            return told | ({"accessKeyId": self.key} if self.key else {})
        issuer = {
            "type": "Role",
            "arn": f"arn:aws:iam::{account}:role/{self.role}",
            "accountId": account,
            "userName": self.role,
        }
        return {
            "type": "AssumedRole",
            "arn": f"arn:aws:sts::{account}:assumed-role/{self.role}/{self.user}",
            "accountId": account,
            "accessKeyId": self.key,
            "sessionContext": {"sessionIssuer": issuer},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceEvent:
    """One line of RDS' or ElastiCache's own history."""

    at: float
    service: str
    """`rds` or `elasticache`."""
    source: str
    source_type: str
    message: str
    categories: tuple[str, ...] = ()


class Trail:
    """Append-only, newest first when read. Safe from any thread."""

    def __init__(self) -> None:
        self._calls: list[ApiCall] = []
        self._events: list[ServiceEvent] = []
        self._lock = threading.Lock()

    def add(self, call: ApiCall) -> None:
        """Write an API call down."""
        with self._lock:
            self._calls.append(call)

    def tell(self, event: ServiceEvent) -> None:
        """Write a service's event down."""
        with self._lock:
            self._events.append(event)

    def calls(self, start: float, end: float) -> list[ApiCall]:
        """The calls of a time, the newest first."""
        with self._lock:
            found = [call for call in self._calls if start <= call.at <= end]
        return sorted(found, key=lambda call: call.at, reverse=True)

    def events(self, service: str, start: float, end: float) -> list[ServiceEvent]:
        """A service's events of a time, the oldest first, as both services give them."""
        with self._lock:
            found = [e for e in self._events if e.service == service and start <= e.at <= end]
        return sorted(found, key=lambda event: event.at)


def everyday(trail: Trail) -> None:
    """What happened before anything broke: nothing that matters."""
    now = time.time()
    trail.add(
        ApiCall(
            at=now - 5400,
            source="ec2.amazonaws.com",
            name="AuthorizeSecurityGroupIngress",
            user="bob",
            parameters={"groupId": layout.GROUPS["search"]},
            resources=(("AWS::EC2::SecurityGroup", layout.GROUPS["search"]),),
        )
    )
    trail.tell(
        ServiceEvent(
            at=now - 6 * 3600,
            service="rds",
            source=layout.DATABASE,
            source_type="db-instance",
            message="Finished DB Instance backup",
            categories=("backup",),
        )
    )
    trail.tell(
        ServiceEvent(
            at=now - 7 * 3600,
            service="elasticache",
            source=layout.CACHE,
            source_type="replication-group",
            message="Snapshot succeeded for snapshot with ID 'automatic.sessions'",
        )
    )
