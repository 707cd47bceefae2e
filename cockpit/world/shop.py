"""The healthy shop, put into moto through its API, with ids that are known beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cockpit.world import layout, mutate
from cockpit.world.clients import WorldClients
from cockpit.world.layout import CHECKOUT, GROUPS, SEARCH, ServicePlan, subnet
from cockpit.world.net import Issued
from cockpit.world.scenario import PARTS

_SECRET = "not-a-password"
_EVERYWHERE = "0.0.0.0/0"
Permission = dict[str, Any]


class Placement:
    """Creates the shop. `certificates`: those that ACM shall hold, by their names in the layout."""

    def __init__(self, clients: WorldClients, certificates: dict[str, Issued]) -> None:
        self._aws = clients
        self._certificates = certificates
        self.listener = ""
        """The ARN of the balancer's HTTPS listener."""

    def everything(self, parts: Sequence[str] = PARTS) -> None:
        """What these parts have of the network, the balancer, the databases, the tables."""
        if "network" in parts:
            self._network()
        if "services" in parts:
            self._balancer()
        if "databases" in parts:
            self._databases()
            self._table()

    def billing(self, clients: WorldClients) -> None:
        """The other account's table."""
        clients("dynamodb", "create_table", TableName=layout.INVOICES, **throughput(20, 20))

    def _network(self) -> None:
        aws = self._aws
        mutate.let_routes_die()
        aws("ec2", "describe_vpcs")  # moto makes its default VPC at the first call, with any id
        with mutate.next_id("vpc", layout.VPC):
            aws("ec2", "create_vpc", CidrBlock=layout.CIDR)
        for one in layout.SUBNETS:
            with mutate.next_id("subnet", one.id):
                aws(
                    "ec2",
                    "create_subnet",
                    VpcId=layout.VPC,
                    CidrBlock=one.cidr,
                    AvailabilityZone=one.zone,
                    TagSpecifications=_named("subnet", one.name),
                )
        self._routes()
        for name, group in GROUPS.items():
            with mutate.next_id("group", group):
                aws(
                    "ec2",
                    "create_security_group",
                    GroupName=name,
                    Description=f"{name} of the shop",
                    VpcId=layout.VPC,
                )
        self._rules()
        self._interfaces()

    def _routes(self) -> None:
        aws = self._aws
        gateway = aws("ec2", "create_internet_gateway")["InternetGateway"]["InternetGatewayId"]
        aws("ec2", "attach_internet_gateway", InternetGatewayId=gateway, VpcId=layout.VPC)
        address = aws("ec2", "allocate_address", Domain="vpc")["AllocationId"]
        with mutate.next_id("nat", layout.NAT):
            aws("ec2", "create_nat_gateway", SubnetId=subnet("public-a"), AllocationId=address)
        for name, table, target in (
            ("public", "rtb-0c0ffee0000000b99", {"GatewayId": gateway}),
            ("app", layout.APP_ROUTES, {"NatGatewayId": layout.NAT}),
        ):
            with mutate.next_id("routes", table):
                aws("ec2", "create_route_table", VpcId=layout.VPC)
            aws(
                "ec2",
                "create_route",
                RouteTableId=table,
                DestinationCidrBlock=_EVERYWHERE,
                **target,
            )
            for letter in "ab":
                place = subnet(f"{name}-{letter}")
                aws("ec2", "associate_route_table", RouteTableId=table, SubnetId=place)

    def _rules(self) -> None:
        world = [{"CidrIp": _EVERYWHERE, "Description": "shoppers"}]
        self._allow("alb", {"FromPort": 443, "ToPort": 443, "IpRanges": world})
        for service in layout.SERVICES:
            self._allow(service.name, _from(GROUPS["alb"], service.port))
        for client in ("checkout", "search"):
            self._allow("orders-db", _from(GROUPS[client], 5432))
        self._allow("sessions", _from(GROUPS["checkout"], 6379))

    def _allow(self, group: str, permission: Permission) -> None:
        self._aws(
            "ec2",
            "authorize_security_group_ingress",
            GroupId=GROUPS[group],
            IpPermissions=[{"IpProtocol": "tcp", **permission}],
        )

    def _interfaces(self) -> None:
        rows = (
            ("eni-0c0ffee0000000d01", layout.DB_ADDRESS, "data-a", "orders-db",
             "RDSNetworkInterface"),
            ("eni-0c0ffee0000000ca1", layout.CACHE_ADDRESS, "data-a", "sessions",
             "ElastiCache sessions-001"),
        )  # fmt: skip
        for id_, address, place, group, text in rows:
            with mutate.next_id("interface", id_):
                self._aws(
                    "ec2",
                    "create_network_interface",
                    SubnetId=subnet(place),
                    PrivateIpAddress=address,
                    Groups=[GROUPS[group]],
                    Description=text,
                )

    def _balancer(self) -> None:
        aws = self._aws
        with mutate.next_balancer_id(layout.BALANCER_ID):
            aws(
                "elbv2",
                "create_load_balancer",
                Name=layout.BALANCER,
                Subnets=[subnet("public-a"), subnet("public-b")],
                SecurityGroups=[GROUPS["alb"]],
            )
        for service in layout.SERVICES:
            self._group(service)
        for name, arn in layout.CERTIFICATES.items():
            issued = self._certificates[name]
            leaf, mark, chain = issued.chain.partition(b"-----END CERTIFICATE-----\n")
            with mutate.next_certificate(arn):
                aws(
                    "acm",
                    "import_certificate",
                    Certificate=leaf + mark,
                    PrivateKey=issued.key,
                    CertificateChain=chain,
                    Tags=[{"Key": "Name", "Value": name}],
                )
        self._listener()
        (balancer,) = aws("elbv2", "describe_load_balancers")["LoadBalancers"]
        kept = {
            "deletion_protection.enabled": "true",
            "access_logs.s3.enabled": "true",
            "access_logs.s3.bucket": "shop-access-logs",
        }
        aws(
            "elbv2",
            "modify_load_balancer_attributes",
            LoadBalancerArn=balancer["LoadBalancerArn"],
            Attributes=[{"Key": key, "Value": value} for key, value in kept.items()],
        )

    def _group(self, service: ServicePlan) -> None:
        with mutate.next_balancer_id(service.group_id):
            self._aws(
                "elbv2",
                "create_target_group",
                Name=service.group,
                Protocol="HTTP",
                Port=service.port,
                VpcId=layout.VPC,
                TargetType="ip",
                HealthCheckProtocol="HTTP",
                HealthCheckPath="/health",
                HealthCheckIntervalSeconds=10,
                HealthCheckTimeoutSeconds=4,
                HealthyThresholdCount=2,
                UnhealthyThresholdCount=2,
                Matcher={"HttpCode": "200"},
            )

    def _listener(self) -> None:
        aws = self._aws
        self.listener = aws(
            "elbv2",
            "create_listener",
            LoadBalancerArn=layout.BALANCER_ARN,
            Protocol="HTTPS",
            Port=443,
            SslPolicy="ELBSecurityPolicy-TLS13-1-2-2021-06",
            Certificates=[{"CertificateArn": layout.CERTIFICATES["front-2025"]}],
            DefaultActions=[{"Type": "forward", "TargetGroupArn": CHECKOUT.group_arn}],
        )["Listeners"][0]["ListenerArn"]
        aws(
            "elbv2",
            "create_rule",
            ListenerArn=self.listener,
            Priority=10,
            Conditions=[{"Field": "path-pattern", "Values": ["/search*"]}],
            Actions=[{"Type": "forward", "TargetGroupArn": SEARCH.group_arn}],
        )

    def _databases(self) -> None:
        aws = self._aws
        aws(
            "rds",
            "create_db_subnet_group",
            DBSubnetGroupName="data",
            DBSubnetGroupDescription="data",
            SubnetIds=[subnet("data-a"), subnet("data-b")],
        )
        aws(
            "rds",
            "create_db_parameter_group",
            DBParameterGroupName="orders-pg16",
            DBParameterGroupFamily="postgres16",
            Description="orders",
        )
        aws(
            "rds",
            "create_db_instance",
            DBInstanceIdentifier=layout.DATABASE,
            DBInstanceClass="db.r6g.xlarge",
            Engine="postgres",
            EngineVersion="16.6",
            MasterUsername="root",
            MasterUserPassword=_SECRET,
            AllocatedStorage=100,
            MaxAllocatedStorage=500,
            StorageType="gp3",
            Iops=3000,
            MultiAZ=True,
            AvailabilityZone=layout.ZONES[0],
            DBName="orders",
            DBSubnetGroupName="data",
            DBParameterGroupName="orders-pg16",
            VpcSecurityGroupIds=[GROUPS["orders-db"]],
            BackupRetentionPeriod=7,
            StorageEncrypted=True,
            PubliclyAccessible=False,
        )
        aws(
            "rds",
            "create_db_instance_read_replica",
            DBInstanceIdentifier=layout.STANDBY,
            SourceDBInstanceIdentifier=layout.DATABASE,
            DBInstanceClass="db.r6g.xlarge",
            AvailabilityZone=layout.ZONES[1],
        )

    def _table(self) -> None:
        self._aws("dynamodb", "create_table", TableName=layout.TABLE, **throughput(200, 100))


def _from(group: str, port: int) -> Permission:
    return {"FromPort": port, "ToPort": port, "UserIdGroupPairs": [{"GroupId": group}]}


def _named(kind: str, name: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": [{"Key": "Name", "Value": name}]}]


def throughput(reads: int, writes: int) -> dict[str, Any]:
    """A table's key and its provisioned capacity, as arguments of `CreateTable`."""
    return {
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "BillingMode": "PROVISIONED",
        "ProvisionedThroughput": {"ReadCapacityUnits": reads, "WriteCapacityUnits": writes},
    }
