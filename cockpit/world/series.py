"""Which series the healthy shop publishes, and their normal course.

Namespaces, names and dimensions are AWS's (catalogue, aws-edge-compute-network §1.2, §2.2 and
aws-data-metrics-changes §1.3, §2.3, §3.2).
"""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.world import layout
from cockpit.world.layout import ServicePlan
from cockpit.world.metrics import Course, MetricSeries, counter, gauge, latency

NOTHING = counter(None)
_REQUESTS = {"checkout": 940.0, "search": 2100.0}


def services() -> Iterator[MetricSeries]:
    """The balancer, its groups, and what runs behind them."""
    yield from _balancer()
    for service in layout.SERVICES:
        yield from _group(service)
        yield from _service(service)


def databases() -> Iterator[MetricSeries]:
    """Instances, caches and the table."""
    for name, connections in ((layout.DATABASE, 24.0), (layout.STANDBY, 6.0)):
        yield from database(name, connections, replica=name == layout.STANDBY)
    for number in (1, 2):
        yield from _cache(f"{layout.CACHE}-00{number}", primary=number == 1)
    yield from table(layout.TABLE)


def network() -> Iterator[MetricSeries]:
    """The NAT gateway, which publishes zeros too."""
    yield from nat(layout.NAT)


def nat(id_: str) -> Iterator[MetricSeries]:
    """A NAT gateway that is well."""
    zero = counter(0.0, 0.0)
    yield from _metrics(
        "AWS/NATGateway",
        id_,
        dimensions={"NatGatewayId": id_},
        courses={
            "ErrorPortAllocation": zero,
            "PacketsDropCount": zero,
            "IdleTimeoutCount": counter(3.0, 0.3),
            "ConnectionAttemptCount": counter(2400.0),
            "ConnectionEstablishedCount": counter(2390.0, 0.0),
            "ActiveConnectionCount": gauge(6100.0, 0.1),
            "PacketsInFromSource": counter(410_000.0),
            "PacketsInFromDestination": counter(690_000.0),
        },
    )


def _metrics(
    namespace: str, about: str, *, dimensions: dict[str, str], courses: dict[str, Course]
) -> Iterator[MetricSeries]:
    for name, course in courses.items():
        yield MetricSeries(namespace, name, tuple(dimensions.items()), course, about)


def _balancer() -> Iterator[MetricSeries]:
    total = sum(_REQUESTS.values())
    yield from _metrics(
        "AWS/ApplicationELB",
        layout.BALANCER,
        dimensions={"LoadBalancer": f"app/{layout.BALANCER}/{layout.BALANCER_ID}"},
        courses={
            "RequestCount": counter(total),
            "HTTPCode_Target_2XX_Count": counter(total * 0.985),
            "HTTPCode_Target_3XX_Count": counter(total * 0.004),
            "HTTPCode_Target_4XX_Count": counter(total * 0.01),
            "HTTPCode_Target_5XX_Count": counter(1.0),
            "HTTPCode_ELB_4XX_Count": counter(3.0),
            "HTTPCode_ELB_5XX_Count": NOTHING,
            "HTTPCode_ELB_502_Count": NOTHING,
            "HTTPCode_ELB_503_Count": NOTHING,
            "HTTPCode_ELB_504_Count": NOTHING,
            "TargetResponseTime": latency(0.08, total),
            "TargetConnectionErrorCount": NOTHING,
            "RejectedConnectionCount": NOTHING,
            "ClientTLSNegotiationErrorCount": counter(2.0),
            "ActiveConnectionCount": counter(420.0),
            "NewConnectionCount": counter(310.0),
            "ProcessedBytes": counter(42_000_000.0),
            "ConsumedLCUs": gauge(1.4),
        },
    )


def _group(service: ServicePlan) -> Iterator[MetricSeries]:
    requests = _REQUESTS[service.name]
    yield from _metrics(
        "AWS/ApplicationELB",
        service.group,
        dimensions={
            "LoadBalancer": f"app/{layout.BALANCER}/{layout.BALANCER_ID}",
            "TargetGroup": f"targetgroup/{service.group}/{service.group_id}",
        },
        courses={
            "RequestCount": counter(requests),
            "HTTPCode_Target_2XX_Count": counter(requests * 0.985),
            "HTTPCode_Target_4XX_Count": counter(requests * 0.01),
            "HTTPCode_Target_5XX_Count": counter(0.5),
            "TargetResponseTime": latency(0.09 if service is layout.CHECKOUT else 0.05, requests),
            "TargetConnectionErrorCount": NOTHING,
            "RequestCountPerTarget": gauge(requests / service.desired),
            "HealthyHostCount": gauge(float(service.desired), 0.0),
            "UnHealthyHostCount": gauge(0.0, 0.0),
            "UnhealthyRoutingRequestCount": NOTHING,
        },
    )


def _service(service: ServicePlan) -> Iterator[MetricSeries]:
    yield from _metrics(
        "AWS/ECS",
        service.name,
        dimensions={"ClusterName": layout.CLUSTER, "ServiceName": service.name},
        courses={"CPUUtilization": gauge(31.0, 0.1), "MemoryUtilization": gauge(44.0)},
    )


