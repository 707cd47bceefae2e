"""Which AWS operations are reads: a frozen table, default deny. No verbs, no wildcards.

Source: checked against botocore's models and AWS's managed policy ReadOnlyAccess (catalogue
moto §3.5); what looks like a read and is not (it costs, consumes, fails over, hands out secrets) is
in `SECRET` and `ACTING` (§3.3), which a test holds apart from `ALLOW`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from cockpit.errors import Refused


def _table(rows: Mapping[str, str]) -> Mapping[str, frozenset[str]]:
    return MappingProxyType({client: frozenset(words.split()) for client, words in rows.items()})


ALLOW: Mapping[str, frozenset[str]] = _table(
    {
        "sts": "GetCallerIdentity",
        "elbv2": """
            DescribeLoadBalancers DescribeLoadBalancerAttributes DescribeTargetGroups
            DescribeTargetGroupAttributes DescribeTargetHealth DescribeListeners DescribeRules
            DescribeListenerCertificates DescribeTags DescribeAccountLimits
        """,
        "ecs": """
            ListClusters DescribeClusters ListServices DescribeServices ListTasks DescribeTasks
            DescribeTaskDefinition ListTaskDefinitions ListContainerInstances
            DescribeContainerInstances DescribeCapacityProviders ListServiceDeployments
            DescribeServiceDeployments DescribeServiceRevisions DescribeTaskSets
        """,
        "application-autoscaling": """
            DescribeScalableTargets DescribeScalingPolicies DescribeScalingActivities
            DescribeScheduledActions
        """,
        "rds": """
            DescribeDBInstances DescribeDBClusters DescribeEvents
            DescribePendingMaintenanceActions DescribeDBParameters DescribeDBParameterGroups
            DescribeDBSubnetGroups DescribeDBSnapshots DescribeDBProxies DescribeDBProxyTargets
            DescribeDBLogFiles DescribeGlobalClusters DescribeBlueGreenDeployments
            DescribeDBMajorEngineVersions
        """,
        "pi": "GetResourceMetrics",
        "elasticache": """
            DescribeReplicationGroups DescribeCacheClusters DescribeEvents
            DescribeServerlessCaches DescribeCacheParameters DescribeCacheSubnetGroups
            DescribeUpdateActions
        """,
        "dynamodb": """
            ListTables DescribeTable DescribeLimits DescribeContinuousBackups DescribeTimeToLive
            DescribeContributorInsights ListBulkOperations DescribeBulkOperation
        """,
        "ec2": """
            DescribeInstances DescribeInstanceStatus DescribeVolumes DescribeVolumeStatus
            DescribeSnapshots
            DescribeVpcs DescribeVpcAttribute DescribeSubnets DescribeRouteTables
            DescribeSecurityGroups DescribeSecurityGroupRules DescribeNetworkAcls
            DescribeNetworkInterfaces DescribeNatGateways DescribeInternetGateways
            DescribeEgressOnlyInternetGateways DescribeVpcEndpoints
            DescribeVpcPeeringConnections DescribeTransitGateways
            DescribeTransitGatewayAttachments DescribeTransitGatewayVpcAttachments
            DescribeTransitGatewayRouteTables SearchTransitGatewayRoutes DescribeVpnConnections
            DescribeAddresses DescribePrefixLists DescribeManagedPrefixLists
            GetManagedPrefixListEntries DescribeFlowLogs DescribeDhcpOptions
            DescribeAvailabilityZones DescribeRegions DescribeInstanceCreditSpecifications
            DescribeVpcBlockPublicAccessOptions DescribeVpcBlockPublicAccessExclusions
        """,
        "lambda": """
            ListFunctions GetFunctionConfiguration GetFunctionConcurrency ListVersionsByFunction
            ListAliases GetAlias ListEventSourceMappings GetEventSourceMapping
            GetFunctionEventInvokeConfig GetAccountSettings ListProvisionedConcurrencyConfigs
            GetProvisionedConcurrencyConfig GetPolicy
        """,
        "apigateway": """
            GetRestApis GetRestApi GetStages GetStage GetDeployments GetDeployment GetResources
            GetIntegration GetAuthorizers GetUsagePlans GetUsagePlan GetDomainNames
            GetBasePathMappings GetVpcLinks GetAccount
        """,
        "apigatewayv2": """
            GetApis GetApi GetStages GetStage GetRoutes GetIntegrations GetDeployments
            GetAuthorizers GetDomainNames GetApiMappings GetVpcLinks
        """,
        "s3": """
            ListBuckets HeadBucket GetBucketLocation GetBucketPolicy GetBucketPolicyStatus
            GetBucketAcl GetPublicAccessBlock GetBucketOwnershipControls GetBucketEncryption
            GetBucketVersioning GetBucketLogging GetBucketNotificationConfiguration
            GetBucketReplication GetBucketLifecycleConfiguration GetBucketTagging
            ListBucketMetricsConfigurations
        """,
        "s3control": """
            GetPublicAccessBlock ListAccessPoints GetAccessPoint GetAccessPointPolicyStatus
        """,
        "kms": "DescribeKey",
        "autoscaling": """
            DescribeAutoScalingGroups DescribeAutoScalingInstances DescribeScalingActivities
            DescribePolicies DescribeScheduledActions DescribeInstanceRefreshes
            DescribeLifecycleHooks DescribeWarmPool DescribeAccountLimits
        """,
        "cloudwatch": """
            DescribeAlarms DescribeAlarmHistory DescribeAlarmsForMetric DescribeAnomalyDetectors
            ListAlarmMuteRules GetAlarmMuteRule
            ListMetrics GetMetricData GetMetricStatistics
        """,
        "logs": """
            DescribeLogGroups DescribeLogStreams DescribeMetricFilters
            DescribeSubscriptionFilters DescribeQueries
        """,
        "cloudtrail": "LookupEvents DescribeTrails GetTrailStatus",
        "athena": """
            ListWorkGroups GetWorkGroup ListQueryExecutions GetQueryExecution
            BatchGetQueryExecution GetQueryRuntimeStatistics
        """,
        "glue": """
            GetDatabases GetTables GetTable GetTableVersions GetTableVersion GetPartitions
            GetCrawlers GetCrawler GetCrawlerMetrics GetJobRuns
        """,
        "sns": """
            ListTopics GetTopicAttributes ListSubscriptionsByTopic GetSubscriptionAttributes
        """,
        "sqs": """
            ListQueues GetQueueUrl GetQueueAttributes ListDeadLetterSourceQueues
            ListMessageMoveTasks
        """,
        "kinesis": "DescribeStreamSummary ListStreamConsumers",
        "stepfunctions": """
            DescribeStateMachine ListExecutions DescribeExecution ListStateMachineAliases
            DescribeStateMachineAlias
        """,
        "wafv2": """
            ListWebACLs GetWebACL GetWebACLForResource ListResourcesForWebACL ListIPSets
            GetIPSet GetRateBasedStatementManagedKeys
        """,
        "iam": """
            GetRole ListRolePolicies GetRolePolicy ListAttachedRolePolicies GetPolicy
            GetPolicyVersion ListPolicyVersions ListAccessKeys GetAccessKeyLastUsed
            GetAccountSummary ListUserPolicies GetUserPolicy ListAttachedUserPolicies
            SimulatePrincipalPolicy
        """,
        "signin": "ListSessions",
        "guardduty": "ListDetectors ListFindings GetFindings",
        "health": "DescribeEvents DescribeEventDetails DescribeAffectedEntities",
        "service-quotas": """
            ListServiceQuotas GetServiceQuota ListAWSDefaultServiceQuotas
            GetAWSDefaultServiceQuota ListRequestedServiceQuotaChangeHistory
        """,
        "codedeploy": """
            ListApplications ListDeploymentGroups BatchGetDeploymentGroups ListDeployments
            GetDeployment BatchGetDeployments ListDeploymentTargets BatchGetDeploymentTargets
        """,
        "cloudformation": "DescribeStacks DescribeStackEvents ListStacks",
        "events": "ListRules DescribeRule ListTargetsByRule",
        "cloudfront": "GetDistribution",
        "acm": "DescribeCertificate",
        "route53": """
            ListHealthChecks GetHealthCheckStatus ListHostedZones ListResourceRecordSetChanges
        """,
        "route53resolver": "GetResolverDnssecConfig",
        "resourcegroupstaggingapi": "GetResources",
    }
)
"""Client name → operations that a triage session may call. Answers are redacted besides."""

CONSENT: Mapping[str, frozenset[str]] = _table(
    {
        "logs": "FilterLogEvents GetLogEvents StartQuery StopQuery GetQueryResults",
        "s3": "ListObjectsV2 ListObjectVersions",
        "wafv2": "GetSampledRequests",
        "pi": "DescribeDimensionKeys",
    }
)
"""Reads that cost money or show content: allowed one by one, by name, when a session is opened."""

LOG_LINES = frozenset(f"logs:{operation}" for operation in CONSENT["logs"])
"""IAM actions that a place does without when its `logs` is false."""

BOUNDS: Mapping[str, frozenset[str]] = _table(
    {
        "logs.FilterLogEvents": "startTime endTime limit",
        "logs.GetLogEvents": "startTime limit",
        "logs.StartQuery": "startTime endTime limit",
        "s3.ListObjectsV2": "Prefix MaxKeys",
        "s3.ListObjectVersions": "Prefix MaxKeys",
    }
)
"""`service.Operation` → arguments without which a read has no end: a look always gives them."""

SECRET: Mapping[str, frozenset[str]] = _table(
    {
        "apigateway": "GetApiKey GetApiKeys GetClientCertificates GetExport GetSdk",
        "appsync": "ListApiKeys",
        "codeartifact": "GetAuthorizationToken",
        "cognito-identity": "GetCredentialsForIdentity",
        "dynamodb": """
            GetItem BatchGetItem Query Scan ExecuteStatement BatchExecuteStatement
            ExecuteTransaction TransactGetItems
        """,
        "ec2": "GetPasswordData GetConsoleOutput GetConsoleScreenshot DescribeInstanceAttribute",
        "ecr": "GetAuthorizationToken",
        "ecs": "ExecuteCommand",
        "glue": "GetConnection GetConnections GetEntityRecords GetUnfilteredTableMetadata",
        "iam": "GetAccountAuthorizationDetails CreateAccessKey CreateServiceSpecificCredential",
        "kinesis": "GetRecords",
        "kms": "Decrypt",
        "lambda": "GetFunction",
        "logs": "StartLiveTail GetLogRecord",
        "rds": "DownloadDBLogFilePortion",
        "rds-data": "ExecuteStatement BatchExecuteStatement ExecuteSql",
        "redshift-data": "ExecuteStatement BatchExecuteStatement GetStatementResult",
        "s3": "GetObject SelectObjectContent",
        "secretsmanager": "GetSecretValue BatchGetSecretValue",
        "sqs": "ReceiveMessage",
        "ssm": "GetParameter GetParameters GetParametersByPath GetParameterHistory",
        "stepfunctions": "GetExecutionHistory",
        "sts": """
            AssumeRole AssumeRoleWithSAML AssumeRoleWithWebIdentity GetFederationToken
            GetSessionToken
        """,
    }
)
"""Secrets, credentials, customer data: no session runs these, not even a commander's."""

