"""No outage goes by in silence: every mixture of ways in which addresses can fail is told."""

from __future__ import annotations

from itertools import combinations_with_replacement as mixtures

import jmespath
import pytest

from cockpit.connect.net.session import AddressLook
from cockpit.runbooks.library import library
from cockpit.triage import recording
from cockpit.triage.finding import Finding, Severity
from probes.endpoint.model import Settings, Snapshot
from probes.endpoint.path import diagnose
from tests.probes.endpoint_looks import (
    CRITICAL,
    HIGH,
    ONE,
    SIX,
    THREE,
    TWO,
    codes,
    http,
    look,
    path,
    sample,
    tcp,
    tls,
)

TCP = ("timeout", "refused", "reset", "unreachable", "error", "a new word")
TLS = (
    "expired", "not_yet_valid", "name", "self_signed", "untrusted", "chain", "invalid",
    "plaintext", "protocol", "alert", "mute", "dropped", "reset", "error", "unreachable",
    "refused", "a new word",
)  # fmt: skip
HTTP = (
    "mute", "dropped", "reset", "malformed", "truncated", "stalled", "alert", "error", "a new word",
)  # fmt: skip
BAD = tuple([("tcp", word) for word in TCP] + [("tls", word) for word in TLS]
            + [("http", word) for word in HTTP])  # fmt: skip
OLD_TLS = ("tls", "protocol")
"""It does answer: to clients as old as itself."""


def failing(address: str, way: tuple[str, str]) -> AddressLook:
    rung, word = way
    if rung == "tcp":
        return look(address, t=tcp(word))
    if rung == "tls":
        return look(address, s=tls(word, certificate=None))
    return look(address, h=http(0, outcome=word, first_byte=None))


def told(*looks: AddressLook, external: bool = False) -> list[Finding]:
    return list(diagnose(Snapshot(path=path(*looks), external=external), Settings()))


@pytest.mark.parametrize("addresses", [(ONE,), (ONE, TWO), (ONE, TWO, THREE), (ONE, SIX)], ids=len)
@pytest.mark.parametrize("external", [False, True], ids=["ours", "a third party's"])
def test_when_no_address_answers_something_high_is_said(
    addresses: tuple[str, ...], external: bool
) -> None:
    for ways in mixtures(BAD, len(addresses)):
        looks = [failing(*pair) for pair in zip(addresses, ways, strict=True)]
        found = told(*looks, external=external)
        worst = max((one.severity for one in found), key=lambda one: one.rank, default=None)
        if set(ways) == {OLD_TLS}:
            assert "NET_TLS_PROTOCOL" in {one.code for one in found}
        else:
            assert worst in {HIGH, CRITICAL}, ways


@pytest.mark.parametrize("way", BAD, ids=" ".join)
def test_when_another_address_answers_one_is_bad(way: tuple[str, str]) -> None:
    found = {one.code: one.severity for one in told(failing(ONE, way), look(TWO))}
    assert found["NET_TARGET_ONE_BAD"] is HIGH


@pytest.mark.parametrize("way", BAD, ids=" ".join)
def test_an_address_that_fails_beside_one_that_answers_503_is_told(way: tuple[str, str]) -> None:
    mixed = failing(ONE, way), look(TWO, h=http(503))
    assert "NET_TARGET_ONE_BAD" in {one.code for one in told(*mixed)}


@pytest.mark.parametrize(
    ("ways", "expected"),
    [
        pytest.param(
            [("tcp", "timeout"), ("http", "mute")],
            [("NET_TCP_TIMEOUT", CRITICAL), ("NET_CONN_MUTE", CRITICAL)],
            id="one drops the packets, one accepts and hangs",
        ),
        pytest.param([("tls", "unreachable")], [("NET_CONN_DROPPED", HIGH)], id="cut off in TLS"),
        pytest.param(
            [("tls", "mute"), ("http", "mute")], [("NET_CONN_MUTE", CRITICAL)], id="mute at two rungs"
        ),
        pytest.param(
            [("tcp", "refused"), ("tls", "alert")],
            [("NET_TCP_REFUSED", CRITICAL), ("NET_TLS_PROTOCOL", HIGH)],
            id="one refuses, one wants a client certificate",
        ),
        pytest.param(
            [("http", "truncated"), ("http", "dropped")],
            [("NET_CONN_DROPPED", HIGH), ("NET_HTTP_TRUNCATED", HIGH)],
            id="one ends too early, one before",
        ),
    ],
)  # fmt: skip
def test_a_mixed_outage_is_told_by_each_rung_that_fails(
    ways: list[tuple[str, str]], expected: list[tuple[str, Severity]]
) -> None:
    looks = [failing(*pair) for pair in zip((ONE, TWO, THREE), ways, strict=False)]
    assert codes(path(*looks)) == expected


def waited_for(book: str, step: str) -> str:
    found = library().get(book)
    assert found is not None
    waiting = next(one for one in found.steps if one.id == step)
    assert waiting.verify is not None
    return waiting.verify.until


def is_over(until: str, *looks: AddressLook, external: bool = False) -> bool:
    snapshot = Snapshot(path=path(*looks), external=external)
    findings = [
        {"code": one.code, "severity": one.severity.value} for one in diagnose(snapshot, Settings())
    ]
    seen = recording.builtins(snapshot) | {"reading": {"findings": findings}}
    return bool(jmespath.search(until, seen))


@pytest.mark.parametrize("external", [False, True], ids=["ours", "a third party's"])
def test_no_runbook_takes_an_outage_for_its_end(external: bool) -> None:
    books = {("path-http", "well"), ("path-tcp", "connects")}
    if external:
        books = {("path-http", "well"), ("dependency-external", "back")}
    for book, step in books:
        until = waited_for(book, step)
        assert is_over(until, look(ONE), look(TWO), external=external)
        for way in set(BAD) - {OLD_TLS}:
            if book == "path-tcp" and way[0] != "tcp":
                continue
            assert not is_over(until, failing(ONE, way), external=external), (book, way)
            mixed = failing(ONE, way), failing(TWO, ("tcp", "timeout"))
            assert not is_over(until, *mixed, external=external), (book, way)


def test_a_mixed_outage_says_how_many_fail_how() -> None:
    first, *_ = told(failing(ONE, ("tcp", "timeout")), failing(TWO, ("http", "mute")))
    assert first.summary.endswith("(1 of 2 addresses; the rest: http mute)")
    alone, *_ = told(failing(ONE, ("tcp", "timeout")))
    assert alone.summary == "shop.example:443 does not answer connection attempts"


def test_a_single_503_among_good_ones_does_not_hide_the_dead_address() -> None:
    well, ill = look(TWO), look(TWO, h=http(503))
    dead = look(ONE, t=tcp("timeout"))
    history = [sample(one) for one in (dead, well, dead, well, dead, well, dead, well, dead, ill)]
    found = codes(path(dead, ill, history=history))
    assert found == [("NET_TARGET_ONE_BAD", HIGH)]
