"""AWS answers with every member that the probes of databases, caches, tables and paths read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cockpit.connect.aws.settings import VpcEnd, VpcPathSettings
from cockpit.triage.target import Target
from tests.probes.fake_aws import ago, target

INSTANCE = {
    "DBInstanceIdentifier": "orders",
    "DBInstanceStatus": "available",
    "DBInstanceClass": "db.r5.large",
    "Engine": "postgres",
    "AvailabilityZone": "us-east-1a",
    "MultiAZ": True,
    "PercentProgress": "40",
    "AllocatedStorage": 100,
    "MaxAllocatedStorage": 1000,
    "Iops": 3000,
    "StorageType": "gp3",
    "ReadReplicaSourceDBInstanceIdentifier": "orders-old",
    "PendingModifiedValues": {"AllocatedStorage": 200, "MasterUserPassword": "hunter2"},
    "DBParameterGroups": [{"DBParameterGroupName": "orders-pg", "ParameterApplyStatus": "in-sync"}],
    "StatusInfos": [{"Normal": False, "Status": "error", "Message": "log is gone"}],
    "CertificateDetails": {"ValidTill": ago(days=-300)},
    "MasterUserSecret": {"SecretStatus": "active"},
    "PreferredMaintenanceWindow": "sat:02:00-sat:04:00",
    "PreferredBackupWindow": "05:00-06:00",
    "PerformanceInsightsEnabled": True,
}
RDS_EVENT = {
    "SourceIdentifier": "orders",
    "Message": "DB instance restarted",
    "Date": ago(minutes=3),
    "EventCategories": ["Availability"],
}
ACTION = {
    "ResourceIdentifier": "arn:aws:rds:us-east-1:1:db:orders",
    "PendingMaintenanceActionDetails": [
        {
            "Action": "os-upgrade",
            "Description": "New OS",
            "AutoAppliedAfterDate": ago(days=-7),
            "CurrentApplyDate": ago(days=-6),
            "ForcedApplyDate": ago(days=-9),
        }
    ],
}
RDS = {
    "rds.DescribeDBInstances": [INSTANCE],
    "rds.DescribeEvents": [RDS_EVENT],
    "rds.DescribePendingMaintenanceActions": [ACTION],
    "rds.DescribeDBParameters": [
        {"ParameterName": "max_connections", "ParameterValue": "100"},
    ],
}
CLUSTER = {
    "DBClusterIdentifier": "shop",
    "Status": "available",
    "Engine": "aurora-postgresql",
    "EngineMode": "provisioned",
    "DBClusterMembers": [
        {"DBInstanceIdentifier": "orders", "IsClusterWriter": True},
        {"DBInstanceIdentifier": "orders-2", "IsClusterWriter": False},
    ],
    "ReplicationSourceIdentifier": "arn:aws:rds:eu-west-1:1:cluster:shop",
    "GlobalWriteForwardingStatus": "Enabled",
    "ServerlessV2ScalingConfiguration": {"MaxCapacity": 16.5},
    "PendingModifiedValues": {"EngineVersion": "16.4"},
    "PreferredMaintenanceWindow": "sat:02:00-sat:04:00",
}
AURORA = RDS | {
    "rds.DescribeDBClusters": [CLUSTER],
    "rds.DescribeDBInstances": [INSTANCE, {**INSTANCE, "DBInstanceIdentifier": "orders-2"}],
}

NODES = [
    {
        "CacheNodeId": "0001",
        "CacheNodeStatus": "available",
        "CustomerAvailabilityZone": "us-east-1b",
    }
]
CACHE = {
    "CacheClusterId": "shop-001",
    "CacheClusterStatus": "available",
    "CacheNodeType": "cache.r6g.large",
    "Engine": "redis",
    "NumCacheNodes": 1,
    "PreferredAvailabilityZone": "us-east-1a",
    "PendingModifiedValues": {"CacheNodeType": "cache.r6g.xlarge"},
    "SnapshotWindow": "05:00-09:00",
    "CacheNodes": NODES,
}
CACHE_EVENT = {
    "SourceIdentifier": "shop",
    "Message": "Failover from primary node shop-001 to replica node shop-002 completed",
    "Date": ago(minutes=4),
}
UPDATE = {
    "ReplicationGroupId": "shop",
    "CacheClusterId": "alone",
    "ServiceUpdateName": "redis-patch",
    "ServiceUpdateSeverity": "Critical",
    "UpdateActionStatus": "Not-Applied",
    "ServiceUpdateRecommendedApplyByDate": ago(days=1),
}
GROUP = {
    "elasticache.DescribeReplicationGroups": [
        {
            "ReplicationGroupId": "shop",
            "Status": "available",
            "AutomaticFailover": "enabled",
            "MultiAZ": "enabled",
            "CacheNodeType": "cache.r6g.large",
            "ClusterEnabled": False,
            "Engine": "valkey",
            "PendingModifiedValues": {"AutomaticFailoverStatus": "disabled"},
            "SnapshotWindow": "05:00-09:00",
            "MemberClusters": ["shop-001", "shop-002"],
            "NodeGroups": [
                {
                    "NodeGroupId": "0001",
                    "Status": "available",
                    "NodeGroupMembers": [
                        {
                            "CacheClusterId": "shop-001",
                            "CacheNodeId": "0001",
                            "CurrentRole": "primary",
                            "PreferredAvailabilityZone": "us-east-1a",
                        }
                    ],
                }
            ],
        }
    ],
    "elasticache.DescribeCacheClusters": [CACHE, {**CACHE, "CacheClusterId": "shop-002"}],
    "elasticache.DescribeEvents": [CACHE_EVENT],
    "elasticache.DescribeUpdateActions": [UPDATE],
}
ALONE = {
    "elasticache.DescribeCacheClusters": [{**CACHE, "CacheClusterId": "alone"}],
    "elasticache.DescribeUpdateActions": [UPDATE],
}
SERVERLESS = {
    "elasticache.DescribeServerlessCaches": [
        {
            "ServerlessCacheName": "Shop",
            "Status": "AVAILABLE",
            "Engine": "valkey",
            "CacheUsageLimits": {
                "DataStorage": {"Maximum": 10},
                "ECPUPerSecond": {"Maximum": 1000},
            },
        }
    ],
}

THROUGHPUT = {
    "ReadCapacityUnits": 50,
    "WriteCapacityUnits": 100,
    "LastIncreaseDateTime": ago(hours=1),
    "LastDecreaseDateTime": ago(days=20_000),
    "NumberOfDecreasesToday": 2,
}
DIMENSION = "dynamodb:table:WriteCapacityUnits"
TABLE = {
    "TableName": "orders",
    "TableStatus": "ACTIVE",
    "BillingModeSummary": {
        "BillingMode": "PROVISIONED",
        "LastUpdateToPayPerRequestDateTime": ago(days=9),
    },
    "ProvisionedThroughput": THROUGHPUT,
    "OnDemandThroughput": {"MaxReadRequestUnits": -1, "MaxWriteRequestUnits": 4000},
    "WarmThroughput": {"ReadUnitsPerSecond": 12000, "WriteUnitsPerSecond": 4000},
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "by-customer",
            "IndexStatus": "CREATING",
            "Backfilling": True,
            "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 6},
        }
    ],
    "Replicas": [{"RegionName": "eu-west-1", "ReplicaStatus": "ACTIVE"}],
}
DYNAMODB = {
    "dynamodb.DescribeTable": {"Table": TABLE},
    "application-autoscaling.DescribeScalableTargets": [
        {
            "ResourceId": "table/orders",
            "ScalableDimension": DIMENSION,
            "MinCapacity": 10,
            "MaxCapacity": 100,
            "SuspendedState": {"DynamicScalingOutSuspended": True},
        },
        {
            "ResourceId": "table/orders/index/by-customer",
            "ScalableDimension": "dynamodb:index:ReadCapacityUnits",
            "MinCapacity": 1,
            "MaxCapacity": 2,
        },
    ],
    "application-autoscaling.DescribeScalingPolicies": [
        {
            "ResourceId": "table/orders",
            "ScalableDimension": DIMENSION,
            "TargetTrackingScalingPolicyConfiguration": {"TargetValue": 70.0},
        }
    ],
    "application-autoscaling.DescribeScalingActivities": {
        "ScalingActivities": [
            {
                "StartTime": ago(minutes=5),
                "StatusCode": "Failed",
                "Description": "Setting write capacity",
                "StatusMessage": "quota",
                "NotScaledReasons": [{"Code": "AlreadyAtMaxCapacity"}],
            }
        ]
    },
}

PERMISSION = {
    "IpProtocol": "tcp",
    "FromPort": 5432,
    "ToPort": 5433,
    "IpRanges": [{"CidrIp": "10.0.0.0/16"}],
    "Ipv6Ranges": [{"CidrIpv6": "fd00::/8"}],
    "PrefixListIds": [{"PrefixListId": "pl-1"}],
    "UserIdGroupPairs": [{"GroupId": "sg-app", "PeeringStatus": "active"}],
}
VPC = {
    "ec2.DescribeNetworkInterfaces": [
        {
            "NetworkInterfaceId": "eni-1",
            "SubnetId": "app-a",
            "VpcId": "vpc-1",
            "InterfaceType": "interface",
            "Description": "web",
            "PrivateIpAddress": "10.0.11.7",
            "PrivateIpAddresses": [
                {"PrivateIpAddress": "10.0.11.8", "Association": {"PublicIp": "198.51.100.8"}}
            ],
            "Ipv6Addresses": [{"Ipv6Address": "fd00::7"}],
            "Association": {"PublicIp": "198.51.100.9"},
            "Groups": [{"GroupId": "sg-app"}],
        }
    ],
    "ec2.DescribeVpcs": [
        {
            "VpcId": "vpc-1",
            "CidrBlock": "10.0.0.0/16",
            "CidrBlockAssociationSet": [{"CidrBlock": "10.1.0.0/16"}],
            "Ipv6CidrBlockAssociationSet": [{"Ipv6CidrBlock": "fd00::/56"}],
        }
    ],
    "ec2.DescribeSubnets": [
        {
            "SubnetId": "app-a",
            "VpcId": "vpc-1",
            "AvailabilityZone": "us-east-1a",
            "CidrBlock": "10.0.11.0/24",
            "AvailableIpAddressCount": 99,
            "Ipv6CidrBlockAssociationSet": [
                {"Ipv6CidrBlock": "fd00::/64", "Ipv6CidrBlockState": {"State": "associated"}}
            ],
            "Tags": [{"Key": "Name", "Value": "app a"}],
        }
    ],
    "ec2.DescribeRouteTables": [
        {
            "RouteTableId": "rtb-1",
            "VpcId": "vpc-1",
            "Associations": [{"Main": True}, {"SubnetId": "app-a"}],
            "Routes": [
                {
                    "DestinationCidrBlock": "10.0.0.0/16",
                    "GatewayId": "local",
                    "State": "active",
                    "Origin": "CreateRouteTable",
                },
                {"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1"},
                {"DestinationPrefixListId": "pl-2", "GatewayId": "vpce-1"},
                {"DestinationIpv6CidrBlock": "::/0", "EgressOnlyInternetGatewayId": "eigw-1"},
                {"DestinationPrefixListId": "pl-1", "VpcPeeringConnectionId": "pcx-1"},
                {"DestinationCidrBlock": "10.2.0.0/16", "TransitGatewayId": "tgw-1"},
                {"DestinationCidrBlock": "10.3.0.0/16", "NetworkInterfaceId": "eni-9"},
                {"DestinationCidrBlock": "10.4.0.0/16", "InstanceId": "i-1"},
                {"DestinationCidrBlock": "10.5.0.0/16", "LocalGatewayId": "lgw-1"},
                {"DestinationCidrBlock": "10.6.0.0/16", "CarrierGatewayId": "cagw-1"},
                {"DestinationCidrBlock": "10.7.0.0/16", "CoreNetworkArn": "arn:aws:x"},
            ],
        }
    ],
    "ec2.DescribeNetworkAcls": [
        {
            "NetworkAclId": "acl-1",
            "IsDefault": True,
            "Associations": [{"SubnetId": "app-a"}],
            "Entries": [
                {
                    "RuleNumber": 100,
                    "Egress": True,
                    "RuleAction": "allow",
                    "Protocol": "6",
                    "CidrBlock": "0.0.0.0/0",
                    "PortRange": {"From": 1, "To": 9},
                },
                {
                    "RuleNumber": 101,
                    "Egress": False,
                    "RuleAction": "deny",
                    "Protocol": "1",
                    "Ipv6CidrBlock": "::/0",
                    "IcmpTypeCode": {"Type": 8, "Code": -1},
                },
            ],
        }
    ],
    "ec2.DescribeSecurityGroups": [
        {
            "GroupId": "sg-app",
            "GroupName": "app",
            "VpcId": "vpc-1",
            "IpPermissions": [PERMISSION],
            "IpPermissionsEgress": [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}],
        }
    ],
    "ec2.DescribeSecurityGroupRules": [
        {
            "SecurityGroupRuleId": "sgr-1",
            "GroupId": "sg-app",
            "IsEgress": False,
            "IpProtocol": "tcp",
            "FromPort": 5432,
            "ToPort": 5433,
            "CidrIpv4": "10.0.0.0/16",
        },
        {
            "SecurityGroupRuleId": "sgr-2",
            "GroupId": "sg-app",
            "IpProtocol": "tcp",
            "FromPort": 5432,
            "ToPort": 5433,
            "CidrIpv6": "fd00::/8",
        },
        {
            "SecurityGroupRuleId": "sgr-3",
            "GroupId": "sg-app",
            "IpProtocol": "tcp",
            "FromPort": 5432,
            "ToPort": 5433,
            "PrefixListId": "pl-1",
        },
        {
            "SecurityGroupRuleId": "sgr-4",
            "GroupId": "sg-app",
            "IpProtocol": "tcp",
            "FromPort": 5432,
            "ToPort": 5433,
            "ReferencedGroupInfo": {"GroupId": "sg-app"},
        },
    ],
    "ec2.DescribeInternetGateways": [
        {
            "InternetGatewayId": "igw-1",
            "Attachments": [{"VpcId": "vpc-1", "State": "available"}],
        }
    ],
    "ec2.DescribeNatGateways": [
        {
            "NatGatewayId": "nat-1",
            "SubnetId": "app-a",
            "State": "failed",
            "ConnectivityType": "private",
            "AvailabilityMode": "zonal",
            "FailureCode": "InsufficientFreeAddressesInSubnet",
            "FailureMessage": "no addresses",
            "NatGatewayAddresses": [{"PrivateIp": "10.0.11.200"}],
        }
    ],
    "ec2.DescribeVpcEndpoints": [
        {
            "VpcEndpointId": "vpce-1",
            "VpcEndpointType": "Gateway",
            "State": "Available",
            "NetworkInterfaceIds": ["eni-2"],
        }
    ],
    "ec2.DescribeVpcBlockPublicAccessOptions": {
        "VpcBlockPublicAccessOptions": {
            "InternetGatewayBlockMode": "block-ingress",
            "State": "update-complete",
        }
    },
    "ec2.DescribeVpcBlockPublicAccessExclusions": [
        {
            "ResourceArn": "arn:aws:ec2:eu-west-1:1:vpc/vpc-1",
            "InternetGatewayExclusionMode": "allow-egress",
            "State": "create-complete",
        }
    ],
    "ec2.DescribeVpcPeeringConnections": [
        {
            "VpcPeeringConnectionId": "pcx-1",
            "Status": {"Code": "active"},
            "RequesterVpcInfo": {"VpcId": "vpc-1"},
            "AccepterVpcInfo": {"VpcId": "vpc-2"},
        }
    ],
    "ec2.GetManagedPrefixListEntries": [{"Cidr": "192.0.2.0/24"}],
}
PATH = Target(
    name="path",
    kind="vpc_path",
    settings=VpcPathSettings(
        aws="prod",
        source=VpcEnd(interface="eni-1"),
        destination=VpcEnd(cidr="192.0.2.1/32"),
        port=5432,
    ),
)


@dataclass(frozen=True, slots=True)
class Full:
    """A probe's id, a target, and what AWS answers about it."""

    probe: str
    target: Target
    answers: dict[str, Any]


FULL = {
    "an instance": Full("rds.status", target("rds", "orders"), RDS),
    "a cluster of instances": Full("rds.status", target("rds", "shop"), AURORA),
    "a replication group": Full("elasticache.status", target("elasticache", "shop"), GROUP),
    "a cache cluster": Full("elasticache.status", target("elasticache", "alone"), ALONE),
    "a serverless cache": Full("elasticache.status", target("elasticache", "shop"), SERVERLESS),
    "a table": Full("dynamodb.table", target("dynamodb_table", "orders"), DYNAMODB),
    "a path": Full("vpc_path.config", PATH, VPC),
}
