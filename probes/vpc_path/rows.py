"""What is read of each row of EC2's answers: absent members are normal.

Source: EC2 API reference.
"""

from __future__ import annotations

from datetime import datetime

from msgspec import field

from cockpit.connect.aws.answer import Answer, GivenText
from cockpit.text import SafeText


class IpRange(Answer, frozen=True):
    """IPv4."""

    cidr_ip: SafeText = ""


class Ipv6Range(Answer, frozen=True):
    """IPv6."""

    cidr_ipv6: SafeText = ""


class PrefixList(Answer, frozen=True):
    """A prefix list, by its id."""

    prefix_list_id: SafeText = ""


class GroupPair(Answer, frozen=True):
    """Another group, perhaps of a peered VPC."""

    group_id: SafeText = ""
    peering_status: SafeText = ""


class Permission(Answer, frozen=True):
    """What a group allows to several peers."""

    of = "ec2.IpPermission"

    ip_protocol: SafeText = ""
    from_port: int | None = None
    to_port: int | None = None
    ip_ranges: tuple[IpRange, ...] = ()
    ipv6_ranges: tuple[Ipv6Range, ...] = ()
    prefix_list_ids: tuple[PrefixList, ...] = ()
    user_id_group_pairs: tuple[GroupPair, ...] = ()


class SecurityGroupRow(Answer, frozen=True):
    """One row of `DescribeSecurityGroups`."""

    of = "ec2.SecurityGroup"

    group_id: GivenText
    group_name: SafeText = ""
    vpc_id: SafeText = ""
    ip_permissions: tuple[Permission, ...] = ()
    ip_permissions_egress: tuple[Permission, ...] = ()


class GroupId(Answer, frozen=True):
    """A group, by its id."""

    group_id: SafeText = ""


class RuleRow(Answer, frozen=True):
    """One row of `DescribeSecurityGroupRules`."""

    of = "ec2.SecurityGroupRule"

    security_group_rule_id: SafeText = ""
    group_id: SafeText = ""
    is_egress: bool = False
    ip_protocol: SafeText = ""
    from_port: int | None = None
    to_port: int | None = None
    cidr_ipv4: SafeText = ""
    cidr_ipv6: SafeText = ""
    prefix_list_id: SafeText = ""
    referenced_group_info: GroupId = GroupId()


class Cidr(Answer, frozen=True):
    """An IPv4 range of a VPC."""

    cidr_block: SafeText = ""


class BlockState(Answer, frozen=True):
    """How far a range belongs to it."""

    state: SafeText = ""


class Ipv6Cidr(Answer, frozen=True):
    """An IPv6 range of a VPC or a subnet."""

    ipv6_cidr_block: SafeText = ""
    ipv6_cidr_block_state: BlockState = BlockState()


class VpcRow(Answer, frozen=True):
    """One row of `DescribeVpcs`."""

    of = "ec2.Vpc"

    vpc_id: SafeText = ""
    cidr_block: SafeText = ""
    cidr_block_association_set: tuple[Cidr, ...] = ()
    ipv6_cidr_block_association_set: tuple[Ipv6Cidr, ...] = ()


class Tag(Answer, frozen=True):
    """A name that people gave."""

    key: SafeText = ""
    value: SafeText = ""


class SubnetRow(Answer, frozen=True):
    """One row of `DescribeSubnets`."""

    of = "ec2.Subnet"

    subnet_id: GivenText
    vpc_id: SafeText = ""
    availability_zone: SafeText = ""
    cidr_block: SafeText = ""
    ipv6_cidr_block_association_set: tuple[Ipv6Cidr, ...] = ()
    available_ip_address_count: int | None = None
    tags: tuple[Tag, ...] = ()


class PortRange(Answer, frozen=True):
    """The ports of an entry; None: all."""

    low: int | None = field(name="From", default=None)
    high: int | None = field(name="To", default=None)


