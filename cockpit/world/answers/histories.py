"""The services' histories: CloudTrail, RDS and ElastiCache events."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from cockpit.world.answers.cloudwatch import moment
from cockpit.world.front import Answerer, Operation
from cockpit.world.identify import AwsRequest
from cockpit.world.protocol import Refusal
from cockpit.world.trail import ApiCall, Trail

Parameters = dict[str, Any]
_FORTNIGHT = 14 * 86400.0


class Histories:
    """What the trail knows, in the form of each service."""

    def __init__(self, trail: Trail) -> None:
        self._trail = trail

    def table(self) -> dict[Operation, Answerer]:
        """What it answers."""
        return {
            ("cloudtrail", "LookupEvents"): self._lookup,
            ("rds", "DescribeEvents"): self._rds,
            ("elasticache", "DescribeEvents"): self._elasticache,
        }

    def _lookup(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        attributes = asked.get("LookupAttributes") or []
        if len(attributes) > 1:
            raise Refusal(
                "InvalidLookupAttributesException", "You can specify only one lookup attribute."
            )
        end = moment(asked.get("EndTime", time.time()))
        start = moment(asked.get("StartTime", end - 90 * 86400))
        calls = self._trail.calls(start, end)
        for one in attributes:
            key, value = one["AttributeKey"], one["AttributeValue"]
            calls = [call for call in calls if _has(call, key, value)]
        return {"Events": [call.row() for call in calls]}

    def _rds(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        start, end = _window(asked)
        return {
            "Events": [
                {
                    "SourceIdentifier": event.source,
                    "SourceType": event.source_type,
                    "Message": event.message,
                    "EventCategories": list(event.categories),
                    "Date": datetime.fromtimestamp(event.at, UTC),
                    "SourceArn": "",
                }
                for event in self._trail.events("rds", start, end)
                if asked.get("SourceIdentifier", event.source) == event.source
                and asked.get("SourceType", event.source_type) == event.source_type
            ]
        }

    def _elasticache(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        start, end = _window(asked)
        return {
            "Events": [
                {
                    "SourceIdentifier": event.source,
                    "SourceType": event.source_type,
                    "Message": event.message,
                    "Date": datetime.fromtimestamp(event.at, UTC),
                }
                for event in self._trail.events("elasticache", start, end)
                if asked.get("SourceIdentifier", event.source) == event.source
                and asked.get("SourceType", event.source_type) == event.source_type
            ]
        }


def _window(asked: Parameters) -> tuple[float, float]:
    """Start and end: given, or the last `Duration` minutes, or the last hour."""
    end = moment(asked.get("EndTime", time.time()))
    minutes = float(asked.get("Duration") or 60)
    start = moment(asked.get("StartTime", end - minutes * 60))
    if end - start > _FORTNIGHT + 60:
        raise Refusal("InvalidParameterCombination", "Events are kept for 14 days.")
    return start, end


def _has(call: ApiCall, key: str, value: str) -> bool:
    match key:
        case "ReadOnly":
            return str(call.read_only).lower() == value.lower()
        case "EventName":
            return call.name == value
        case "EventSource":
            return call.source == value
        case "Username":
            return call.user == value
        case "AccessKeyId":
            return call.key == value
        case "EventId":
            return call.id == value
        case "ResourceName":
            return any(name == value for _, name in call.resources)
        case "ResourceType":
            return any(kind == value for kind, _ in call.resources)
        case _:
            return False
