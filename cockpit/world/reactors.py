"""What a change through the AWS API does to the shop: the repair of a runbook really repairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cockpit.world import layout
from cockpit.world.calls import stamp
from cockpit.world.health import GroupCheck
from cockpit.world.identify import AwsRequest
from cockpit.world.trail import ApiCall

if TYPE_CHECKING:
    from cockpit.world.breaks import Breaks
    from cockpit.world.stage import Stage

Parameters = dict[str, Any]
_SOURCES = {
    "elbv2": "elasticloadbalancing",
    "cloudwatch": "monitoring",
    "application-autoscaling": "application-autoscaling",
    "apigatewayv2": "apigateway",
    "s3control": "s3",
}
_RESOURCES = (
    ("service", "AWS::ECS::Service"),
    ("GroupId", "AWS::EC2::SecurityGroup"),
    ("TargetGroupArn", "AWS::ElasticLoadBalancingV2::TargetGroup"),
    ("ListenerArn", "AWS::ElasticLoadBalancingV2::Listener"),
    ("TableName", "AWS::DynamoDB::Table"),
    ("ReplicationGroupId", "AWS::ElastiCache::ReplicationGroup"),
    ("DBInstanceIdentifier", "AWS::RDS::DBInstance"),
    ("ResourceId", "AWS::ApplicationAutoScaling::ScalableTarget"),
    ("FunctionName", "AWS::Lambda::Function"),
    ("Bucket", "AWS::S3::Bucket"),
    ("UserName", "AWS::IAM::User"),
    ("RoleName", "AWS::IAM::Role"),
    ("restApiId", "AWS::ApiGateway::RestApi"),
    ("AutoScalingGroupName", "AWS::AutoScaling::AutoScalingGroup"),
)
_LAMBDA = {
    "UpdateAlias": "UpdateAlias20150331",
    "UpdateFunctionConfiguration": "UpdateFunctionConfiguration20150331v2",
    "PutFunctionConcurrency": "PutFunctionConcurrency20171031",
    "DeleteFunctionConcurrency": "DeleteFunctionConcurrency20171031",
    "AddPermission": "AddPermission20150331v2",
    "CreateFunction": "CreateFunction20150331",
    "UpdateEventSourceMapping": "UpdateEventSourceMapping20150331",
}
"""CloudTrail writes the version of Lambda's API into the name of an event."""