ACTING: Mapping[str, frozenset[str]] = _table(
    {
        "apigateway": "TestInvokeMethod TestInvokeAuthorizer",
        "athena": "StartQueryExecution StopQueryExecution GetQueryResults",
        "autoscaling": "DescribeLaunchConfigurations",
        "ce": "GetCostAndUsage",
        "cloudformation": "DetectStackDrift DetectStackResourceDrift GetTemplate",
        "cloudtrail": "StartQuery GetQueryResults",
        "cloudwatch": "GetMetricWidgetImage",
        "codebuild": "BatchGetProjects",
        "codepipeline": "PollForJobs PollForThirdPartyJobs",
        "config": "DeliverConfigSnapshot",
        "ec2": "DescribeLaunchTemplateVersions StartNetworkInsightsAnalysis",
        "elasticache": "TestFailover TestMigration",
        "glue": "TestConnection",
        "iam": "GenerateCredentialReport",
        "lambda": "Invoke InvokeAsync",
        "ssm": "GetCommandInvocation",
        "stepfunctions": "GetActivityTask TestState",
        "support": "RefreshTrustedAdvisorCheck",
    }
)
"""Read-named, or harmless by their name, but they cost, consume, act, or show user data."""

UNASKED: Mapping[str, frozenset[str]] = _table(
    {
        "athena": """
            GetNamedQuery BatchGetNamedQuery GetPreparedStatement GetCalculationExecutionCode
        """,
        "ec2": """
            DescribeSpotInstanceRequests DescribeSpotFleetRequests GetLaunchTemplateData
            DescribeIpamExternalResourceVerificationTokens
        """,
        "glue": "GetJob GetJobs BatchGetJobs GetUserDefinedFunctions GetDashboardUrl",
        "lambda": "GetLayerVersion GetLayerVersionByArn",
        "pi": "GetDimensionKeyDetails GetPerformanceAnalysisReport",
        "s3": "ListObjects ListMultipartUploads ListParts",
        "sns": """
            ListPhoneNumbersOptedOut ListSMSSandboxPhoneNumbers ListOriginationNumbers
            GetEndpointAttributes ListEndpointsByPlatformApplication
            GetPlatformApplicationAttributes ListPlatformApplications
        """,
        "wafv2": "GetDecryptedAPIKey ListAPIKeys",
    }
)
"""Nobody needs them and they show customers, statements or keys: no pattern lets them through."""

