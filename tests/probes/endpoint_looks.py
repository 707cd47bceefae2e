"""Looks at an endpoint, made by hand: good unless something else is said."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from cockpit.connect.net.dns import Resolution
from cockpit.connect.net.http import HttpLook
from cockpit.connect.net.session import AddressLook, PathLook, Sample
from cockpit.connect.net.tls import Certificate, TlsLook
from cockpit.connect.net.wire import TcpLook
from cockpit.runbooks.library import library
from cockpit.triage.finding import Severity
from probes.endpoint.model import Settings, Snapshot
from probes.endpoint.path import PROBE, diagnose

AT = datetime(2026, 11, 21, 2, 41, tzinfo=UTC)
INFO, WARNING, HIGH, CRITICAL = Severity
ONE, TWO, THREE = "198.51.100.1", "198.51.100.2", "198.51.100.3"
SIX = "2001:db8::1"


def certificate(days: float = 60, **more: Any) -> Certificate:
    fields: dict[str, Any] = {
        "subject": "CN=shop.example",
        "issuer": "CN=R3,O=Let's Encrypt",
        "names": ("shop.example",),
        "not_before": AT - timedelta(days=300),
        "not_after": AT + timedelta(days=days),
        "fingerprint": "ab" * 32,
        "chain_length": 2,
        "self_issued": False,
        "issuer_url": True,
    }
    return Certificate(**(fields | more))


def tcp(outcome: str = "ok", took: float = 0.01) -> TcpLook:
    return TcpLook(outcome=outcome, took=took, source="10.0.0.5" if outcome == "ok" else "")


def tls(outcome: str = "ok", *, took: float = 0.03, **more: Any) -> TlsLook:
    more.setdefault("certificate", certificate())
    return TlsLook(outcome=outcome, took=took, version="TLSv1.3", store="system", **more)


def http(
    status: int = 200, *, outcome: str = "ok", first_byte: float | None = 0.05, **more: Any
) -> HttpLook:
    return HttpLook(outcome=outcome, status=status, first_byte=first_byte, took=0.06, **more)


def look(
    address: str = ONE,
    *,
    t: TcpLook | None = None,
    s: TlsLook | None = None,
    h: HttpLook | None = None,
    total: float = 0.1,
    **more: Any,
) -> AddressLook:
    """An address: good unless a rung is given; rungs behind a failed one are not reached."""
    t = t or tcp()
    s = (s or tls()) if t.outcome == "ok" else None
    h = (h or http()) if s and s.outcome == "ok" else None
    return AddressLook(address=address, tcp=t, tls=s, http=h, total=total, **more)


def sample(one: AddressLook, at: datetime = AT, **more: Any) -> Sample:
    found = one.tls.certificate if one.tls else None
    fields: dict[str, Any] = {
        "at": at,
        "address": one.address,
        "outcome": one.outcome,
        "connect": one.tcp.took if one.tcp.outcome == "ok" else None,
        "first_byte": one.http.first_byte if one.http else None,
        "status": one.http.status if one.http else 0,
        "fingerprint": found.fingerprint if found else "",
    }
    return Sample(**(fields | more))


def name(*addresses: str, outcome: str = "ok", source: str = "system", **more: Any) -> Resolution:
    return Resolution(source=source, outcome=outcome, took=0.01, addresses=addresses, **more)


def path(
    *looks: AddressLook,
    dns: tuple[Resolution, ...] | None = None,
    history: Iterable[Sample] | None = None,
    **more: Any,
) -> PathLook:
    fields: dict[str, Any] = {
        "at": AT,
        "url": "https://shop.example/",
        "scheme": "https",
        "host": "shop.example",
        "port": 443,
        "dns": dns or (name(*(one.address for one in looks)),),
        "addresses": looks,
        "history": tuple(sample(one) for one in looks) if history is None else tuple(history),
        "dns_history": (0.01,),
    }
    return PathLook(**(fields | more))


def codes(seen: PathLook, **more: Any) -> list[tuple[str, Severity]]:
    snapshot = Snapshot(path=seen, **more)
    again = msgspec.json.decode(msgspec.json.encode(snapshot), type=Snapshot)
    assert again == snapshot
    findings = list(diagnose(snapshot, Settings()))
    for finding in findings:
        assert finding.code in PROBE.codes
        assert finding.severity < WARNING or library().best(finding.code)
    assert PROBE.facts is not None
    list(PROBE.facts(snapshot, PROBE.settings))
    assert PROBE.tables is not None
    list(PROBE.tables(snapshot, Settings()))
    return [(finding.code, finding.severity) for finding in findings]
