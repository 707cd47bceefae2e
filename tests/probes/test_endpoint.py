"""What is said of a path, from literals: the ids are the specification."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from cockpit.connect.net.look import PathLook
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

FIVE = [look(h=http(503))] * 5


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(path(look()), [], id="one good address"),
        pytest.param(path(look(ONE), look(TWO), look(THREE)), [], id="three good addresses"),
        # names
        pytest.param(
            path(dns=(name(outcome="nxdomain"),)),
            [("NET_DNS_NXDOMAIN", CRITICAL)],
            id="no such name",
        ),
        pytest.param(
            path(dns=(name(outcome="servfail"),)), [("NET_DNS_SERVFAIL", HIGH)], id="SERVFAIL"
        ),
        pytest.param(
            path(dns=(name(outcome="refused"),)),
            [("NET_DNS_SERVFAIL", HIGH)],
            id="the name server refuses",
        ),
        pytest.param(
            path(dns=(name(outcome="timeout"),)),
            [("NET_DNS_TIMEOUT", HIGH)],
            id="the name server is silent",
        ),
        pytest.param(
            path(dns=(name(outcome="no_answer"),)),
            [("NET_DNS_NO_A", WARNING)],
            id="a name without an address",
        ),
        pytest.param(path(look(SIX)), [("NET_DNS_V6_ONLY", WARNING)], id="IPv6 only"),
        pytest.param(
            path(look(SIX), dns=(name(SIX, source="literal"),)), [], id="an IPv6 literal is no name"
        ),
        pytest.param(
            path(look(), dns_history=(0.01,) * 18 + (0.25,) * 2),
            [("NET_DNS_SLOW", WARNING)],
            id="a slow name",
        ),
        pytest.param(
            path(look(), dns_history=(1.2, 1.3)), [("NET_DNS_SLOW", HIGH)], id="a very slow name"
        ),
        pytest.param(
            path(look(), dns_history=(0.01,) * 40 + (0.9,)), [], id="one slow look-up of many"
        ),
        pytest.param(
            path(look(), addresses_before=(TWO,)),
            [("NET_DNS_CHANGED", INFO)],
            id="other addresses than before",
        ),
        pytest.param(
            path(
                look(), dns=(name(ONE), name(TWO, ttl=60, source="resolver")), dns_differs_for=30.0
            ),
            [("NET_DNS_SPLIT", INFO)],
            id="the system and the name server differ",
        ),
        pytest.param(
            path(
                look(),
                dns=(name(ONE), name(TWO, ttl=60, source="resolver")),
                dns_differs_for=121.0,
                dns_ttl=60,
            ),
            [("NET_DNS_STALE", HIGH)],
            id="they differ beyond twice the TTL",
        ),
        pytest.param(
            path(look("10.1.2.3", t=tcp("timeout", 4))),
            [("NET_DNS_PRIVATE_FROM_PUBLIC", INFO), ("NET_TCP_TIMEOUT", CRITICAL)],
            id="private addresses from outside",
        ),
        # tcp
        pytest.param(
            path(look(t=tcp("timeout"))), [("NET_TCP_TIMEOUT", CRITICAL)], id="no answer to SYN"
        ),
        pytest.param(path(look(t=tcp("refused"))), [("NET_TCP_REFUSED", CRITICAL)], id="refused"),
        pytest.param(path(look(t=tcp("reset"))), [("NET_TCP_RESET", HIGH)], id="reset"),
        pytest.param(
            path(look(t=tcp("unreachable"))), [("NET_TCP_UNREACH", HIGH)], id="no route from here"
        ),
        pytest.param(
            path(look(ONE, t=tcp("refused")), look(TWO, t=tcp("refused"))),
            [("NET_TCP_REFUSED", CRITICAL)],
            id="all refuse: one finding",
        ),
        pytest.param(
            path(look(ONE), look(TWO, t=tcp("timeout")), look(THREE)),
            [("NET_TARGET_ONE_BAD", HIGH)],
            id="one of three is dead",
        ),
        pytest.param(
            path(look(ONE), look(TWO, h=http(0, outcome="mute", first_byte=None)), look(THREE)),
            [("NET_TARGET_ONE_BAD", HIGH)],
            id="one of three is mute",
        ),
        pytest.param(
            path(look(ONE), look(TWO), look(THREE, total=0.9)),
            [("NET_TARGET_ONE_BAD", HIGH)],
            id="one of three is far slower",
        ),
        pytest.param(
            path(look(ONE, total=0.004), look(TWO, total=0.02)),
            [],
            id="a few milliseconds are no slowness",
        ),
        pytest.param(
            path(look(ONE), look(SIX, t=tcp("timeout"))),
            [("NET_V6_BROKEN", WARNING)],
            id="IPv6 dead, IPv4 fine",
        ),
        pytest.param(
            path(look(ONE), look(SIX, t=tcp("unreachable"))),
            [("NET_V6_BROKEN", INFO)],
            id="no IPv6 here is our own matter",
        ),
        pytest.param(
            path(look(t=tcp(took=0.2), usual_connect=0.02)),
            [("NET_TCP_SLOW", WARNING)],
            id="ten times the usual connect time",
        ),
        pytest.param(
            path(look(t=tcp(took=0.04), usual_connect=0.002)),
            [],
            id="below the floor it is not slow",
        ),
        pytest.param(
            path(look(), history=[sample(look())] * 18 + [sample(look(t=tcp("timeout")))] * 2),
            [("NET_TCP_LOSS", WARNING)],
            id="two of twenty connections lost",
        ),
        pytest.param(
            path(
                look(),
                history=([sample(look())] * 4 + [sample(look(t=tcp("timeout")))]) * 4,
            ),
            [("NET_TCP_LOSS", HIGH)],
            id="a fifth of the connections lost",
        ),
        pytest.param(
            path(
                look(),
                history=[sample(look())] * 18 + [sample(look(), connect=c) for c in (1.02, 3.1)],
            ),
            [("NET_TCP_LOSS", WARNING)],
            id="all succeed, two by a second SYN",
        ),
        # tls
        pytest.param(
            path(look(s=tls("expired", certificate=certificate(-1)))),
            [("NET_TLS_EXPIRED", CRITICAL)],
            id="expired",
        ),
        pytest.param(
            path(look(s=tls("expired"))),
            [("NET_TLS_EXPIRED", CRITICAL)],
            id="an expired intermediate",
        ),
        pytest.param(
            path(
                look(
                    s=tls(
                        "not_yet_valid", certificate=certificate(not_before=AT + timedelta(days=1))
                    )
                )
            ),
            [("NET_TLS_CLOCK", CRITICAL)],
            id="not yet valid, or our clock",
        ),
        pytest.param(path(look(s=tls("name"))), [("NET_TLS_NAME", CRITICAL)], id="another name"),
        pytest.param(
            path(look(s=tls("name", certificate=certificate(-3)))),
            [("NET_TLS_NAME", CRITICAL), ("NET_TLS_EXPIRED", CRITICAL)],
            id="another name and expired",
        ),
        pytest.param(
            path(look(s=tls("self_signed"))), [("NET_TLS_UNTRUSTED", HIGH)], id="self-signed"
        ),
        pytest.param(
            path(look(s=tls("untrusted"))), [("NET_TLS_UNTRUSTED", HIGH)], id="an unknown authority"
        ),
        pytest.param(
            path(look(s=tls("chain"))), [("NET_TLS_CHAIN", HIGH)], id="a missing intermediate"
        ),
        pytest.param(
            path(look(s=tls("plaintext", certificate=None))),
            [("NET_TLS_PROTOCOL", CRITICAL)],
            id="plain text on the TLS port",
        ),
        pytest.param(
            path(look(s=tls("protocol"))), [("NET_TLS_PROTOCOL", WARNING)], id="old TLS only"
        ),
        pytest.param(
            path(look(s=tls("alert", certificate=None))),
            [("NET_TLS_PROTOCOL", HIGH)],
            id="the server refuses the handshake",
        ),
        pytest.param(path(look(s=tls(certificate=certificate(22)))), [], id="22 days left"),
        pytest.param(
            path(look(s=tls(certificate=certificate(20)))),
            [("NET_TLS_EXPIRING", WARNING)],
            id="20 days left",
        ),
        pytest.param(
            path(look(s=tls(certificate=certificate(6.9)))),
            [("NET_TLS_EXPIRING", HIGH)],
            id="less than a week left",
        ),
        pytest.param(
            path(look(s=tls(certificate=certificate(1.9)))),
            [("NET_TLS_EXPIRING", CRITICAL)],
            id="less than two days left",
        ),
        pytest.param(
            path(
                look(
                    s=tls(
                        certificate=certificate(29, issuer="CN=Amazon RSA 2048 M02,O=Amazon,C=US")
                    )
                )
            ),
            [("NET_TLS_EXPIRING", WARNING)],
            id="ACM's renewal is stuck",
        ),
        pytest.param(
            path(look(s=tls(strict_only=True, detail="Missing Authority Key Identifier"))),
            [("NET_TLS_STRICT_ONLY", INFO)],
            id="strict rules only",
        ),
        pytest.param(
            path(look(ONE), look(TWO, s=tls(certificate=certificate(fingerprint="cd" * 32)))),
            [("NET_TLS_CHANGED", INFO)],
            id="two certificates at once",
        ),
        pytest.param(
            path(look(), history=[sample(look(), fingerprint="cd"), sample(look())]),
            [("NET_TLS_CHANGED", INFO)],
            id="a replaced certificate",
        ),
        pytest.param(
            path(look(s=tls(took=0.3))), [("NET_TLS_SLOW", WARNING)], id="a slow handshake"
        ),
        pytest.param(
            path(look(ONE), look(TWO, s=tls("expired", certificate=certificate(-1)))),
            [("NET_TARGET_ONE_BAD", HIGH), ("NET_TLS_EXPIRED", CRITICAL)],
            id="expired at one address",
        ),
        # talk
        pytest.param(
            path(look(s=tls("mute", certificate=None))),
            [("NET_CONN_MUTE", CRITICAL)],
            id="mute in the handshake",
        ),
        pytest.param(
            path(look(s=tls("dropped", certificate=None))),
            [("NET_CONN_DROPPED", HIGH)],
            id="closed in the handshake",
        ),
        pytest.param(
            path(look(h=http(0, outcome="mute", first_byte=None))),
            [("NET_CONN_MUTE", CRITICAL)],
            id="mute after the request",
        ),
        pytest.param(
            path(look(h=http(0, outcome="dropped", first_byte=None))),
            [("NET_CONN_DROPPED", HIGH)],
            id="closed before the answer",
        ),
        pytest.param(
            path(look(h=http(0, outcome="reset", first_byte=None))),
            [("NET_TCP_RESET", HIGH)],
            id="reset before the answer",
        ),
        # http
        pytest.param(
            path(look(h=http(503)), history=map(sample, FIVE)),
            [("NET_HTTP_5XX", CRITICAL)],
            id="all of the last five fail",
        ),
        pytest.param(
            path(look(h=http(503)), history=map(sample, [look(), look(), look(), *FIVE[:2]])),
            [("NET_HTTP_5XX", HIGH)],
            id="two of the last five fail",
        ),
        pytest.param(
            path(look(h=http(503)), history=map(sample, [look()] * 4 + FIVE[:1])),
            [],
            id="one of five is chance",
        ),
        pytest.param(path(look(h=http(404))), [("NET_HTTP_4XX", INFO)], id="404"),
        pytest.param(path(look(h=http(429))), [("NET_HTTP_4XX", INFO)], id="429"),
        pytest.param(
            path(look(h=http(200, has_marker=False, body="Sorry"))),
            [("NET_HTTP_BODY", HIGH)],
            id="a maintenance page with status 200",
        ),
        pytest.param(
            path(look(h=http(302, has_marker=False))), [], id="a redirect's body is not judged"
        ),
        pytest.param(
            path(look(h=http(200, outcome="truncated"))),
            [("NET_HTTP_TRUNCATED", HIGH)],
            id="truncated",
        ),
        pytest.param(
            path(look(h=http(0, outcome="malformed"))),
            [("NET_HTTP_MALFORMED", HIGH)],
            id="not HTTP",
        ),
        pytest.param(
            path(look(h=http(302, redirects=6))),
            [("NET_HTTP_REDIRECT_LOOP", HIGH)],
            id="a redirect loop",
        ),
        pytest.param(
            path(look(h=http(first_byte=1.2))),
            [("NET_HTTP_SLOW", WARNING)],
            id="more than a second",
        ),
        pytest.param(
            path(look(h=http(first_byte=5.5))),
            [("NET_HTTP_SLOW", HIGH)],
            id="more than five seconds",
        ),
        pytest.param(
            path(look(h=http(first_byte=0.4), usual_first_byte=0.1)),
            [("NET_HTTP_SLOW", WARNING)],
            id="four times the usual",
        ),
        pytest.param(
            path(look(h=http(first_byte=0.1), usual_first_byte=0.01)),
            [],
            id="100 ms are never slow",
        ),
    ],
)
def test_a_path_is_told_by_its_lowest_broken_rung(
    seen: PathLook, expected: list[tuple[str, Severity]]
) -> None:
    assert codes(seen) == expected


@pytest.mark.parametrize(
    ("status", "wanted", "expected"),
    [
        pytest.param(404, (404,), [], id="the status that is wanted"),
        pytest.param(503, (503,), [], id="a 503 may be wanted"),
        pytest.param(302, (200,), [("NET_HTTP_STATUS", WARNING)], id="a redirect instead of 200"),
        pytest.param(403, (200,), [("NET_HTTP_4XX", WARNING)], id="403 where 200 is wanted"),
    ],
)
def test_a_status_is_judged_by_what_is_wanted(
    status: int, wanted: tuple[int], expected: list[tuple[str, Severity]]
) -> None:
    assert codes(path(look(h=http(status))), expect_status=wanted) == expected


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(path(look()), [], id="a good third party"),
        pytest.param(
            path(look(h=http(first_byte=6.0))),
            [("DEP_EXTERNAL", WARNING), ("NET_HTTP_SLOW", WARNING)],
            id="a slow third party",
        ),
        pytest.param(
            path(look(h=http(429))),
            [("DEP_EXTERNAL", WARNING), ("NET_HTTP_4XX", INFO)],
            id="a third party that limits us",
        ),
        pytest.param(
            path(look(t=tcp("timeout"))),
            [("DEP_EXTERNAL", HIGH), ("NET_TCP_TIMEOUT", WARNING)],
            id="a dead third party",
        ),
        pytest.param(
            path(look(h=http(clock_ahead=-100.0))),
            [("NET_CLOCK_SKEW", WARNING)],
            id="our clock is no third party's trouble",
        ),
    ],
)
def test_a_third_party_s_trouble_is_a_dependency_s(
    seen: PathLook, expected: list[tuple[str, Severity]]
) -> None:
    assert codes(seen, external=True) == expected


def test_a_5xx_of_the_load_balancer_points_at_its_targets() -> None:
    seen = path(look(h=http(503, headers=(("server", "awselb/2.0"),))), history=map(sample, FIVE))
    (finding,) = diagnose(Snapshot(path=seen), Settings())
    assert "no target is registered" in finding.likely[0]


def test_the_name_server_that_knows_better_is_named() -> None:
    better = name(ONE, source="resolver", server="10.0.0.2:53")
    (finding,) = diagnose(Snapshot(path=path(dns=(name(outcome="nxdomain"), better))), Settings())
    assert "10.0.0.2:53 knows the name" in finding.likely[0]


def test_findings_say_where_they_were_seen_from() -> None:
    seen = replace(path(look(h=http(200, outcome="truncated"))), source="10.0.0.5", proxy=True)
    (finding,) = diagnose(Snapshot(path=seen), Settings())
    assert any("10.0.0.5 (a proxy" in str(one.value) for one in finding.evidence)


@pytest.mark.parametrize(
    ("seen", "text", "severity"),
    [
        pytest.param(path(look(total=0.09)), "100 ms", None, id="dns and the slowest address"),
        pytest.param(path(look(t=tcp("refused"))), "tcp refused", CRITICAL, id="the failing rung"),
        pytest.param(path(look(h=http(503))), "http 503", CRITICAL, id="the failing status"),
        pytest.param(path(dns=(name(outcome="nxdomain"),)), "dns nxdomain", CRITICAL, id="no name"),
    ],
)
def test_the_headline_is_the_whole_way(
    seen: PathLook, text: str, severity: Severity | None
) -> None:
    assert PROBE.facts is not None
    headline = next(iter(PROBE.facts(Snapshot(path=seen), PROBE.settings)))
    assert (headline.label, headline.text, headline.severity) == ("total", text, severity)


def test_the_tables_show_every_address_and_certificate() -> None:
    seen = path(look(ONE), look(TWO, t=tcp("refused")))
    assert PROBE.tables is not None
    tables = {table.title: table for table in PROBE.tables(Snapshot(path=seen), Settings())}
    assert [row.key for row in tables["addresses"].rows] == [ONE, TWO]
    assert tables["addresses"].rows[1].severity is HIGH
    assert len(tables["certificates"].rows) == 1
    for table in tables.values():
        assert all(len(row.cells) == len(table.columns) for row in table.rows)
