"""What must not be said of a path, and what only several looks or several hosts can tell."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from cockpit.connect.clocks import Clocks, Witness, certainly
from cockpit.connect.net.dns import Resolution
from cockpit.connect.net.look import AddressLook, PathLook, Sample
from cockpit.connect.net.memory import NameMemory
from cockpit.connect.net.status import ProviderLook, understood
from cockpit.triage.finding import Severity
from probes.endpoint.model import Settings, Snapshot
from probes.endpoint.path import PROBE, diagnose
from tests.probes.endpoint_looks import (
    AT,
    CRITICAL,
    HIGH,
    INFO,
    ONE,
    SIX,
    THREE,
    TWO,
    WARNING,
    certificate,
    codes,
    http,
    look,
    name,
    path,
    sample,
    tcp,
    tls,
)

OLD = name(ONE)
NEW = name(TWO, source="resolver", server="10.0.0.2:53", ttl=60)
GOOD = sample(look())
LOST = sample(look(t=tcp("timeout")))


def differing(
    *answers: Resolution, seconds: float = 121.0, ttl: int | None = 60, **more: Any
) -> PathLook:
    """A path whose system and name server differ; the address in use answers."""
    return path(look(), dns=answers, dns_differs_for=seconds, dns_ttl=ttl, **more)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(differing(OLD, NEW), [("NET_DNS_STALE", HIGH)], id="twice the TTL is over"),
        pytest.param(
            differing(OLD, NEW, seconds=119), [("NET_DNS_SPLIT", INFO)], id="the TTL still runs"
        ),
        pytest.param(
            differing(OLD, NEW, ttl=None), [("NET_DNS_SPLIT", INFO)], id="no TTL, no verdict"
        ),
        pytest.param(
            differing(name(ONE, in_hosts_file=True), NEW),
            [("NET_DNS_SPLIT", INFO)],
            id="the hosts file says so on purpose",
        ),
        pytest.param(
            differing(OLD, name("10.0.0.9", source="resolver", ttl=60)),
            [("NET_DNS_SPLIT", INFO)],
            id="one private, one public: a horizon of its own",
        ),
        pytest.param(
            differing(NEW, OLD),
            [("NET_DNS_SPLIT", INFO)],
            id="the configured server never agreed with the system",
        ),
        pytest.param(
            differing(NEW, OLD, dns_agreed=True),
            [("NET_DNS_STALE", HIGH)],
            id="it did agree, and the system stood still",
        ),
        pytest.param(
            path(look(), dns=(OLD, name(outcome="nxdomain", source="resolver"))),
            [("NET_DNS_SPLIT", INFO)],
            id="only this machine knows the name",
        ),
        pytest.param(
            path(look(TWO), dns=(NEW, name(outcome="nxdomain"))),
            [("NET_DNS_SPLIT", INFO)],
            id="only the configured server knows the name",
        ),
        pytest.param(
            path(look(), dns=(OLD, name(outcome="timeout", source="resolver"))),
            [],
            id="a second opinion that does not come is none",
        ),
        pytest.param(
            path(look(), dns=(OLD, name(outcome="error", source="resolver"))),
            [],
            id="a machine without resolv.conf",
        ),
        pytest.param(
            path(look(), addresses_before=(TWO,), dns_changes=3), [], id="a pool that rotates"
        ),
        pytest.param(
            path(look(), addresses_before=(TWO,), dns_changes=2),
            [("NET_DNS_CHANGED", INFO)],
            id="a failover and back",
        ),
        pytest.param(path(look(), addresses_before=(ONE,)), [], id="the same addresses"),
        pytest.param(
            path(look(), dns_history=(0.9, 0.01)), [], id="the first look-up fills caches"
        ),
        pytest.param(
            path(look(), dns_history=(0.9, 0.8, 0.01)),
            [("NET_DNS_SLOW", WARNING)],
            id="two slow look-ups of three",
        ),
        pytest.param(
            path(dns=(name(outcome="unreachable", source="resolver"),)),
            [("NET_DNS_TIMEOUT", HIGH)],
            id="this machine has no way to a name server",
        ),
        pytest.param(
            path(look("10.1.2.3", t=tcp("refused"))),
            [("NET_TCP_REFUSED", CRITICAL)],
            id="private and refused: we were inside",
        ),
        pytest.param(
            path(look("10.1.2.3"), look(ONE, t=tcp("timeout"))),
            [("NET_TARGET_ONE_BAD", HIGH)],
            id="one private address among public ones",
        ),
    ],
)
def test_names_are_not_blamed_for_what_is_on_purpose(
    seen: PathLook, expected: list[tuple[str, Severity]]
) -> None:
    assert codes(seen) == expected


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        pytest.param([GOOD] * 19 + [LOST], [], id="one of twenty is chance"),
        pytest.param([GOOD] * 9 + [LOST] + [GOOD] * 9 + [LOST], [WARNING], id="two of twenty"),
        pytest.param([GOOD, LOST, GOOD, LOST, GOOD], [HIGH], id="two of the first five"),
        pytest.param([LOST] * 5 + [GOOD] * 9, [], id="an outage that is over is no loss"),
        pytest.param([GOOD] * 9 + [LOST] * 4, [], id="an outage that lasts is no loss"),
        pytest.param([LOST] * 2 + [GOOD] * 30, [], id="older than twenty tries"),
        pytest.param(
            [GOOD] * 8 + [sample(look(), connect=1.02, syn_again=1)] * 2,
            [WARNING],
            id="all succeed, two after a second",
        ),
        pytest.param(
            [GOOD] * 8 + [sample(look(), connect=2.04, syn_again=2)] * 2,
            [WARNING],
            id="a second SYN each second, as Linux does now",
        ),
        pytest.param(
            [GOOD] * 8 + [sample(look(), connect=1.02, syn_again=0)] * 2,
            [],
            id="a second, and the kernel sent nothing again: far away, not lossy",
        ),
        pytest.param(
            [GOOD] * 8 + [sample(look(), connect=3.05)] * 2,
            [WARNING],
            id="where the kernel does not tell, three seconds do",
        ),
    ],
)
def test_loss_is_scattered_and_seen_in_second_syns(
    history: list[Sample], expected: list[Severity]
) -> None:
    found = codes(path(look(), history=history))
    assert found == [("NET_TCP_LOSS", severity) for severity in expected]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        pytest.param([0.01] * 18 + [0.09] * 2, [INFO], id="a twentieth is 80 ms late"),
        pytest.param([0.01] * 19 + [0.09], [], id="one late of twenty"),
        pytest.param([0.01] * 9 + [0.09] * 9, [], id="too few to tell"),
        pytest.param([0.01] * 18 + [0.03] * 2, [], id="20 ms are no jitter"),
        pytest.param([0.01] * 19 + [1.02], [], id="a second SYN is loss, not jitter"),
    ],
)
def test_jitter_is_told_from_twenty_connections(
    times: list[float], expected: list[Severity]
) -> None:
    history = [sample(look(), connect=time) for time in times]
    assert codes(path(look(), history=history)) == [("NET_TCP_JITTER", one) for one in expected]


def test_a_second_syn_is_not_a_slow_connection() -> None:
    seen = look(t=tcp(took=1.02), usual_connect=0.01)
    assert codes(path(seen)) == []


@pytest.mark.parametrize(
    ("totals", "expected"),
    [
        pytest.param([0.1, 0.1, 0.9, 0.1, 0.1], [], id="one slow look is chance"),
        pytest.param([0.9, 0.1, 0.9, 0.1, 0.9], [HIGH], id="its median is far above the others'"),
        pytest.param([0.9] * 5 + [0.1] * 5, [], id="it was slow once"),
        pytest.param([0.28] * 5, [], id="less than three times"),
    ],
)
def test_a_bad_address_is_slow_by_its_median(totals: list[float], expected: list[Severity]) -> None:
    history = [sample(look(TWO), total=total) for total in totals]
    history += [sample(look(one), total=0.1) for one in (ONE, THREE) for _ in totals]
    found = codes(path(look(ONE), look(TWO), look(THREE), history=history))
    assert found == [("NET_TARGET_ONE_BAD", severity) for severity in expected]


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        pytest.param([look(ONE), look(TWO)], [], id="both are well"),
        pytest.param([look(ONE, t=tcp("refused"))], ["NET_TCP_REFUSED"], id="a single one is all"),
        pytest.param(
            [look(ONE, t=tcp("refused")), look(TWO, t=tcp("timeout"))],
            ["NET_TCP_REFUSED"],
            id="all are bad: not one",
        ),
        pytest.param(
            [look(ONE, t=tcp("refused")), look(TWO, t=tcp("refused")), look(THREE)],
            ["NET_TARGET_ONE_BAD"],
            id="two of three",
        ),
        pytest.param(
            [look(ONE, h=http(404)), look(TWO, h=http(404))],
            ["NET_HTTP_4XX"],
            id="404 is an answer",
        ),
        pytest.param(
            [look(ONE), look(SIX, t=tcp("refused"))], ["NET_V6_BROKEN"], id="IPv6 alone is apart"
        ),
        pytest.param(
            [look(ONE), look(TWO, t=tcp("refused")), look(SIX)],
            ["NET_TARGET_ONE_BAD"],
            id="IPv6 is well, one of IPv4 is not",
        ),
    ],
)
def test_one_bad_address_needs_good_ones_beside_it(
    looks: list[AddressLook], expected: list[str]
) -> None:
    assert [code for code, _ in codes(path(*looks))] == expected


SOON = AT + timedelta(days=5)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"chain_ends": SOON}, [WARNING], id="the intermediate ends before the site's"),
        pytest.param({"chain_ends": AT + timedelta(days=90)}, [], id="it outlives it"),
        pytest.param(
            {"chain_ends": AT - timedelta(days=9)},
            [],
            id="an old cross-signature that nobody needs",
        ),
        pytest.param({"chain_ends": None}, [], id="no chain was sent, or it cannot be read"),
    ],
)
def test_the_chain_ends_too(fields: dict[str, datetime | None], expected: list[Severity]) -> None:
    seen = path(look(s=tls(certificate=certificate(60, **fields))))
    assert codes(seen) == [("NET_TLS_EXPIRING", severity) for severity in expected]


def witness(who: str, ahead: float) -> Witness:
    return Witness(who=who, ahead=ahead, at=AT)


@pytest.mark.parametrize(
    ("ahead", "others", "expected"),
    [
        pytest.param(0.0, [], [], id="clocks agree"),
        pytest.param(-1.9, [], [], id="less than two seconds"),
        pytest.param(-3.0, [], [INFO], id="three seconds by one source: one step less"),
        pytest.param(61.0, [], [WARNING], id="a minute by one source"),
        pytest.param(250.0, [], [HIGH], id="four minutes by one source"),
        pytest.param(-3.0, [-3.5], [WARNING], id="three seconds by two sources"),
        pytest.param(61.0, [60.2], [HIGH], id="a minute by two sources"),
        pytest.param(250.0, [251.0, 249.0], [CRITICAL], id="signatures are about to fail"),
        pytest.param(250.0, [0.0], [INFO], id="AWS agrees with us: their clock is wrong"),
        pytest.param(250.0, [0.0, 250.0], [CRITICAL], id="two against one"),
        pytest.param(250.0, [-250.0], [HIGH], id="the other errs the other way: no second source"),
    ],
)
def test_a_clock_is_judged_by_the_number_of_its_witnesses(
    ahead: float, others: list[float], expected: list[Severity]
) -> None:
    clocks = tuple(witness(f"host-{number}", one) for number, one in enumerate(others))
    found = codes(path(look(h=http(clock_ahead=ahead)), clocks=clocks))
    assert found == [("NET_CLOCK_SKEW", severity) for severity in expected]


def test_several_addresses_of_a_host_are_one_witness() -> None:
    seen = path(look(ONE, h=http(clock_ahead=90.0)), look(TWO, h=http(clock_ahead=90.0)))
    assert codes(seen) == [("NET_CLOCK_SKEW", WARNING)]
    odd = path(look(ONE, h=http(clock_ahead=90.0)), look(TWO, h=http(clock_ahead=0.0)))
    assert codes(odd) == []


def test_witnesses_are_kept_by_host_and_for_five_minutes() -> None:
    clocks = Clocks(lambda: (witness("AWS (prod)", 0.0),))
    clocks.tell(witness("a", 5.0))
    clocks.tell(witness("a", 6.0))
    clocks.tell(witness("b", 7.0))
    assert [(one.who, one.ahead) for one in clocks.others("b", AT)] == [
        ("AWS (prod)", 0.0),
        ("a", 6.0),
    ]
    assert clocks.others("b", AT + timedelta(minutes=6)) == ()


@pytest.mark.parametrize(
    ("difference", "certain"), [(3.0, 3.0), (0.0, 0.0), (-1.0, 0.0), (-1.5, 0.0), (-4.5, -3.0)]
)
def test_a_cut_date_is_doubted_by_a_second_and_a_half(difference: float, certain: float) -> None:
    assert certainly(difference) == certain


def provider(level: str, words: str = "", *incidents: str) -> ProviderLook:
    return ProviderLook(
        url="https://status.example/", at=AT, level=level, words=words, incidents=incidents
    )


@pytest.mark.parametrize(
    ("one", "says", "expected"),
    [
        pytest.param(look(), provider("none", "All Systems Operational"), [], id="all is well"),
        pytest.param(
            look(),
            provider("major", "Partial System Outage"),
            [("DEP_EXTERNAL", WARNING)],
            id="it reports an outage that has not reached us",
        ),
        pytest.param(
            look(), provider("minor", "Degraded"), [("DEP_EXTERNAL", INFO)], id="a small one"
        ),
        pytest.param(
            look(), provider("", "http 500"), [], id="a page that cannot be read proves nothing"
        ),
        pytest.param(
            look(h=http(first_byte=6.0)),
            provider("none", "All Systems Operational"),
            [("DEP_EXTERNAL", WARNING), ("NET_HTTP_SLOW", WARNING)],
            id="a green page does not heal it",
        ),
        pytest.param(
            look(t=tcp("timeout")),
            provider("critical", "Major Outage", "API unreachable"),
            [("DEP_EXTERNAL", HIGH), ("NET_TCP_TIMEOUT", WARNING)],
            id="it is down and says so",
        ),
    ],
)
def test_a_provider_is_heard_and_not_believed(
    one: AddressLook, says: ProviderLook, expected: list[tuple[str, Severity]]
) -> None:
    assert codes(path(one, provider=says), external=True) == expected


def test_our_own_site_is_never_a_dependency() -> None:
    assert codes(path(look(), provider=provider("critical"))) == []


def test_a_page_that_admits_it_is_the_first_cause_and_its_evidence() -> None:
    seen = path(look(t=tcp("timeout")), provider=provider("major", "Outage", "API is down"))
    first = next(iter(diagnose(Snapshot(path=seen, external=True), Settings())))
    assert first.likely == ("an outage of the provider, which it admits",)
    assert [(one.label, one.value) for one in first.evidence[:2]] == [
        ("its status page", "major: Outage"),
        ("open there", "API is down"),
    ]


@pytest.mark.parametrize(
    ("body", "level", "words", "incidents"),
    [
        pytest.param(
            b'{"page":{},"status":{"indicator":"none","description":"All Systems Operational"}}',
            "none",
            "All Systems Operational",
            (),
            id="Statuspage, well",
        ),
        pytest.param(
            b'{"status":{"indicator":"major","description":"Partial"},'
            b'"incidents":[{"name":"Payments fail","impact":"major"}]}',
            "major",
            "Partial",
            ("Payments fail",),
            id="Statuspage's summary, an incident",
        ),
        pytest.param(
            b'{"page":{"name":"x","status":"HASISSUES"},"activeIncidents":[{"name":"DNS"}]}',
            "minor",
            "HASISSUES",
            ("DNS",),
            id="Instatus",
        ),
        pytest.param(
            b'{"status":"active","active_incidents":[{"title":"Messages are late"}]}',
            "minor",
            "active",
            ("Messages are late",),
            id="Slack, whose status stays active",
        ),
        pytest.param(b'{"status": "operational"}', "none", "operational", (), id="plain words"),
        pytest.param(b'{"status": "frobnicated"}', "", "says 'frobnicated'", (), id="unknown word"),
        pytest.param(b"<html>", "", "not JSON", (), id="a page for people"),
        pytest.param(b"[1]", "", "not a status page that we know", (), id="another shape"),
        pytest.param(b"{}", "", "not a status page that we know", (), id="nothing in it"),
        pytest.param(b"[" * 100_000, "", "not JSON", (), id="nested beyond reason"),
        pytest.param(
            b'{"status":"ok","message":"\\u001b[31mred"}', "none", None, (), id="escapes are shown"
        ),
    ],
)
def test_status_pages_are_understood_or_left_alone(
    body: bytes, level: str, words: str | None, incidents: tuple[str, ...]
) -> None:
    found = understood(body)
    assert (found[0], found[2]) == (level, incidents)
    assert words is None or found[1] == words
    assert "\x1b" not in found[1]


def test_a_rate_limited_answer_is_repeated_without_a_request_and_says_so() -> None:
    seen = path(look(h=http(429, first_byte=7.0, held=25.0)))
    assert codes(seen) == [("NET_HTTP_4XX", INFO)]
    (finding,) = diagnose(Snapshot(path=seen), Settings())
    assert ("not asked again for", 25.0) in [(one.label, one.value) for one in finding.evidence]


def test_a_memory_of_names_counts_from_when_the_system_stood_still() -> None:
    memory = NameMemory()
    same = name(TWO, source="resolver", ttl=30)
    assert memory.heard((name(TWO), same), 0.0)["dns_differs_for"] is None
    first = memory.heard((name(ONE), same), 10.0)
    assert (first["dns_differs_for"], first["dns_agreed"]) == (0.0, True)
    assert memory.heard((name(ONE), same), 15.0)["dns_differs_for"] == 5.0
    assert memory.heard((name(THREE), same), 20.0)["dns_differs_for"] == 0.0, "it moved"
    last = memory.heard((name(TWO), same), 25.0)
    assert (last["dns_differs_for"], last["addresses_before"]) == (None, (THREE,))


def test_a_memory_of_names_keeps_the_highest_ttl_and_the_alias_before() -> None:
    memory = NameMemory()
    for ttl in (60, 42, 7):
        heard = memory.heard((name(ONE, source="resolver", ttl=ttl, canonical="a.example"),), 0.0)
    assert heard["dns_ttl"] == 60
    moved = memory.heard((name(TWO, source="resolver", ttl=5, canonical="b.example"),), 1.0)
    assert (moved["canonical_before"], moved["dns_changes"]) == ("a.example", 1)


def test_a_silent_name_server_is_told_with_what_applications_wait_for() -> None:
    system = replace(name(ONE), took=5.01)
    servers = (
        name(outcome="timeout", source="resolver", server="10.0.0.2:53"),
        name(ONE, source="resolver", server="10.0.0.3:53"),
    )
    seen = Snapshot(path=path(look(), dns=(system,), servers=servers))
    (told,) = (one for one in diagnose(seen, Settings()) if one.code == "NET_DNS_SERVER_SILENT")
    assert [(one.label, one.value) for one in told.evidence] == [
        ("resolver 10.0.0.2:53", "timeout"),
        ("resolver 10.0.0.3:53", ONE),
        ("system", f"{ONE}, after 5s"),
    ]


def test_a_failover_names_the_alias_that_moved() -> None:
    seen = path(
        look(),
        dns=(name(ONE, source="resolver", canonical="writer-b.example"),),
        addresses_before=(TWO,),
        canonical_before="writer-a.example",
        dns_changes=1,
    )
    (finding,) = diagnose(Snapshot(path=seen), Settings())
    assert finding.summary.endswith("it is an alias of writer-b.example now")


def test_private_addresses_that_time_out_are_said_to_be_no_news_from_outside() -> None:
    seen = path(look("10.1.2.3", t=tcp("timeout")))
    found = {finding.code: finding for finding in diagnose(Snapshot(path=seen), Settings())}
    assert "outside the VPC" in found["NET_TCP_TIMEOUT"].against[0]


def test_the_tables_show_what_others_say() -> None:
    says = provider("major", "Outage", "API is down")
    seen = path(look(), provider=says, clocks=(witness("AWS (prod)", -3.0),))
    assert PROBE.tables is not None
    tables = {table.title: table for table in PROBE.tables(Snapshot(path=seen), Settings())}
    assert [row.cells for row in tables["what others say"].rows] == [
        ("status page", "https://status.example/", "major; Outage; API is down"),
        ("clock", "AWS (prod)", "3s behind ours"),
    ]
