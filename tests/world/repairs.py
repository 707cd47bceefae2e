"""What is said of each scenario, how one sees that its shop is mended, and what is said no more."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import dns.resolver
import psycopg
import pymysql
import redis
from botocore.exceptions import ClientError

from cockpit.config import load
from cockpit.triage.registry import catalog
from cockpit.triage.suspicion.scene import places_of
from cockpit.world import layout, scenario
from cockpit.world.launch import World
from tests.patience import at_most, eventually
from tests.world.conftest import check, clients, control, prepared

_AGES = {"checkout-lock": 6.0, "slow-query": 2.0, "mysql-metadata-lock": 1.5}
"""Seconds that a fault must have lasted before it is a finding."""


def _is_well(world: World, service: layout.ServicePlan) -> bool:
    aws = clients(world)
    rows = aws("elbv2", "describe_target_health", TargetGroupArn=service.group_arn)
    states = [row["TargetHealth"]["State"] for row in rows["TargetHealthDescriptions"]]
    found = aws("ecs", "describe_services", cluster="prod", services=[service.name])["services"][0]
    steady = found["deployments"][0]["rolloutState"] == "COMPLETED"
    return bool(states.count("healthy") == service.desired == found["runningCount"] and steady)


def _checkout_is_well(world: World) -> bool:
    return _is_well(world, layout.CHECKOUT)


def _operator(world: World, sql: str, *, standby: bool = False) -> list[tuple[Any, ...]]:
    known = prepared(world)
    with psycopg.connect(
        host="127.0.0.1",
        port=known.ports.standby if standby else known.ports.orders,
        dbname="orders",
        user="cockpit_ops",
        password=known.secrets.operator,
        autocommit=True,
    ) as connection:
        return connection.execute(sql).fetchall()


def _lock_is_gone(world: World) -> bool:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    used = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
    calm = _operator(world, waiting)[0][0] < 3 and _operator(world, used)[0][0] < 60
    return bool(calm) and _checkout_is_well(world)


def _has_room(world: World) -> bool:
    used = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
    return bool(_operator(world, used)[0][0] < 60)


def _nobody_is_slow(world: World) -> bool:
    slow = """SELECT count(*) FROM pg_stat_activity WHERE state = 'active'
               AND backend_type = 'client backend' AND now() - query_start > interval '2 s'"""
    return bool(_operator(world, slow)[0][0] == 0)


def _has_replayed(world: World) -> bool:
    left = "SELECT pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) < 1e6"
    return bool(_operator(world, left, standby=True)[0][0])


def _catalog(world: World, sql: str) -> list[tuple[Any, ...]]:
    known = prepared(world)
    with (
        pymysql.connect(
            host="127.0.0.1",
            port=known.ports.catalog,
            user="cockpit_ops",
            password=known.secrets.operator,
            ssl_disabled=True,
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(sql)
        return list(cursor.fetchall())


_LIST = "SELECT id FROM information_schema.processlist WHERE"


def _nobody_waits(world: World) -> bool:
    return _catalog(world, f"{_LIST} state = 'Waiting for table metadata lock'") == []


def _has_numbers(world: World) -> bool:
    return bool(_operator(world, "SELECT max(age(datfrozenxid)) < 20000 FROM pg_database")[0][0])


def _roll_back_further(world: World) -> None:
    aws = clients(world)
    aws("ecs", "update_service", cluster="prod", service="checkout", taskDefinition="checkout:41")


def _put_cart(world: World) -> bool:
    try:
        clients(world, "shop")(
            "dynamodb", "put_item", TableName="carts", Item={"id": {"S": "test"}}
        )
    except ClientError as error:
        return bool(error.response["Error"]["Code"] != "ProvisionedThroughputExceededException")
    return True


def _evicts_nothing(world: World) -> bool:
    port = prepared(world).ports.sessions
    with redis.Redis(host="127.0.0.1", port=port) as client:
        before = client.info()
        time.sleep(0.5)
        after = client.info()
    full = after["used_memory"] > 0.9 * after["maxmemory"]
    return not full and after["evicted_keys"] == before["evicted_keys"]


def _is_trusted(world: World) -> bool:
    context = ssl.create_default_context(cafile=str(world.folder / "ca.pem"))
    port = prepared(world).ports.front
    try:
        with (
            socket.create_connection(("127.0.0.1", port), 3) as plain,
            context.wrap_socket(plain, server_hostname=layout.FRONT_HOST),
        ):
            return True
    except ssl.SSLCertVerificationError:
        return False


def _payments_resolve(world: World) -> bool:
    asked = dns.resolver.Resolver(configure=False)
    asked.nameservers, asked.port = ["127.0.0.1"], prepared(world).ports.names
    try:
        return len(asked.resolve(layout.PAYMENTS_HOST, "A")) == 3
    except dns.resolver.NoNameservers:
        return False


@dataclass(frozen=True)
class Repair:
    """How one sees that a scenario is mended, and what is then said no more."""

    is_mended: Callable[[World], bool]
    cleared: tuple[str, ...]
    mend: Callable[[World], None] | None = None
    """None: its runbook does it, see `tests.world.stories`."""


REPAIRS = {
    "checkout-lock": Repair(
        _lock_is_gone,
        (
            "PG_SAT_CONNECTIONS@orders-db",
            "PG_LOCK_BLOCKED@orders-db",
            "TG_UNHEALTHY_TARGETS@checkout-tg",
            "ECS_TASKS_BELOW_DESIRED@checkout",
        ),
    ),
    "pool-exhausted": Repair(
        _has_room, ("PG_SAT_CONNECTIONS@orders-db", "PG_SAT_ONE_CLIENT@orders-db")
    ),
    "slow-query": Repair(_nobody_is_slow, ("PG_SESS_LONG_QUERY@orders-db",)),
    "replica-lag": Repair(
        _has_replayed, ("PG_REPL_APPLY_STALLED@orders-standby", "PG_REPL_LAG@orders-standby")
    ),
    "mysql-metadata-lock": Repair(_nobody_waits, ("MY_LOCK_MDL@catalog",)),
    "wraparound": Repair(_has_numbers, ("PG_XID_HORIZON@orders-db", "PG_XID_WRAP@orders-db")),
    "health-check-path": Repair(_checkout_is_well, ("TG_NO_HEALTHY_TARGETS@checkout-tg",)),
    "bad-deployment": Repair(_checkout_is_well, ("ECS_DEPLOYMENT_STUCK@checkout",)),
    "repair-makes-worse": Repair(
        _checkout_is_well, ("ECS_DEPLOYMENT_STUCK@checkout",), _roll_back_further
    ),
    "dynamodb-throttle": Repair(_put_cart, ()),
    "redis-evicting": Repair(_evicts_nothing, ("RD_MEM_EVICTING@sessions",)),
    "sg-revoked": Repair(
        _checkout_is_well,
        ("PATH_SG_INGRESS_DENIED@checkout-to-db", "TG_NO_HEALTHY_TARGETS@checkout-tg"),
    ),
    "dns-broken": Repair(_payments_resolve, ("NET_DNS_SERVFAIL@payments", "DEP_EXTERNAL@payments")),
    "cert-expired": Repair(_is_trusted, ("NET_TLS_EXPIRED@shop-front",)),
}


def seen(name: str, world: World) -> None:
    """The scenario, once it has lasted, is seen for what it is."""
    time.sleep(_AGES.get(name, 1.0))
    judge(name, world)
    repair = REPAIRS.get(name)
    assert repair is None or not repair.is_mended(world)


def mended(name: str, world: World) -> None:
    """The shop is well again, nothing of it is said any more, and nothing was asked in vain."""
    if repair := REPAIRS.get(name):
        eventually(lambda: repair.is_mended(world), seconds=25)
        eventually(lambda: _says_no_more(world, repair.cleared), seconds=40, pause=1.5)
    assert control(world, "holes") == []
    assert not (world.folder / "aws.log").exists()


def judge(name: str, world: World) -> None:
    """The findings are those that must and may be there; the blind looks are the expected ones.

    What is not there yet is waited for; and what this machine was too busy to look at in time gets
    more of it.
    """
    wanted = scenario.load(name)
    end = time.monotonic() + at_most(40)
    said = check(world, hurried=True)
    while late := [*_late(wanted, said), *misjudged(world, said)]:
        assert time.monotonic() < end, late
        said = check(world)
    strange = _strange(wanted, said)
    assert strange == [], strange


def misjudged(world: World, said: dict[str, Any]) -> list[str]:
    """What is wrong with whom a look names first: the culprit, or the other view of it, *likely* or
    *possible*; never *likely* where its scenario says why it may be unclear. Where there is no
    culprit, who could not be looked at may be named as just that.
    """
    wanted = world.scenario
    told = [f"{s['name']}: {s['verdict']} ({s['reason']})" for s in said["suspects"]]
    if not wanted.culprit:
        return [each for each in told if ": unclear (not examined (" not in each]
    first = next(iter(said["suspects"]), None)
    if first is None:
        return [f"nobody is named, and it is {wanted.culprit}"]
    places = places_of(load(world.config_path, catalog()).targets)
    place = places.get(wanted.culprit)
    if first["name"] not in (place.members if place is not None else (wanted.culprit,)):
        return [f"{told[0]} is first, and it is {wanted.culprit}"]
    return told[:1] if first["verdict"] == ("likely" if wanted.unclear else "unclear") else []


def unlike(wanted: scenario.Scenario, said: dict[str, Any]) -> list[str]:
    """What of a look is not as the scenario wants it."""
    return [*_late(wanted, said), *_strange(wanted, said)]


def wrong_in(said: dict[str, Any]) -> set[str]:
    """The findings of a look that are worse than information, as `CODE@target`."""
    return {name for name, one in _told(said).items() if one["severity"] != "info"}


def _strange(wanted: scenario.Scenario, said: dict[str, Any]) -> list[str]:
    """What is said and neither must nor may be, and what must not be said whatever its severity."""
    return [
        f"{name}: {one['summary']}"
        for name, one in sorted(_told(said).items())
        if wanted.forbids(name) or (one["severity"] != "info" and not wanted.expects(name))
    ]


def _late(wanted: scenario.Scenario, said: dict[str, Any]) -> list[str]:
    """What is missing, what is blind and should not be, or the other way round; and what is said of
    a handshake or an answer that took long here.
    """
    slow = [each for each in _strange(wanted, said) if " takes " in each]
    blind = sorted(_blind(said) ^ set(wanted.blind))
    return [*wanted.missing(frozenset(_told(said))), *blind, *slow]


def _blind(said: dict[str, Any]) -> set[str]:
    return {
        f"{one['reason']}@{one['target']}"
        for one in said["readings"]
        if one["outcome"] == "blind" and one["reason"] != "unsupported"
    }


def _told(said: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {f"{one['code']}@{one['target']}": one for one in said["findings"]}


def _says_no_more(world: World, codes: tuple[str, ...]) -> bool:
    """None of them is said, and not for want of a look."""
    said = check(world)
    return not _blind(said) and _told(said).keys().isdisjoint(codes)
