"""Which calls change what, how risky that is, and where the name of the changed thing stands.

Source: catalogue B §6.1 and §6.3; CloudTrail User Guide (the form of an event; Lambda's names carry
the date of its API). What is not in the table is told by its own name, with the risk of a stranger.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from probes.trail import ApiEvent

UNKNOWN_RISK = 0.3
MILD = 0.05
_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z]+")

_NOISE = re.compile(
    r"^(AssumeRole\w*|Decrypt|Encrypt|GenerateDataKey\w*|CreateGrant|CreateLogStream|PutLogEvents"
    r"|UpdateInstanceInformation|SendCommand|UpdateInstanceAssociationStatus|PutInventory"
    r"|RegisterContainerInstance|SubmitTaskStateChange|SubmitContainerStateChange|StartQuery"
    r"|GetSessionToken|GetFederationToken|ConsoleLogin|CreateNetworkInterface|DeleteNetworkInterface"
    r"|SharedSnapshot\w*|PutMetricData|PutEvaluations|CreateDataChannel|CreateControlChannel"
    r"|StartQueryExecution|SwitchRole|ExitRole|PutComplianceItems|RefreshSession\w*)$"
)
_SERVICES_OWN = re.compile(
    r"^(RunInstances|TerminateInstances|RunTask|StopTask|RegisterTargets"
    r"|DeregisterTargets|PutMetricAlarm|DeleteAlarms|CreateTags|DeleteTags)$"
)
"""Noise when a service of AWS does it by itself."""
_MILD = re.compile(
    r"Tag(s|Resource|Role|User)?(OnResource)?$|Description|^(Create|Delete)LogGroup$|RetentionPolicy"
    r"|^(Create|Delete|Copy)(DB)?(Cluster)?Snapshot|^PutDashboards?$|^RegisterTaskDefinition$"
    r"|^DeregisterTaskDefinition$|^(Start|Stop)Logging$|^PutQueryDefinition$"
)
"""Tags, descriptions, snapshots: they break nothing."""

_TABLE = """
ecs UpdateService ecs.deployment 1 service
ecs CreateService ecs.deployment 0.8 serviceName
ecs DeleteService ecs.delete 1 service
ecs StopTask ecs.stop_task 0.8 task
ecs StopServiceDeployment ecs.deployment 0.8 serviceDeploymentArn
ecs ContinueServiceDeployment ecs.deployment 0.8 serviceDeploymentArn
ecs UpdateClusterSettings ecs.cluster 0.5 cluster
ecs PutClusterCapacityProviders ecs.cluster 1 cluster
lambda UpdateFunctionCode lambda.code 1 functionName
lambda UpdateFunctionConfiguration lambda.configuration 1 functionName
lambda PublishVersion lambda.version 0.3 functionName
lambda UpdateAlias lambda.alias 1 functionName
lambda CreateAlias lambda.alias 0.5 functionName
lambda DeleteAlias lambda.delete 1 functionName
lambda DeleteFunction lambda.delete 1 functionName
lambda PutFunctionConcurrency lambda.concurrency 1 functionName
lambda DeleteFunctionConcurrency lambda.concurrency 0.5 functionName
lambda RemovePermission lambda.permission 1 functionName
lambda AddPermission lambda.permission 0.3 functionName
lambda UpdateEventSourceMapping lambda.event_source 0.8 uUID
lambda DeleteEventSourceMapping lambda.event_source 1 uUID
apigateway CreateDeployment apigateway.stage 1 restApiId,apiId
apigateway UpdateStage apigateway.stage 1 restApiId,apiId
apigateway PutIntegration apigateway.integration 1 restApiId,apiId
apigateway UpdateIntegration apigateway.integration 1 restApiId,apiId
apigateway DeleteRestApi apigateway.delete 1 restApiId
ec2 AuthorizeSecurityGroupIngress ec2.security_group 0.3 groupId
ec2 AuthorizeSecurityGroupEgress ec2.security_group 0.3 groupId
ec2 RevokeSecurityGroupIngress ec2.security_group 1 groupId
ec2 RevokeSecurityGroupEgress ec2.security_group 1 groupId
ec2 ModifySecurityGroupRules ec2.security_group 1 groupId
ec2 DeleteSecurityGroup ec2.security_group 1 groupId
ec2 ModifyNetworkInterfaceAttribute ec2.interface 1 networkInterfaceId
ec2 CreateNetworkAclEntry ec2.network_acl 1 networkAclId
ec2 ReplaceNetworkAclEntry ec2.network_acl 1 networkAclId
ec2 DeleteNetworkAclEntry ec2.network_acl 1 networkAclId
ec2 ReplaceNetworkAclAssociation ec2.network_acl 1 networkAclId
ec2 CreateRoute ec2.route 0.8 routeTableId
ec2 ReplaceRoute ec2.route 1 routeTableId
ec2 DeleteRoute ec2.route 1 routeTableId
ec2 ReplaceRouteTableAssociation ec2.route 1 routeTableId
ec2 DisassociateRouteTable ec2.route 1 associationId
ec2 DeleteNatGateway ec2.nat_gateway 1 natGatewayId
ec2 DeleteVpcEndpoints ec2.vpc_endpoint 1 vpcEndpointId
ec2 ModifyVpcEndpoint ec2.vpc_endpoint 0.8 vpcEndpointId
ec2 DeleteVpcPeeringConnection ec2.peering 1 vpcPeeringConnectionId
ec2 TerminateInstances ec2.instance 0.8 instanceId
ec2 StopInstances ec2.instance 0.8 instanceId
ec2 RebootInstances ec2.instance 0.8 instanceId
ec2 RunInstances ec2.instance 0.3 instanceId
ec2 ModifyInstanceAttribute ec2.instance 0.8 instanceId
elbv2 ModifyListener elbv2.listener 0.8 listenerArn
elbv2 ModifyRule elbv2.listener 0.8 ruleArn
elbv2 DeleteRule elbv2.listener 0.8 ruleArn
elbv2 DeleteListener elbv2.listener 1 listenerArn
elbv2 ModifyTargetGroup elbv2.target_group 0.8 targetGroupArn
elbv2 ModifyTargetGroupAttributes elbv2.target_group 0.8 targetGroupArn
elbv2 RegisterTargets elbv2.target_group 0.3 targetGroupArn
elbv2 DeregisterTargets elbv2.target_group 0.8 targetGroupArn
elbv2 ModifyLoadBalancerAttributes elbv2.load_balancer 0.8 loadBalancerArn
elbv2 SetSecurityGroups elbv2.load_balancer 1 loadBalancerArn
elbv2 SetSubnets elbv2.load_balancer 0.8 loadBalancerArn
elbv2 DeleteLoadBalancer elbv2.delete 1 loadBalancerArn
rds ModifyDBInstance rds.configuration 0.8 dBInstanceIdentifier
rds ModifyDBCluster rds.configuration 0.8 dBClusterIdentifier
rds RebootDBInstance rds.restart 0.8 dBInstanceIdentifier
rds RebootDBCluster rds.restart 0.8 dBClusterIdentifier
rds FailoverDBCluster rds.failover 0.8 dBClusterIdentifier
rds StopDBInstance rds.restart 1 dBInstanceIdentifier
rds DeleteDBInstance rds.delete 1 dBInstanceIdentifier
rds DeleteDBCluster rds.delete 1 dBClusterIdentifier
rds ModifyDBParameterGroup rds.parameter_group 1 dBParameterGroupName
rds ModifyDBClusterParameterGroup rds.parameter_group 1 dBClusterParameterGroupName
rds ResetDBParameterGroup rds.parameter_group 1 dBParameterGroupName
elasticache ModifyReplicationGroup elasticache.configuration 0.8 replicationGroupId
elasticache ModifyCacheCluster elasticache.configuration 0.8 cacheClusterId
elasticache TestFailover elasticache.failover 0.8 replicationGroupId
elasticache RebootCacheCluster elasticache.restart 0.8 cacheClusterId
elasticache ModifyCacheParameterGroup elasticache.parameter_group 1 cacheParameterGroupName
elasticache DecreaseReplicaCount elasticache.scaling 0.5 replicationGroupId
elasticache IncreaseReplicaCount elasticache.scaling 0.3 replicationGroupId
elasticache DeleteReplicationGroup elasticache.delete 1 replicationGroupId
dynamodb UpdateTable dynamodb.capacity 0.5 tableName
dynamodb DeleteTable dynamodb.delete 1 tableName
dynamodb UpdateTimeToLive dynamodb.ttl 0.5 tableName
application-autoscaling RegisterScalableTarget application-autoscaling.scaling 0.5 resourceId
application-autoscaling PutScalingPolicy application-autoscaling.scaling 0.5 resourceId
application-autoscaling DeregisterScalableTarget application-autoscaling.scaling 0.8 resourceId
autoscaling UpdateAutoScalingGroup autoscaling.configuration 0.8 autoScalingGroupName
autoscaling SetDesiredCapacity autoscaling.scaling 0.5 autoScalingGroupName
autoscaling SuspendProcesses autoscaling.configuration 0.8 autoScalingGroupName
autoscaling StartInstanceRefresh autoscaling.refresh 0.8 autoScalingGroupName
autoscaling TerminateInstanceInAutoScalingGroup autoscaling.scaling 0.5 instanceId
iam PutRolePolicy iam.role 0.8 roleName
iam DeleteRolePolicy iam.role 1 roleName
iam AttachRolePolicy iam.role 0.5 roleName
iam DetachRolePolicy iam.role 1 roleName
iam UpdateAssumeRolePolicy iam.role 1 roleName
iam PutRolePermissionsBoundary iam.role 1 roleName
iam DeleteRole iam.role 1 roleName
iam CreatePolicyVersion iam.policy 0.8 policyArn
iam SetDefaultPolicyVersion iam.policy 1 policyArn
iam PutUserPolicy iam.user 0.8 userName
iam DetachUserPolicy iam.user 1 userName
iam UpdateAccessKey iam.user 1 userName
iam DeleteAccessKey iam.user 1 userName
iam CreateAccessKey iam.user 0.5 userName
organizations AttachPolicy organizations.policy 1 targetId
s3 PutBucketPolicy s3.policy 0.5 bucketName
s3 DeleteBucketPolicy s3.policy 0.8 bucketName
s3 PutBucketAcl s3.policy 0.5 bucketName
s3 PutBucketPublicAccessBlock s3.policy 0.5 bucketName
s3 DeleteBucketPublicAccessBlock s3.policy 0.5 bucketName
s3 PutAccountPublicAccessBlock s3.policy 0.8 -
s3 PutBucketLifecycle s3.lifecycle 0.8 bucketName
s3 DeleteBucket s3.delete 1 bucketName
kms DisableKey kms.key 1 keyId
kms ScheduleKeyDeletion kms.key 1 keyId
kms PutKeyPolicy kms.key 1 keyId
secretsmanager PutSecretValue secretsmanager.rotation 1 -
secretsmanager RotateSecret secretsmanager.rotation 1 -
secretsmanager UpdateSecret secretsmanager.rotation 1 -
secretsmanager DeleteSecret secretsmanager.delete 1 -
ssm PutParameter ssm.parameter 0.8 name
ssm DeleteParameter ssm.parameter 1 name
appconfig StartDeployment appconfig.flag 0.8 applicationId
route53 ChangeResourceRecordSets route53.record 1 hostedZoneId
route53resolver UpdateResolverDnssecConfig route53.resolver 1 resourceId
wafv2 UpdateWebACL wafv2.rule 0.8 name
wafv2 UpdateIPSet wafv2.rule 0.8 name
wafv2 UpdateRuleGroup wafv2.rule 0.8 name
cloudfront UpdateDistribution cloudfront.distribution 1 id
acm DeleteCertificate acm.certificate 1 certificateArn
cloudformation UpdateStack cloudformation.stack 0.8 stackName
cloudformation ExecuteChangeSet cloudformation.stack 0.8 stackName
cloudformation DeleteStack cloudformation.stack 1 stackName
codedeploy CreateDeployment codedeploy.deployment 1 applicationName
codedeploy StopDeployment codedeploy.deployment 0.5 deploymentId
sns DeleteTopic sns.topic 1 topicArn
sns Unsubscribe sns.topic 0.8 subscriptionArn
sns SetTopicAttributes sns.topic 0.5 topicArn
sqs DeleteQueue sqs.queue 1 queueUrl
sqs PurgeQueue sqs.queue 0.8 queueUrl
sqs SetQueueAttributes sqs.queue 0.8 queueUrl
events PutRule events.rule 0.5 name
events DisableRule events.rule 0.8 name
events DeleteRule events.rule 0.8 name
athena UpdateWorkGroup athena.workgroup 0.8 workGroup
glue UpdateTable glue.table 0.8 tableInput.name,name
glue DeleteTable glue.table 1 name
logs DeleteLogGroup logs.delete 0.3 logGroupName
cloudwatch PutMetricAlarm cloudwatch.alarm 0.05 alarmName
cloudwatch DisableAlarmActions cloudwatch.alarm 0.05 alarmNames
cloudtrail StopLogging cloudtrail.trail 0.3 name
"""


@dataclass(frozen=True, slots=True)
class CallKind:
    """What a call is about."""

    kind: str
    risk: float
    named_by: tuple[str, ...] = ()
    """Parameters that may hold the resource's name."""


