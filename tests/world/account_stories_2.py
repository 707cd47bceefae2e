"""More of what a person does about the scenarios that are data."""

from __future__ import annotations

from cockpit.world import layout
from tests.world.story import Story

_SEEN = {"SampledRequestsEnabled": True, "CloudWatchMetricsEnabled": True}
_COUNTED = {
    "Name": "shop-acl",
    "Id": "0c0ffee0-aac1-4000-8000-000000000001",
    "Scope": "REGIONAL",
    "LockToken": "0c0ffee0-10c4-4000-8000-000000000001",
    "DefaultAction": {"Allow": {}},
    "VisibilityConfig": {**_SEEN, "MetricName": "shop-acl"},
}

ACCOUNT: dict[str, Story] = {
    "asg-stuck": Story(
        "ASG_LAUNCH_FAILING",
        "render-asg",
        "asg-launch",
        ("look", "now", "since", "back", "well"),
        {"since": "yes"},
        frozenset({"autoscaling.UpdateAutoScalingGroup"}),
    ),
    "report-athena-timeout": Story(
        "ATHENA_QUERY_SLOW",
        "reports",
        "athena-slow",
        ("before", "waited", "stop", "well"),
        {"waited": "no"},
        frozenset({"athena.StopQueryExecution"}),
    ),
    "report-upload-denied": Story(
        "S3_READER_DENIED",
        "shop-reports",
        "s3-access-denied",
        ("before", "now", "right", "restore", "well"),
        {"right": "yes"},
        frozenset({"s3.PutBucketPolicy"}),
    ),
    "report-empty": Story(
        "GLUE_SCHEMA_MISMATCH",
        "reports",
        "glue-schema",
        ("look", "data", "versions", "version", "now", "old", "restore", "well"),
        {"data": "yes", "version": "1"},
        frozenset({"glue.UpdateTable"}),
    ),
    "report-sns-gone": Story(
        "SNS_NO_SUBSCRIBERS",
        "report-mail",
        "sns",
        ("tell", "mend"),
        by_hand=(("sns", "create_topic", {"Name": "report-mail"}),),
        acts=0,
    ),
    "nacl-deny": Story(
        "PATH_NACL_DENIED",
        "checkout-to-db",
        "path-nacl",
        ("cut", "entries", "author", "asked", "mend"),
        {"asked": "no"},
        by_hand=(
            (
                "ec2",
                "delete_network_acl_entry",
                {"NetworkAclId": "acl-0c0ffee0000000da7", "RuleNumber": 90, "Egress": False},
            ),
        ),
        acts=0,
    ),
    "route-blackhole": Story(
        "PATH_ROUTE_BLACKHOLE",
        "checkout-to-payments",
        "path-route",
        ("cut", "routes", "gateways", "mend"),
        by_hand=(
            (
                "ec2",
                "replace_route",
                {
                    "RouteTableId": layout.APP_ROUTES,
                    "DestinationCidrBlock": "0.0.0.0/0",
                    "NatGatewayId": "nat-0c0ffee0000000b01",
                },
            ),
        ),
        acts=0,
    ),
    "nat-ports": Story(
        "NET_NAT_PORT_ERRORS",
        "checkout-to-payments",
        "path-nat",
        ("before", "now", "partner", "address", "add"),
        {"partner": "no", "address": "eipalloc-0c0ffee0000000e1b"},
        frozenset({"ec2.AssociateNatGatewayAddress"}),
    ),
    "waf-blocks-customers": Story(
        "WAF_BLOCK_SURGE",
        "shop-acl",
        "waf-blocks",
        ("before", "customers", "count"),
        {"customers": "yes"},
        by_hand=(("wafv2", "update_web_acl", _COUNTED),),
        acts=0,
    ),
    "quota": Story(
        "QUOTA_EXCEEDED",
        "quotas",
        "quota-raise",
        ("before", "less", "now", "size", "ask"),
        {"size": "20000"},
        frozenset({"service-quotas.RequestServiceQuotaIncrease"}),
        by_hand=(
            (
                "lambda",
                "put_function_concurrency",
                {"FunctionName": "reencrypt", "ReservedConcurrentExecutions": 0},
            ),
        ),
    ),
    "slo-burn": Story(
        "LAMBDA_ERROR_RATE",
        "orders-api",
        "lambda-rollback",
        ("before", "now", "migration", "rollback"),
        {"migration": "yes"},
        frozenset({"lambda.UpdateAlias"}),
    ),
    "load-surge": Story(
        "ECS_AUTOSCALING_AT_MAX",
        "checkout",
        "ecs-autoscaling",
        ("before", "now", "ceiling", "raise"),
        {"ceiling": "12"},
        frozenset({"application-autoscaling.RegisterScalableTarget"}),
    ),
}
UNREPAIRED = {
    "credentials-expired": "nothing in AWS is broken: whoever logs in again sees",
    "region-trouble": "AWS mends its region; what runs is left alone until then",
    "az-down": "a zone comes back when AWS has mended it; what helps until then is to hold back",
}