class Icmp(Answer, frozen=True):
    """The ICMP type and code of an entry; None: all."""

    low: int | None = field(name="Type", default=None)
    high: int | None = field(name="Code", default=None)


class EntryRow(Answer, frozen=True):
    """One line of a network ACL."""

    rule_number: int = 0
    egress: bool = False
    rule_action: SafeText = ""
    protocol: SafeText = ""
    cidr_block: SafeText = ""
    ipv6_cidr_block: SafeText = ""
    port_range: PortRange | None = None
    icmp_type_code: Icmp = Icmp()


class SubnetId(Answer, frozen=True):
    """A subnet that an ACL guards."""

    subnet_id: SafeText = ""


class AclRow(Answer, frozen=True):
    """One row of `DescribeNetworkAcls`."""

    of = "ec2.NetworkAcl"

    network_acl_id: GivenText
    is_default: bool = False
    entries: tuple[EntryRow, ...] = ()
    associations: tuple[SubnetId, ...] = ()


class RouteTarget(Answer, frozen=True):
    """A route has one of the destinations, and one of the targets."""

    of = "ec2.Route"

    destination_cidr_block: SafeText = ""
    destination_ipv6_cidr_block: SafeText = ""
    destination_prefix_list_id: SafeText = ""
    gateway_id: SafeText = ""
    nat_gateway_id: SafeText = ""
    transit_gateway_id: SafeText = ""
    vpc_peering_connection_id: SafeText = ""
    egress_only_internet_gateway_id: SafeText = ""
    network_interface_id: SafeText = ""
    instance_id: SafeText = ""
    local_gateway_id: SafeText = ""
    carrier_gateway_id: SafeText = ""
    core_network_arn: SafeText = ""


class RouteRow(RouteTarget, frozen=True):
    """A route as a table holds it; an endpoint is in `gateway_id`."""

    state: SafeText = ""
    origin: SafeText = ""


class RouteRequest(RouteTarget, frozen=True):
    """A route as `CreateRoute` and `ReplaceRoute` take it."""

    of = "ec2.CreateRouteRequest"

    vpc_endpoint_id: SafeText = ""


class Association(Answer, frozen=True):
    """Who uses a route table; `main`: the subnets that name none."""

    main: bool = False
    subnet_id: SafeText = ""
    gateway_id: SafeText = ""


class RouteTableRow(Answer, frozen=True):
    """One row of `DescribeRouteTables`."""

    of = "ec2.RouteTable"

    route_table_id: GivenText
    vpc_id: SafeText = ""
    associations: tuple[Association, ...] = ()
    routes: tuple[RouteRow, ...] = ()


class Attachment(Answer, frozen=True):
    """A VPC that a gateway serves."""

    vpc_id: SafeText = ""
    state: SafeText = ""


class GatewayRow(Answer, frozen=True):
    """One row of `DescribeInternetGateways`."""

    of = "ec2.InternetGateway"

    internet_gateway_id: SafeText = ""
    attachments: tuple[Attachment, ...] = ()


class NatAddress(Answer, frozen=True):
    """One address of a NAT gateway."""

    private_ip: SafeText = ""


class NatRow(Answer, frozen=True):
    """One row of `DescribeNatGateways`."""

    of = "ec2.NatGateway"

    nat_gateway_id: GivenText
    subnet_id: SafeText = ""
    state: SafeText = ""
    connectivity_type: SafeText = ""
    availability_mode: SafeText = ""
    create_time: datetime | None = None
    failure_code: SafeText = ""
    failure_message: SafeText = ""
    nat_gateway_addresses: tuple[NatAddress, ...] = ()


class PeeringStatus(Answer, frozen=True):
    """`code`: active, pending-acceptance, deleted and others."""

    code: SafeText = ""


class Side(Answer, frozen=True):
    """The VPC at one side of a peering."""

    vpc_id: SafeText = ""