def _read(table: str) -> Mapping[tuple[str, str], CallKind]:
    found = {}
    for line in table.split("\n"):
        if line:
            service, name, kind, risk, named = line.split()
            names = () if named == "-" else tuple(named.split(","))
            found[service, name] = CallKind(kind, float(risk), names)
    return MappingProxyType(found)


CALLS = _read(_TABLE)
"""(client, operation) → what it is about."""

_ASKED = """
UpdateService RevokeSecurityGroupIngress UpdateFunctionCode20150331v2 UpdateAlias20150331
UpdateFunctionConfiguration20150331v2 DeleteNetworkAclEntry ReplaceNetworkAclEntry
CreateNetworkAclEntry DeleteRoute ReplaceRoute ModifyDBParameterGroup ModifyDBInstance
DetachRolePolicy DeleteRolePolicy PutRolePolicy ChangeResourceRecordSets PutBucketPolicy
ModifyListener ModifyTargetGroup DeregisterTargets RevokeSecurityGroupEgress
AuthorizeSecurityGroupIngress ModifySecurityGroupRules CreateDeployment PutSecretValue
PutParameter DisableKey ScheduleKeyDeletion UpdateTable ModifyReplicationGroup
ModifyCacheParameterGroup UpdateStack ExecuteChangeSet UpdateAutoScalingGroup UpdateWebACL
CreatePolicyVersion SetDefaultPolicyVersion UpdateStage RebootDBInstance FailoverDBCluster
"""
ASKED = tuple(_ASKED.split())
"""Event names to ask for one by one when pages are full of noise, the most dangerous first."""


def is_noise(event: ApiEvent) -> bool:
    """Heartbeats, tokens, log streams, and what services do by themselves all day. What failed for
    want of a right is none: bursts of it are told.
    """
    if event.error:
        return False
    if event.by == "service" and _SERVICES_OWN.match(event.name):
        return True
    return bool(_NOISE.match(event.name))


def call_of(event: ApiEvent) -> CallKind:
    """What a call is about; what no table has by its own name."""
    known = CALLS.get((event.service, event.name))
    if known is None:
        words = "_".join(_WORDS.findall(event.name)).lower()
        known = CallKind(f"{event.service}.{words}", UNKNOWN_RISK)
    if _MILD.search(event.name):
        return CallKind(known.kind, MILD, known.named_by)
    return known


def resource_of(event: ApiEvent) -> str:
    """The name of what was changed; empty: the event does not say."""
    for name in call_of(event).named_by:
        value: object = event.parameters
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if isinstance(value, list):
            value = value[0] if value else ""
        if isinstance(value, str) and value:
            return value
    return event.resources[0] if event.resources else ""