_IAM_PREFIX = {
    "elbv2": "elasticloadbalancing",
    "service-quotas": "servicequotas",
    "resourcegroupstaggingapi": "tag",
    "accessanalyzer": "access-analyzer",
    "stepfunctions": "states",
    "apigatewayv2": "apigateway",
    "s3control": "s3",
}
_IAM_ACTION = {
    "s3.ListBuckets": "s3:ListAllMyBuckets",
    "s3.HeadBucket": "s3:ListBucket",
    "s3.ListObjectsV2": "s3:ListBucket",
    "s3.ListObjectVersions": "s3:ListBucketVersions",
    "s3.GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3control.GetPublicAccessBlock": "s3:GetAccountPublicAccessBlock",
    "s3.ListBucketMetricsConfigurations": "s3:GetMetricsConfiguration",
    "s3.GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3.GetBucketNotificationConfiguration": "s3:GetBucketNotification",
    "s3.GetBucketReplication": "s3:GetReplicationConfiguration",
    "s3.GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
    "lambda.Invoke": "lambda:InvokeFunction",
}


def is_read(service: str, operation: str) -> bool:
    """Whether the operation is on the list that every session may call."""
    return operation in ALLOW.get(service, frozenset())


def check(service: str, operation: str, consent: frozenset[str] = frozenset()) -> None:
    """Raise `Refused` unless the operation is a read, or one that was consented to by name.

    `consent` holds names such as `logs.StartQuery`; names that are not in `CONSENT` count nothing.
    """
    if is_read(service, operation):
        return
    name = f"{service}.{operation}"
    if operation in CONSENT.get(service, frozenset()):
        if name in consent:
            return
        raise Refused(f"{name} costs money or shows content: it is not part of a look")
    raise Refused(f"{name} is not on the list of reads; nothing was sent")


