"""What the shop "prod" is made of: names, ids and addresses, the same in every world.

Everything here is known before anything runs, so the configuration can be written first.
"""

from __future__ import annotations

from dataclasses import dataclass

ACCOUNT = "123456789012"
BILLING_ACCOUNT = "210987654321"
REGION = "us-east-1"
ZONES = ("us-east-1a", "us-east-1b")

VPC = "vpc-0c0ffee0000000001"
CIDR = "10.0.0.0/16"
CLUSTER = "prod"
BALANCER = "shop-alb"
TABLE = "carts"
INVOICES = "invoices"
CACHE = "sessions"
DATABASE = "orders"
STANDBY = "orders-standby"

OWNER = "AKIAWORLDOWNER000000"
BILLING_OWNER = "AKIAWORLDBILLING0000"
OWNERS = (OWNER, BILLING_OWNER)
"""The world's own keys, one an account: never faulted, never logged."""
KEYS = {
    "AKIACOCKPITTRIAGE000": "triage",
    "AKIACOCKPITCOMMANDER": "commander",
    "AKIACOCKPITBILLING00": "billing",
    "AKIASHOPAPPLICATION0": "shop",
    "AKIACOCKPITFRESHTRIA": "triage",
    "AKIACOCKPITFRESHCOMM": "commander",
}
"""Access key → whose it is. Any other key is a stranger's and is refused."""
PRINCIPALS = {
    "triage": "cockpit-triage",
    "commander": "alice",
    "billing": "cockpit-billing",
    "shop": "checkout-task",
}


def account_of(key: str) -> str:
    """The account that an access key belongs to."""
    return BILLING_ACCOUNT if key == BILLING_OWNER or KEYS.get(key) == "billing" else ACCOUNT


def key_of(role: str) -> str:
    """The access key of a role of `KEYS`."""
    return next(key for key, owner in KEYS.items() if owner == role)


def fresh_key_of(role: str) -> str:
    """The key that a role is given when it logs in again."""
    return [key for key, owner in KEYS.items() if owner == role][-1]


@dataclass(frozen=True, slots=True)
class SubnetPlan:
    """A subnet of the shop's VPC."""

    id: str
    name: str
    cidr: str
    zone: str


SUBNETS = (
    SubnetPlan("subnet-0c0ffee00000000a1", "public-a", "10.0.1.0/24", ZONES[0]),
    SubnetPlan("subnet-0c0ffee00000000b1", "public-b", "10.0.2.0/24", ZONES[1]),
    SubnetPlan("subnet-0c0ffee00000000a2", "app-a", "10.0.11.0/24", ZONES[0]),
    SubnetPlan("subnet-0c0ffee00000000b2", "app-b", "10.0.12.0/24", ZONES[1]),
    SubnetPlan("subnet-0c0ffee00000000a3", "data-a", "10.0.21.0/24", ZONES[0]),
    SubnetPlan("subnet-0c0ffee00000000b3", "data-b", "10.0.22.0/24", ZONES[1]),
)
NAT = "nat-0c0ffee0000000a01"
"""The NAT gateway of the application subnets, in the first zone."""
APP_ROUTES = "rtb-0c0ffee0000000a99"
GROUPS = {
    "alb": "sg-0c0ffee0000000a1b",
    "checkout": "sg-0c0ffee0000000c4e",
    "search": "sg-0c0ffee00000005ea",
    "orders-db": "sg-0c0ffee0000000da7",
    "sessions": "sg-0c0ffee0000000ca5",
}


def subnet(name: str) -> str:
    """The id of a subnet by its name."""
    return next(one.id for one in SUBNETS if one.name == name)


_ELB = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}"
BALANCER_ID = "50dc6c495c0c9188"
BALANCER_ARN = f"{_ELB}:loadbalancer/app/{BALANCER}/{BALANCER_ID}"


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """An ECS service behind a target group. `version` is its steady task definition revision."""

    name: str
    desired: int
    port: int
    version: int
    group_id: str

    @property
    def group(self) -> str:
        """The target group's name."""
        return f"{self.name}-tg"

    @property
    def group_arn(self) -> str:
        """The target group's ARN."""
        return f"{_ELB}:targetgroup/{self.group}/{self.group_id}"

    @property
    def arn(self) -> str:
        """The service's ARN."""
        return f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/{CLUSTER}/{self.name}"

    def definition(self, version: int) -> str:
        """The ARN of a task definition revision."""
        return f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/{self.name}:{version}"


CHECKOUT = ServicePlan("checkout", 6, 8080, 42, "73e2d6bc24d8a067")
SEARCH = ServicePlan("search", 3, 8081, 17, "1f4ae2b9c0d35e86")
SERVICES = (CHECKOUT, SEARCH)

DB_ADDRESS = "10.0.21.10"
CACHE_ADDRESS = "10.0.21.20"
_ACM = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate"
CERTIFICATES = {
    "front-2025": f"{_ACM}/0f1e2d3c-2025-4000-8000-000000000001",
    "front-2026": f"{_ACM}/0f1e2d3c-2026-4000-8000-000000000002",
}
FRONT_HOST = "shop.example.test"
PAYMENTS_HOST = "api.payments.example.test"
STATUS_HOST = "status.payments.example.test"