class Reactors:
    """Hangs reactions on the front. They run in the thread of the request."""

    def __init__(self, stage: Stage, breaks: Breaks) -> None:
        self._stage = stage
        self._breaks = breaks

    def register(self) -> None:
        """Every reaction."""
        front = self._stage.front
        front.written.append(self._remember)
        front.react("elbv2", "ModifyTargetGroup", self._checks)
        front.react("elbv2", "ModifyListener", self._certificate)
        for operation in ("AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"):
            front.react("ec2", operation, self._gate)
        front.react("ecs", "UpdateService", self._renew)
        front.react("dynamodb", "UpdateTable", self._capacity)
        front.react("application-autoscaling", "RegisterScalableTarget", self._bounds)

    def _remember(self, request: AwsRequest, asked: Parameters, result: Parameters) -> None:
        """CloudTrail hears of it."""
        if request.key in layout.OWNERS:
            return
        who = layout.KEYS.get(request.key, "")
        source = _SOURCES.get(request.service, request.service)
        resources = tuple(
            (kind, str(asked[key]))
            for key, kind in _RESOURCES
            if asked.get(key) and (key != "ResourceId" or source == "application-autoscaling")
        )
        self._stage.trail.add(
            ApiCall(
                at=stamp(),
                source=f"{source}.amazonaws.com",
                name=_LAMBDA.get(request.operation, request.operation),
                user=layout.PRINCIPALS.get(who, who),
                parameters=_written_down(request.service, asked),
                resources=resources,
            )
        )

    def _checks(self, request: AwsRequest, asked: Parameters, result: Parameters) -> None:
        """The targets are checked as the group says from now on."""
        for group in result.get("TargetGroups", ()):
            self._stage.health.group(group["TargetGroupArn"]).check = GroupCheck(
                path=group.get("HealthCheckPath", "/"),
                codes=group.get("Matcher", {}).get("HttpCode", "200"),
                timeout=float(group.get("HealthCheckTimeoutSeconds", 5)),
                healthy=int(group.get("HealthyThresholdCount", 2)),
                unhealthy=int(group.get("UnhealthyThresholdCount", 2)),
            )

    def _certificate(self, request: AwsRequest, asked: Parameters, result: Parameters) -> None:
        """The front presents the certificate that the listener has now."""
        for certificate in asked.get("Certificates") or ():
            arn = certificate.get("CertificateArn", "")
            self._stage.loop.call_soon_threadsafe(self._breaks.present, arn)

    def _gate(self, request: AwsRequest, asked: Parameters, result: Parameters) -> None:
        """The way to the database is open when a rule of its group lets checkout in."""
        answer = self._stage.clients(
            "ec2", "describe_security_groups", GroupIds=[layout.GROUPS["orders-db"]]
        )
        permissions = answer["SecurityGroups"][0]["IpPermissions"]
        allowed = any(_lets_in(one, layout.GROUPS["checkout"]) for one in permissions)
        self._stage.loop.call_soon_threadsafe(self._breaks.set_gate, allowed)

    def _renew(self, request: AwsRequest, asked: Parameters, result: Parameters) -> None:
        """A new deployment replaces every task, and with it what the old ones held on to."""
        if asked.get("forceNewDeployment") or asked.get("taskDefinition"):
            name = str(asked.get("service", "")).rpartition("/")[2]
            self._stage.loop.call_soon_threadsafe(self._breaks.renew, name)

    def _capacity(self, request: AwsRequest, asked: Parameters, result: Parameters) -> None:
        """Writes are throttled or not, by the new capacity."""
        table = self._stage.clients("dynamodb", "describe_table", TableName=layout.TABLE)["Table"]
        on_demand = table.get("BillingModeSummary", {}).get("BillingMode") == "PAY_PER_REQUEST"
        units = float(table["ProvisionedThroughput"]["WriteCapacityUnits"])
        capacity = float("inf") if on_demand else units
        self._stage.loop.call_soon_threadsafe(self._breaks.set_capacity, capacity)

    def _bounds(self, request: AwsRequest, asked: Parameters, result: Parameters) -> None:
        """Auto scaling raises a table or a service to its new maximum when it wants more."""
        most = int(asked.get("MaxCapacity") or 0)
        if most and asked.get("ServiceNamespace") == "dynamodb":
            self._stage.loop.call_soon_threadsafe(self._breaks.scale_table, most)
        if most and asked.get("ServiceNamespace") == "ecs":
            name = str(asked["ResourceId"]).rpartition("/")[2]
            self._stage.loop.call_soon_threadsafe(self._breaks.scale_service, name, most)


def _written_down(service: str, asked: Parameters) -> Parameters:
    """The arguments as CloudTrail has them: Lambda's and IAM's begin small there."""
    if service not in {"lambda", "iam"}:
        return asked
    return {name[:1].lower() + name[1:]: value for name, value in asked.items()}


def _lets_in(permission: Parameters, group: str) -> bool:
    """Whether an ingress permission lets the group, or the application subnets, reach 5432."""
    if permission.get("IpProtocol") not in {"tcp", "6", "-1"}:
        return False
    whole = permission.get("IpProtocol") == "-1"
    if not whole and not permission.get("FromPort", 0) <= 5432 <= permission.get("ToPort", 0):
        return False
    groups = {pair.get("GroupId") for pair in permission.get("UserIdGroupPairs", ())}
    ranges = {one.get("CidrIp") for one in permission.get("IpRanges", ())}
    return group in groups or bool(ranges & {"10.0.11.0/24", layout.CIDR, "0.0.0.0/0"})
