"""What an expert would object to: advice that does not fit, trouble put on the wrong side."""

from __future__ import annotations

from datetime import timedelta

import jmespath
import pytest

from cockpit.connect.net.http import BODY_LIMIT, HttpLook
from cockpit.connect.net.look import AddressLook, PathLook
from cockpit.connect.net.tls import Certificate
from cockpit.runbooks.library import library
from cockpit.triage import recording
from cockpit.triage.finding import Severity
from probes.endpoint.model import Settings, Snapshot
from probes.endpoint.path import PROBE, diagnose
from probes.vpc_path.findings import Snapshot as PathSnapshot
from tests.probes.endpoint_looks import (
    AT,
    CRITICAL,
    HIGH,
    INFO,
    ONE,
    SIX,
    TWO,
    WARNING,
    certificate,
    codes,
    http,
    look,
    name,
    path,
    tcp,
    tls,
)


def lasting(lifetime: float, left: float) -> Certificate:
    """A certificate of so many days, of which so many are left."""
    end = AT + timedelta(days=left)
    return certificate(not_after=end, not_before=end - timedelta(days=lifetime))


@pytest.mark.parametrize(
    ("lifetime", "left", "expected"),
    [
        pytest.param(1, 16 / 24, [], id="24 hours, 16 left: fresh"),
        pytest.param(1, 7.9 / 24, [WARNING], id="24 hours, less than a third left"),
        pytest.param(1, 3.9 / 24, [HIGH], id="24 hours, less than a sixth left"),
        pytest.param(1, 1.9 / 24, [CRITICAL], id="24 hours, less than a twelfth left"),
        pytest.param(6, 5, [], id="six days of ACME, one day old"),
        pytest.param(6, 1.9, [WARNING], id="six days of ACME, the renewal is late"),
        pytest.param(45, 20, [], id="45 days, renewed when 15 are left"),
        pytest.param(45, 14.9, [WARNING], id="45 days, the renewal is late"),
        pytest.param(45, 6.9, [HIGH], id="45 days, a week left"),
        pytest.param(90, 22, [], id="90 days, 22 left"),
        pytest.param(90, 20.9, [WARNING], id="90 days, 21 left"),
        pytest.param(397, 1.9, [CRITICAL], id="a year's, two days left"),
        pytest.param(1, -0.1, [CRITICAL], id="short-lived and over"),
    ],
)
def test_a_certificate_is_late_by_the_time_it_was_issued_for(
    lifetime: int, left: float, expected: list[Severity]
) -> None:
    seen = path(look(s=tls(certificate=lasting(lifetime, left))))
    assert [severity for _, severity in codes(seen)] == expected
    assert PROBE.tables is not None
    tables = {table.title: table for table in PROBE.tables(Snapshot(path=seen), Settings())}
    shown = tables["certificates"].rows[0].severity
    assert shown == (expected[0] if expected else None)


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("chain", "need not be renewed"),
        ("untrusted", "tls_ca"),
        ("self_signed", "tls_ca"),
        ("expired", "renew or replace"),
        ("not_yet_valid", "clock"),
    ],
)
def test_the_next_step_fits_what_is_wrong_with_the_certificate(outcome: str, words: str) -> None:
    (finding,) = diagnose(Snapshot(path=path(look(s=tls(outcome)))), Settings())
    assert words in finding.next


def test_an_expired_certificate_may_be_our_own_clock_that_is_ahead() -> None:
    (finding,) = diagnose(Snapshot(path=path(look(s=tls("expired")))), Settings())
    assert "this machine's clock is ahead" in finding.likely


