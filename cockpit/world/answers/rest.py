"""Small answers of many services: targets, identity, maintenance, limits."""

from __future__ import annotations

import uuid
from typing import Any

from cockpit.world import layout
from cockpit.world.front import Answerer, Operation
from cockpit.world.health import HealthOfTargets
from cockpit.world.identify import AwsRequest
from cockpit.world.protocol import Refusal

Parameters = dict[str, Any]


def empty(*operations: tuple[str, str, str]) -> dict[Operation, Answerer]:
    """Operations that have nothing to tell: service, operation, the list's member."""

    def nothing(member: str) -> Answerer:
        return lambda _request, _asked: {member: []}

    return {(service, name): nothing(member) for service, name, member in operations}


NOTHING_TO_TELL = empty(
    ("rds", "DescribePendingMaintenanceActions", "PendingMaintenanceActions"),
    ("rds", "DescribeDBProxyTargets", "Targets"),
    ("rds", "DescribeDBProxies", "DBProxies"),
    ("rds", "DescribeDBMajorEngineVersions", "DBMajorEngineVersions"),
    ("elasticache", "DescribeServerlessCaches", "ServerlessCaches"),
    ("elasticache", "DescribeUpdateActions", "UpdateActions"),
    ("elasticache", "DescribeServiceUpdates", "ServiceUpdates"),
    ("elasticache", "DescribeCacheParameters", "Parameters"),
    ("dynamodb", "ListBulkOperations", "BulkOperationsSummaryList"),
    ("dynamodb", "ListContributorInsights", "ContributorInsightsSummaries"),
    ("health", "DescribeEvents", "events"),
    ("health", "DescribeEventDetails", "successfulSet"),
    ("health", "DescribeAffectedEntities", "entities"),
    ("ec2", "DescribeVolumeStatus", "VolumeStatuses"),
    ("ec2", "DescribeStaleSecurityGroups", "StaleSecurityGroupSet"),
    ("ec2", "DescribeVpcBlockPublicAccessExclusions", "VpcBlockPublicAccessExclusions"),
    ("ec2", "DescribeSecurityGroupVpcAssociations", "SecurityGroupVpcAssociations"),
    ("autoscaling", "DescribeInstanceRefreshes", "InstanceRefreshes"),
    ("service-quotas", "ListServiceQuotas", "Quotas"),
    ("service-quotas", "ListRequestedServiceQuotaChangeHistory", "RequestedQuotas"),
    ("lambda", "ListProvisionedConcurrencyConfigs", "ProvisionedConcurrencyConfigs"),
    ("s3control", "ListAccessPoints", "AccessPointList"),
    ("guardduty", "ListDetectors", "DetectorIds"),
    ("pi", "GetResourceMetrics", "MetricList"),
    ("pi", "DescribeDimensionKeys", "Keys"),
)


def no_account_block(_: AwsRequest, __: Parameters) -> Parameters:
    """`s3control.GetPublicAccessBlock`: the account has none of its own."""
    text = "The public access block configuration was not found"
    raise Refusal("NoSuchPublicAccessBlockConfiguration", text, 404)


def with_revision(_: AwsRequest, __: Parameters, told: Parameters) -> Parameters:
    """A function's configuration with the revision that moto leaves out: another one after each
    change.
    """
    kept = ("MemorySize", "Timeout", "CodeSha256", "LastModified", "Role", "Environment")
    revision = uuid.uuid5(uuid.NAMESPACE_URL, repr([told.get(name) for name in kept]))
    return {"RevisionId": str(revision), **told}


def lambda_account(_: AwsRequest, __: Parameters) -> Parameters:
    """`lambda.GetAccountSettings`, which moto lacks: nobody has reserved anything."""
    limit = {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 1000}
    return {"AccountLimit": limit, "AccountUsage": {"FunctionCount": 4, "TotalCodeSize": 4096}}


def public_access(_: AwsRequest, __: Parameters) -> Parameters:
    """`DescribeVpcBlockPublicAccessOptions`, which moto lacks: an account where nobody set it."""
    off = {"InternetGatewayBlockMode": "off", "State": "default-state"}
    return {"VpcBlockPublicAccessOptions": off}


def allowed(_: AwsRequest, asked: Parameters) -> Parameters:
    """`SimulatePrincipalPolicy`, which moto lacks: in the shop everybody may everything."""
    names = asked.get("ActionNames", ())
    return {"EvaluationResults": [{"EvalActionName": n, "EvalDecision": "allowed"} for n in names]}


class GroupTargets:
    """Targets of target groups, from the really computed health."""

    def __init__(self, health: HealthOfTargets) -> None:
        self._health = health

    def table(self) -> dict[Operation, Answerer]:
        """What it answers."""
        return {
            ("elbv2", "DescribeTargetHealth"): self._describe,
            ("elbv2", "RegisterTargets"): self._register,
            ("elbv2", "DeregisterTargets"): self._deregister,
        }

    def _describe(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        arn = asked.get("TargetGroupArn") or ""
        return {"TargetHealthDescriptions": self._health.describe(arn, asked.get("Targets") or ())}

    def _register(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        for one in asked.get("Targets") or ():
            self._health.register(
                asked["TargetGroupArn"],
                one["Id"],
                port=int(one.get("Port") or 0),
                zone=one.get("AvailabilityZone", layout.ZONES[0]),
            )
        return {}

    def _deregister(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        for one in asked.get("Targets") or ():
            self._health.deregister(
                asked["TargetGroupArn"], one["Id"], port=int(one.get("Port") or 0)
            )
        return {}


def identity(request: AwsRequest, asked: Parameters) -> dict[str, Any]:
    """`sts.GetCallerIdentity`: who the access key belongs to."""
    who = layout.KEYS.get(request.key, "")
    account = layout.account_of(request.key)
    name = layout.PRINCIPALS.get(who, "world")
    return {
        "UserId": f"AIDA{name.upper().replace('-', '')[:12]:0<16}",
        "Account": account,
        "Arn": f"arn:aws:iam::{account}:user/{name}",
    }


def contributor_insights(request: AwsRequest, asked: Parameters) -> dict[str, Any]:
    """`dynamodb.DescribeContributorInsights`: it is off."""
    return {"TableName": asked.get("TableName"), "ContributorInsightsStatus": "DISABLED"}
