"""How late CloudWatch publishes, by namespace: until then a period is not whole.

Source: catalogue B §4.2, mostly from practice. Nothing is judged by a period before it is whole,
and nothing is bought twice in which no period became whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

USUALLY = 120.0
"""Seconds: load balancers, ECS, Lambda, DynamoDB, RDS, ElastiCache, own metrics."""

_LATE: Mapping[str, float] = MappingProxyType(
    {
        "AWS/SNS": 300.0,
        "AWS/Athena": 300.0,
        "AWS/EC2": 300.0,
        "AWS/CloudFront": 300.0,
        "AWS/WAFV2": 300.0,
        "AWS/Usage": 300.0,
        "AWS/S3": 900.0,
    }
)
_DAY = 86400


def lateness(namespace: str, period: int = 60) -> float:
    """Seconds after its end until a period of the namespace is whole. Daily ones take a day."""
    return float(_DAY) if period >= _DAY else _LATE.get(namespace, USUALLY)