def consented(wanted: Iterable[str]) -> frozenset[str]:
    """The names of `CONSENT` whose IAM actions are among those that are wanted."""
    actions = set(wanted)
    return frozenset(
        f"{service}.{operation}"
        for service, operations in CONSENT.items()
        for operation in operations
        if iam_action(service, operation) in actions
    )


def check_bounds(service: str, operation: str, arguments: Mapping[str, object]) -> None:
    """Raise `Refused` when a read of content lacks one of its bounds."""
    missing = BOUNDS.get(f"{service}.{operation}", frozenset()) - arguments.keys()
    if missing:
        raise Refused(f"{service}.{operation} without {', '.join(sorted(missing))} has no end")


def check_act(service: str, operation: str) -> None:
    """Raise `Refused` for what no session runs: reading secrets, credentials, customer data."""
    if operation in SECRET.get(service, frozenset()):
        raise Refused(f"{service}.{operation} hands out secrets or customer data; nothing was sent")


def iam_action(service: str, operation: str) -> str:
    """The IAM action behind an operation, which is not always its name (moto §3.4.6)."""
    if service in {"apigateway", "apigatewayv2"} and operation.startswith("Get"):
        return "apigateway:GET"
    known = _IAM_ACTION.get(f"{service}.{operation}")
    return known or f"{_IAM_PREFIX.get(service, service)}:{operation}"


def iam_actions(operations: Iterable[str] = ()) -> tuple[str, ...]:
    """IAM actions, sorted, for `service.Operation` names; without any: for all of `ALLOW`."""
    names = [name.partition(".") for name in operations]
    pairs = [(service, operation) for service, _, operation in names] or [
        (service, operation) for service, table in ALLOW.items() for operation in table
    ]
    return tuple(sorted({iam_action(*pair) for pair in pairs}))
