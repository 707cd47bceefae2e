"""The endpoint as facts and tables."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from cockpit.connect.net.session import AddressLook, PathLook
from cockpit.connect.net.tls import Certificate
from cockpit.triage.finding import Severity
from cockpit.triage.probe import Fact
from cockpit.triage.view import Column, Row, Table
from cockpit.units import duration
from probes.endpoint.failing import failing
from probes.endpoint.model import Settings, Snapshot, is_good, judged_addresses
from probes.endpoint.tls import days_left, grade_of_dates


def facts(snapshot: Snapshot, _: Settings) -> Iterator[Fact]:
    """The headline is the whole way of the slowest good address, dns included, and how many of the
    kept requests failed between good ones.
    """
    path = snapshot.path
    looks = judged_addresses(path)
    good = [look for look in looks if is_good(snapshot, look)]
    if good:
        total = path.dns[0].took + max(look.total for look in good)
        odd = failing(snapshot)
        fails = f" · {len(odd.odd)} of {odd.requests} fail" if odd else ""
        yield Fact("total", f"{duration(total)}{fails}", total, "s")
    else:
        word = looks[0].outcome if looks else f"dns {path.dns[0].outcome}"
        if looks and looks[0].outcome == "ok" and looks[0].http:
            word = f"http {looks[0].http.status}"
        yield Fact("total", word.replace("_", " "), severity=Severity.CRITICAL)
    yield Fact("addresses", f"{len(good)}/{len(looks)}", float(len(good)))
    if path.dns[0].source != "literal":
        yield Fact("dns", duration(path.dns[0].took), path.dns[0].took, "s")
    yield from _rungs(good)
    certificate = _certificate(looks)
    if certificate:
        left = days_left(certificate, path.at)
        yield Fact("certificate", f"{left:.0f} d", left, "d")


def _rungs(good: list[AddressLook]) -> Iterator[Fact]:
    if not good:
        return
    connect = max(look.tcp.took for look in good)
    yield Fact("connect", duration(connect), connect, "s")
    handshakes = [look.tls.took for look in good if look.tls]
    if handshakes:
        yield Fact("tls", duration(max(handshakes)), max(handshakes), "s")
    first_bytes = [look.http.first_byte for look in good if look.http and look.http.first_byte]
    if first_bytes:
        yield Fact("first byte", duration(max(first_bytes)), max(first_bytes), "s")
    statuses = sorted({look.http.status for look in good if look.http and look.http.status})
    if statuses:
        yield Fact("status", ", ".join(map(str, statuses)))
    says = sorted({look.http.says for look in good if look.http and look.http.says})
    if says:  # also a word that no rule knows
        yield Fact("says", ", ".join(says))
    if any(look.http and look.http.version == "HTTP/2" for look in good):
        yield Fact("speaks", "HTTP/2 alone")


def tables(snapshot: Snapshot, settings: Settings) -> Iterator[Table]:
    """Each address with its rungs, the answers about the name, and the certificates."""
    path = snapshot.path
    yield Table(
        title="addresses",
        columns=(
            Column("address", 40),
            Column("tcp", 9, right=True),
            Column("tls", 9, right=True),
            Column("first byte", 10, right=True),
            Column("total", 9, right=True),
            Column("failed", 6, right=True),
            Column("status", 6, right=True),
            Column("outcome"),
        ),
        rows=tuple(_address(snapshot, look) for look in path.addresses),
        headline=f"seen from {path.source or 'this machine'}",
        note=_notes(path),
    )
    yield _names(path)
    certificates = _certificates(path)
    if certificates:
        yield _certificate_table(path, certificates, settings)
    if path.provider or path.clocks:
        yield _others(path)


def _notes(path: PathLook) -> tuple[str, ...]:
    notes = [
        f"{path.url}: every address was tried apart, with the same name; no retry, no proxy.",
        "failed: of the tries of this session, 60 at most.",
    ]
    if path.untried:
        notes.append(f"{path.untried} further addresses were not tried.")
    if path.proxy:
        notes.append("A proxy is configured here: browsers take another way than this probe.")
    return tuple(notes)


def _address(snapshot: Snapshot, look: AddressLook) -> Row:
    answer, handshake = look.http, look.tls
    first_byte = answer.first_byte if answer else None
    tries = [one for one in snapshot.path.history if one.address == look.address]
    failed = sum(1 for one in tries if one.outcome != "ok" or one.status >= 500)
    return Row(
        key=look.address,
        cells=(
            look.address,
            duration(look.tcp.took),
            duration(handshake.took) if handshake else "–",
            duration(first_byte) if first_byte is not None else "–",
            duration(look.total),
            f"{failed}/{len(tries)}",
            str(answer.status) if answer and answer.status else "–",
            _outcome(snapshot, look),
        ),
        severity=None if is_good(snapshot, look) else Severity.HIGH,
        sort=(
            look.address,
            look.tcp.took,
            handshake.took if handshake else None,
            first_byte,
            look.total,
            failed,
            answer.status if answer else None,
            look.outcome,
        ),
    )


def _outcome(snapshot: Snapshot, look: AddressLook) -> str:
    details = [rung.detail for rung in (look.tcp, look.tls, look.http) if rung and rung.detail]
    words = look.outcome.replace("_", " ")
    if look.outcome == "ok" and not is_good(snapshot, look):
        return "bad answer"
    if look.http and look.http.held is not None:
        return f"held: asked again in {duration(look.http.held)}"
    return f"{words}: {details[-1]}" if details else words


def _names(path: PathLook) -> Table:
    rows = tuple(
        Row(
            key=f"{answer.source} {answer.server}",
            cells=(
                answer.source,
                answer.server or "–",
                answer.outcome.replace("_", " "),
                duration(answer.took),
                f"{answer.ttl} s" if answer.ttl is not None else "–",
                " → ".join(answer.aliases) or "–",
                ", ".join(answer.addresses) or answer.detail or "–",
            ),
            severity=None if answer.outcome == "ok" else Severity.HIGH,
        )
        for answer in path.dns
    )
    return Table(
        title="name",
        columns=(
            Column("asked", 9),
            Column("server", 22),
            Column("outcome", 12),
            Column("took", 8, right=True),
            Column("TTL", 7, right=True),
            Column("alias of", 30),
            Column("addresses"),
        ),
        rows=rows,
        headline=path.host,
    )


def _others(path: PathLook) -> Table:
    rows = []
    if path.provider:
        said = path.provider
        words = "; ".join(filter(None, (said.level or "unread", said.words, *said.incidents)))
        rows.append(Row(key="status page", cells=("status page", said.url, words)))
    for one in path.clocks:
        ahead = f"{duration(abs(one.ahead))} {'ahead of' if one.ahead > 0 else 'behind'} ours"
        rows.append(Row(key=one.who, cells=("clock", one.who, ahead if one.ahead else "as ours")))
    return Table(
        title="what others say",
        columns=(Column("about", 11), Column("who", 40), Column("says")),
        rows=tuple(rows),
        note=("A status page is the provider's own word, and late.",) if path.provider else (),
    )


def _certificates(path: PathLook) -> dict[str, tuple[Certificate, list[str]]]:
    found: dict[str, tuple[Certificate, list[str]]] = {}
    for look in path.addresses:
        certificate = look.tls.certificate if look.tls else None
        if certificate:
            found.setdefault(certificate.fingerprint, (certificate, []))[1].append(look.address)
    return found


def _certificate(looks: tuple[AddressLook, ...]) -> Certificate | None:
    certificates = [look.tls.certificate for look in looks if look.tls and look.tls.certificate]
    return min(certificates, key=lambda one: one.not_after, default=None)


def _certificate_table(
    path: PathLook, found: dict[str, tuple[Certificate, list[str]]], settings: Settings
) -> Table:
    return Table(
        title="certificates",
        columns=(
            Column("for", 26),
            Column("left", 8, right=True),
            Column("until", 10),
            Column("issued by", 24),
            Column("print", 8),
            Column("at"),
        ),
        rows=tuple(
            row
            for fingerprint, (one, addresses) in found.items()
            for row in (
                Row(
                    key=fingerprint,
                    cells=(
                        ", ".join(one.names) or one.subject,
                        f"{days_left(one, path.at):.1f} d",
                        f"{one.not_after:%Y-%m-%d}",
                        one.issuer,
                        fingerprint[:8],
                        ", ".join(addresses),
                    ),
                    severity=grade_of_dates(one, path.at, settings),
                    sort=(None, days_left(one, path.at), one.not_after.timestamp()),
                ),
                *_links(one, fingerprint, path.at),
            )
        ),
    )


def _links(certificate: Certificate, fingerprint: str, at: datetime) -> Iterator[Row]:
    """What was sent behind a certificate, one row each."""
    for number, link in enumerate(certificate.links, 1):
        left = (link.not_after - at).total_seconds() / 86_400
        yield Row(
            key=f"{fingerprint} {number}",
            cells=(
                f"+ {link.subject}",
                f"{left:.1f} d",
                f"{link.not_after:%Y-%m-%d}",
                link.issuer,
                "–",
                "sent behind it",
            ),
            severity=Severity.WARNING if left < 0 else None,
            sort=(None, left, link.not_after.timestamp()),
        )
