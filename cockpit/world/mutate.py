"""Every place where the world reaches into moto, one function each, one canary test each.

moto is pinned. When it is raised and a canary fails, this is the only file to mend.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

from cockpit.world import layout

_MAKERS = {
    "vpc": "moto.ec2.models.vpcs.random_vpc_id",
    "subnet": "moto.ec2.models.subnets.random_subnet_id",
    "group": "moto.ec2.models.security_groups.random_security_group_id",
    "interface": "moto.ec2.models.elastic_network_interfaces.random_eni_id",
    "acl": "moto.ec2.models.network_acls.random_network_acl_id",
    "routes": "moto.ec2.models.route_tables.random_route_table_id",
    "nat": "moto.ec2.models.nat_gateways.random_nat_gateway_id",
}


@contextmanager
def next_id(kind: str, value: str) -> Iterator[None]:
    """What is created inside gets this id. `kind`: vpc, subnet, group, interface, acl, routes or
    nat.
    """
    with patch(_MAKERS[kind], lambda *_, **__: value):
        yield


@contextmanager
def next_balancer_id(value: str) -> Iterator[None]:
    """A load balancer or target group that is created inside gets this id in its ARN."""
    with patch("moto.elbv2.models.mock_random.get_random_hex", lambda *_, **__: value):
        yield


@contextmanager
def next_certificate(arn: str) -> Iterator[None]:
    """A certificate that is imported inside gets this ARN."""
    with patch("moto.acm.models.make_arn_for_certificate", lambda *_, **__: arn):
        yield


@contextmanager
def next_key(value: str) -> Iterator[None]:
    """An access key that is created inside gets this id."""
    with patch("moto.iam.models.generate_access_key_id_from_account_id", lambda *_, **__: value):
        yield


def let_routes_die() -> None:
    """A route is a black hole once the NAT gateway that it leads to is gone, as AWS says it."""
    from moto.ec2.models import route_tables

    def state(route: Any) -> str:
        gone = route.nat_gateway is not None and route.nat_gateway.state == "deleted"
        return "blackhole" if gone else "active"

    routes: Any = route_tables.Route
    assert isinstance(routes.state, property)
    routes.state = property(state)


def set_function_modified(name: str, version: str, *, at: float) -> None:
    """Date a version of a function back (seconds since the epoch); `$LATEST` is one too."""
    functions = _backend("lambda")
    function = functions.get_function(name, qualifier=None if version == "$LATEST" else version)
    assert hasattr(function, "last_modified")
    function.last_modified = f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S.000+0000}"


def set_subscribers(topic: str, *, confirmed: int) -> None:
    """How many have confirmed; moto counts nobody."""
    found = _backend("sns").topics[topic]
    assert hasattr(found, "subscriptions_confimed")
    found.subscriptions_confimed = confirmed


def set_deployment_created(api: str, deployment: str, *, at: float) -> None:
    """Date a deployment of a REST API back."""
    made = _backend("apigateway").apis[api].deployments[deployment]
    assert hasattr(made, "created_date")
    made.created_date = int(at)


def set_database(name: str, **attributes: Any) -> None:
    """Set attributes of a database instance, such as `status="storage-full"`."""
    database = _backend("rds").databases[name]
    for attribute, value in attributes.items():
        if not hasattr(database, attribute):
            raise AttributeError(f"moto's database has no {attribute}")
        setattr(database, attribute, value)


def set_balancer_state(arn: str, state: str) -> None:
    """Set the state of a load balancer: active, active_impaired, failed."""
    balancer = _backend("elbv2").load_balancers[arn]
    assert hasattr(balancer, "state")
    balancer.state = state


def set_table_throughput(name: str, *, writes: int, reads: int) -> None:
    """Set the provisioned capacity of a table without the times of a change."""
    table = _backend("dynamodb").tables[name]
    table.throughput = {
        **table.throughput,
        "WriteCapacityUnits": writes,
        "ReadCapacityUnits": reads,
    }


def _backend(service: str) -> Any:
    from moto import backends

    find: Any = backends.get_backend
    return find(service)[layout.ACCOUNT][layout.REGION]