@pytest.mark.parametrize(
    ("answer", "severity", "doubt"),
    [
        pytest.param(http(has_marker=False, size=900), HIGH, "", id="the whole body was read"),
        pytest.param(http(has_marker=False, size=BODY_LIMIT), WARNING, "4 KiB", id="a long page"),
        pytest.param(
            http(has_marker=False, size=90, headers=(("content-encoding", "gzip"),)),
            WARNING,
            "compressed (gzip)",
            id="compressed by force",
        ),
        pytest.param(
            http(has_marker=False, size=90, headers=(("content-encoding", "identity"),)),
            HIGH,
            "",
            id="said to be plain",
        ),
    ],
)
def test_a_text_that_may_not_have_been_read_is_missed_in_doubt_only(
    answer: HttpLook, severity: Severity, doubt: str
) -> None:
    (finding,) = diagnose(Snapshot(path=path(look(h=answer))), Settings())
    assert (finding.code, finding.severity) == ("NET_HTTP_BODY", severity)
    assert doubt in " ".join(finding.against)
    assert bool(finding.against) == bool(doubt)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(
            path(look(t=tcp("unreachable"))), [("NET_TCP_UNREACH", HIGH)], id="no route from here"
        ),
        pytest.param(
            path(dns=(name(outcome="unreachable"),)),
            [("NET_DNS_TIMEOUT", HIGH)],
            id="our name server cannot be reached",
        ),
        pytest.param(
            path(dns=(name(outcome="timeout"), name(outcome="unreachable", source="resolver"))),
            [("NET_DNS_TIMEOUT", HIGH)],
            id="one of two says why",
        ),
        pytest.param(
            path(dns=(name(outcome="timeout"),)),
            [("DEP_EXTERNAL", HIGH), ("NET_DNS_TIMEOUT", WARNING)],
            id="a name server that is silent may be theirs",
        ),
        pytest.param(
            path(
                look(), dns=(name(ONE), name(TWO, ttl=60, source="resolver")),
                dns_differs_for=121.0, dns_ttl=60,
            ),
            [("NET_DNS_STALE", HIGH)],
            id="our cache is stale",
        ),
        pytest.param(
            path(look(ONE), look(SIX, t=tcp("timeout"))),
            [("NET_V6_BROKEN", INFO)],
            id="IPv6 alone proves nothing",
        ),
        pytest.param(
            path(look(t=tcp("refused"))),
            [("DEP_EXTERNAL", HIGH), ("NET_TCP_REFUSED", WARNING)],
            id="they refuse",
        ),
    ],
)  # fmt: skip
def test_our_own_network_is_not_the_third_party_s_trouble(
    seen: PathLook, expected: list[tuple[str, Severity]]
) -> None:
    assert codes(seen, external=True) == expected


@pytest.mark.parametrize("outcome", ["servfail", "refused", "timeout", "nxdomain"])
def test_what_a_resolver_says_is_no_outage_of_the_provider(outcome: str) -> None:
    (found,) = [
        finding
        for finding in diagnose(
            Snapshot(path=path(dns=(name(outcome=outcome),)), external=True), Settings()
        )
        if finding.code == "DEP_EXTERNAL"
    ]
    assert "outage of the provider" not in " ".join(found.likely)
    assert "in trouble" not in found.summary
    assert "cannot be found by its name" in found.summary
    assert "our resolver would look the same: look the name up at another one" in found.against


def waited_for(book: str, step: str) -> str:
    found = library().get(book)
    assert found is not None
    one = next(one for one in found.steps if one.id == step)
    assert one.verify is not None
    return one.verify.until


@pytest.mark.parametrize("book", ["path-route", "path-nacl", "path-security-group"])
@pytest.mark.parametrize(
    ("verdict", "ended"), [("open", True), ("undetermined", False), ("blocked", False)]
)
def test_a_path_that_cannot_be_judged_is_not_waited_for_as_open(
    book: str, verdict: str, ended: bool
) -> None:
    seen = {"verdict": verdict, "blockers": []}
    assert {"verdict", "blockers"} <= set(PathSnapshot.__dataclass_fields__)
    assert jmespath.search(waited_for(book, "open"), seen) is ended


@pytest.mark.parametrize(
    ("looks", "ended"),
    [
        pytest.param([look(ONE), look(TWO)], False, id="still the one that is about to expire"),
        pytest.param(
            [look(ONE, s=tls(certificate=certificate(fingerprint="cd"))), look(TWO)],
            False,
            id="one address has the new one",
        ),
        pytest.param(
            [look(one, s=tls(certificate=certificate(fingerprint="cd"))) for one in (ONE, TWO)],
            True,
            id="every address has the new one",
        ),
        pytest.param(
            [look(ONE, s=tls("name", certificate=certificate(fingerprint="cd")))],
            False,
            id="another one, for another name",
        ),
        pytest.param([look(ONE, t=tcp("timeout"))], False, id="nothing to be seen"),
    ],
)
def test_a_listener_is_changed_when_the_certificate_from_before_is_gone(
    looks: list[AddressLook], ended: bool
) -> None:
    seen = recording.builtins(Snapshot(path=path(*looks)))
    scope = seen | {"presented": {"fingerprint": certificate().fingerprint}}
    assert jmespath.search(waited_for("tls-certificate", "present"), scope) is ended
