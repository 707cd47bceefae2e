"""A dead resolver is suspected, and who is not found because of it is its consequence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cockpit.connect.net.settings import EndpointSettings
from cockpit.connect.postgres.settings import PostgresSettings
from cockpit.errors import Reason
from cockpit.triage.board import Board, reduce
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.triage.probe import Reading
from cockpit.triage.suspects import suspects
from cockpit.triage.target import Target
from cockpit.triage.topology import DependencyGraph
from tests.core.builders import blind, finding, seen, target


def endpoint(name: str, host: str, *needs: str) -> Target:
    return Target(
        name=name, kind="endpoint", settings=EndpointSettings(url=f"https://{host}/"), needs=needs
    )


PAYMENTS = endpoint("payments", "api.payments.example")
FRONT = endpoint("front", "www.shop.test", "checkout")
DB = Target(
    name="db", kind="postgres", settings=PostgresSettings(host="orders.shop.internal", user="ro")
)
SHOP = DependencyGraph((FRONT, replace(target("checkout"), needs=("db", "payments")), DB, PAYMENTS))


def lost(code: str = "NET_DNS_TIMEOUT", server: str = "10.0.0.2", said: str = "timeout") -> Finding:
    return Finding(
        code, Severity.HIGH, "not resolved", evidence=(Evidence(f"resolver {server}", said),)
    )


def third_party() -> Finding:
    return Finding("DEP_EXTERNAL", Severity.HIGH, "the third party cannot be found by its name")


def look(target_name: str, *found: Finding) -> Reading:
    made = seen(*found, name=target_name, probe="endpoint.path")
    return replace(made, kind="endpoint")


def board(*readings: Reading) -> Board:
    result = Board()
    for reading in readings:
        result, _ = reduce(result, reading)
    return result


def unresolved(name: str = "db") -> Reading:
    return blind(Reason.UNREACHABLE, name=name, found=lost())


def test_a_dead_resolver_is_first_and_payments_only_its_consequence() -> None:
    state = board(
        look("payments", lost(), third_party()),
        look("front", lost()),
        unresolved(),
        seen(finding("ECS_CRASH_LOOP", Severity.HIGH), name="checkout"),
    )
    first, *others = suspects(state, SHOP)
    assert first.name == "resolver 10.0.0.2"
    assert first.target == ""
    assert "name resolution from here fails: 3 names not found" in first.summary
    assert "DEP_EXTERNAL@payments" in first.explains
    assert "ECS_CRASH_LOOP@checkout" in first.explains
    assert not {"payments", "front", "db"} & {each.name for each in others}


@pytest.mark.parametrize(
    ("readings", "named"),
    [
        pytest.param(
            [look("payments", lost("NET_DNS_SERVFAIL"), third_party()), look("front")],
            "payments", id="another name is found: it is theirs",
        ),
        pytest.param(
            [look("payments", lost("NET_DNS_SERVFAIL"), third_party())],
            "payments", id="one zone alone may be broken itself",
        ),
        pytest.param(
            [look("payments", lost(said="unreachable (no route)"))],
            "resolver 10.0.0.2", id="no name server can be reached: ours",
        ),
        pytest.param(
            [look("payments", lost()), look("front", lost(server="10.0.0.3"))],
            "name resolution from here", id="two resolvers, and neither knows",
        ),
        pytest.param(
            [look("payments", lost(), finding("NET_TLS_EXPIRED")), look("front", lost())],
            "resolver 10.0.0.2", id="with a trouble of its own besides",
        ),
    ],
)  # fmt: skip
def test_it_is_only_said_of_what_cannot_be_one_zone(readings: list[Reading], named: str) -> None:
    assert suspects(board(*readings), SHOP)[0].name == named


def test_who_has_trouble_of_its_own_stays_a_suspect() -> None:
    own = look("payments", lost(), finding("NET_TLS_EXPIRED"))
    state = board(own, look("front", lost()), seen(name="db"), seen(name="checkout"))
    names = [each.name for each in suspects(state, SHOP)]
    assert names == ["resolver 10.0.0.2", "payments"]


def test_names_of_one_zone_are_not_the_resolver() -> None:
    graph = DependencyGraph((PAYMENTS, endpoint("status", "status.payments.example")))
    found = suspects(board(look("payments", lost()), look("status", lost())), graph)
    assert {each.name for each in found} == {"payments", "status"}