def database(name: str, connections: float, *, replica: bool) -> Iterator[MetricSeries]:
    """A database instance."""
    courses = {
        "CPUUtilization": gauge(22.0, 0.15),
        "DatabaseConnections": gauge(connections, 0.04),
        "FreeableMemory": gauge(9.1e9, 0.01),
        "SwapUsage": gauge(0.0, 0.0),
        "FreeStorageSpace": gauge(71.0e9, 0.0005),
        "ReadIOPS": gauge(210.0, 0.1),
        "WriteIOPS": gauge(340.0, 0.1),
        "ReadLatency": gauge(0.0006, 0.1),
        "WriteLatency": gauge(0.0009, 0.1),
        "DiskQueueDepth": gauge(0.4, 0.2),
        "BurstBalance": gauge(99.0, 0.0),
        "NetworkReceiveThroughput": gauge(1.2e6, 0.1),
        "NetworkTransmitThroughput": gauge(4.1e6, 0.1),
        "MaximumUsedTransactionIDs": gauge(41_000_000.0, 0.0),
        "TransactionLogsDiskUsage": gauge(1.1e9, 0.01),
        "OldestReplicationSlotLag": gauge(20_000.0, 0.3),
    }
    if replica:
        courses["ReplicaLag"] = gauge(0.4, 0.3)
        del courses["OldestReplicationSlotLag"]
    instance = {"DBInstanceIdentifier": name}
    yield from _metrics("AWS/RDS", name, dimensions=instance, courses=courses)


def _cache(node: str, *, primary: bool) -> Iterator[MetricSeries]:
    courses = {
        "EngineCPUUtilization": gauge(12.0, 0.15),
        "CPUUtilization": gauge(9.0, 0.15),
        "DatabaseMemoryUsagePercentage": gauge(41.0, 0.01),
        "FreeableMemory": gauge(3.1e9, 0.005),
        "SwapUsage": gauge(0.0, 0.0),
        "Evictions": counter(0.0, 0.0),
        "Reclaimed": counter(140.0, 0.1),
        "CurrConnections": gauge(38.0),
        "NewConnections": counter(6.0, 0.3),
        "CurrItems": gauge(61_000.0, 0.01),
        "CacheHits": counter(52_000.0),
        "CacheMisses": counter(2_100.0),
        "CacheHitRate": gauge(96.1, 0.005),
        "GetTypeCmds": counter(54_100.0),
        "IsMaster": gauge(1.0 if primary else 0.0, 0.0),
        "NetworkBandwidthInAllowanceExceeded": counter(0.0, 0.0),
        "NetworkBandwidthOutAllowanceExceeded": counter(0.0, 0.0),
        "NetworkPacketsPerSecondAllowanceExceeded": counter(0.0, 0.0),
        "NetworkConntrackAllowanceExceeded": counter(0.0, 0.0),
        "TrafficManagementActive": gauge(0.0, 0.0),
    }
    if not primary:
        courses |= {"ReplicationLag": gauge(0.1, 0.3), "MasterLinkHealthStatus": gauge(1.0, 0.0)}
    both = ({"CacheClusterId": node}, {"CacheClusterId": node, "CacheNodeId": "0001"})
    for dimensions in both:
        yield from _metrics("AWS/ElastiCache", node, dimensions=dimensions, courses=courses)


def table(name: str) -> Iterator[MetricSeries]:
    """A DynamoDB table with provisioned capacity."""
    yield from _metrics(
        "AWS/DynamoDB",
        name,
        dimensions={"TableName": name},
        courses={
            "ConsumedReadCapacityUnits": counter(60 * 41.0),
            "ConsumedWriteCapacityUnits": counter(60 * 38.0),
            "ProvisionedReadCapacityUnits": gauge(200.0, 0.0),
            "ProvisionedWriteCapacityUnits": gauge(100.0, 0.0),
            "ReadThrottleEvents": NOTHING,
            "WriteThrottleEvents": NOTHING,
            "OnlineIndexThrottleEvents": NOTHING,
            "ReadProvisionedThroughputThrottleEvents": NOTHING,
            "WriteProvisionedThroughputThrottleEvents": NOTHING,
            "ReadKeyRangeThroughputThrottleEvents": NOTHING,
            "WriteKeyRangeThroughputThrottleEvents": NOTHING,
            "ReadAccountLimitThrottleEvents": NOTHING,
            "WriteAccountLimitThrottleEvents": NOTHING,
            "ReadMaxOnDemandThroughputThrottleEvents": NOTHING,
            "WriteMaxOnDemandThroughputThrottleEvents": NOTHING,
        },
    )
    for operation, count in (("GetItem", 2300.0), ("PutItem", 1900.0), ("Query", 120.0)):
        yield from _metrics(
            "AWS/DynamoDB",
            f"{name}/{operation}",
            dimensions={"TableName": name, "Operation": operation},
            courses={
                "SuccessfulRequestLatency": latency(4.0, count, 0.3),
                "ThrottledRequests": NOTHING,
                "SystemErrors": NOTHING,
            },
        )
    errors = {"UserErrors": counter(4.0, 0.5)}
    yield from _metrics("AWS/DynamoDB", "account", dimensions={}, courses=errors)