class PeeringRow(Answer, frozen=True):
    """One row of `DescribeVpcPeeringConnections`."""

    of = "ec2.VpcPeeringConnection"

    vpc_peering_connection_id: GivenText
    status: PeeringStatus = PeeringStatus()
    requester_vpc_info: Side = Side()
    accepter_vpc_info: Side = Side()


class PublicAddress(Answer, frozen=True):
    """The public address in front of a private one."""

    public_ip: SafeText = ""


class Address(Answer, frozen=True):
    """An IPv4 address of an interface."""

    private_ip_address: SafeText = ""
    association: PublicAddress = PublicAddress()


class Ipv6Address(Answer, frozen=True):
    """An IPv6 address of an interface."""

    ipv6_address: SafeText = ""


class InterfaceHolder(Answer, frozen=True):
    """What an interface is attached to."""

    instance_id: SafeText = ""


class InterfaceRow(Answer, frozen=True):
    """One row of `DescribeNetworkInterfaces`."""

    of = "ec2.NetworkInterface"

    network_interface_id: GivenText
    subnet_id: SafeText = ""
    vpc_id: SafeText = ""
    interface_type: SafeText = ""
    description: SafeText = ""
    private_ip_address: SafeText = ""
    private_ip_addresses: tuple[Address, ...] = ()
    ipv6_addresses: tuple[Ipv6Address, ...] = ()
    association: PublicAddress = PublicAddress()
    groups: tuple[GroupId, ...] = ()


class PrefixEntry(Answer, frozen=True):
    """One row of `GetManagedPrefixListEntries`."""

    of = "ec2.PrefixListEntry"

    cidr: SafeText = ""


class VpcAttachmentRow(Answer, frozen=True):
    """One row of `DescribeTransitGatewayVpcAttachments`."""

    of = "ec2.TransitGatewayVpcAttachment"

    transit_gateway_attachment_id: GivenText
    transit_gateway_id: SafeText = ""
    vpc_id: SafeText = ""
    subnet_ids: tuple[SafeText, ...] = ()


class TransitTable(Answer, frozen=True):
    """The route table that an attachment is associated with."""

    transit_gateway_route_table_id: SafeText = ""
    state: SafeText = ""


class TransitAttachmentRow(Answer, frozen=True):
    """One row of `DescribeTransitGatewayAttachments`."""

    of = "ec2.TransitGatewayAttachment"

    transit_gateway_attachment_id: GivenText
    transit_gateway_owner_id: SafeText = ""
    resource_owner_id: SafeText = ""
    association: TransitTable | None = None


class TransitRouteRow(Answer, frozen=True):
    """One row of `SearchTransitGatewayRoutes`."""

    of = "ec2.TransitGatewayRoute"

    destination_cidr_block: SafeText = ""
    state: SafeText = ""


class ForwarderRow(Answer, frozen=True):
    """One row of `DescribeNetworkInterfaces`, of an interface that a route leads to."""

    of = "ec2.NetworkInterface"

    network_interface_id: GivenText
    status: SafeText = ""
    source_dest_check: bool | None = None
    attachment: InterfaceHolder | None = None


class VpcEndpointRow(Answer, frozen=True):
    """One row of `DescribeVpcEndpoints`."""

    of = "ec2.VpcEndpoint"

    vpc_endpoint_id: GivenText
    vpc_endpoint_type: SafeText = ""
    state: SafeText = ""
    network_interface_ids: tuple[SafeText, ...] = ()
    subnet_ids: tuple[SafeText, ...] = ()


class PublicAccessRow(Answer, frozen=True):
    """What `DescribeVpcBlockPublicAccessOptions` says."""

    of = "ec2.VpcBlockPublicAccessOptions"

    internet_gateway_block_mode: SafeText = ""
    state: SafeText = ""


class ExclusionRow(Answer, frozen=True):
    """One row of `DescribeVpcBlockPublicAccessExclusions`."""

    of = "ec2.VpcBlockPublicAccessExclusion"

    resource_arn: SafeText = ""
    internet_gateway_exclusion_mode: SafeText = ""
    state: SafeText = ""
