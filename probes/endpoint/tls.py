"""What is wrong with TLS: the certificate, its chain, its dates, and the talk about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from cockpit.connect.net.session import AddressLook, PathLook
from cockpit.connect.net.tls import Certificate, Link, TlsLook
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.units import duration
from probes.endpoint.model import Group, Settings, Snapshot, judged_addresses, share
from probes.endpoint.tcp import where_from

OWN_CERTIFICATE = "client certificate"
"""The subject of findings about what we show, not the server."""
_DAY = 86_400.0
_SHORT_LIVED = 30.0
TLS_CODES = {
    "expired": ("NET_TLS_EXPIRED", Severity.CRITICAL),
    "intermediate_expired": ("NET_TLS_EXPIRED", Severity.CRITICAL),
    "not_yet_valid": ("NET_TLS_CLOCK", Severity.CRITICAL),
    "name": ("NET_TLS_NAME", Severity.CRITICAL),
    "self_signed": ("NET_TLS_UNTRUSTED", Severity.HIGH),
    "untrusted": ("NET_TLS_UNTRUSTED", Severity.HIGH),
    "untrusted_beside_ca": ("NET_TLS_UNTRUSTED", Severity.HIGH),
    "invalid": ("NET_TLS_UNTRUSTED", Severity.HIGH),
    "chain": ("NET_TLS_CHAIN", Severity.HIGH),
    "trust_expired": ("NET_TLS_TRUST_EXPIRED", Severity.HIGH),
    "client_certificate": ("NET_TLS_CLIENT_CERT", Severity.WARNING),
    "plaintext": ("NET_TLS_PROTOCOL", Severity.CRITICAL),
    "protocol": ("NET_TLS_PROTOCOL", Severity.WARNING),
    "alert": ("NET_TLS_PROTOCOL", Severity.HIGH),
    "error": ("NET_TLS_PROTOCOL", Severity.HIGH),
}
"""Verdicts of a handshake that have a finding of their own."""
_LIKELY = {
    "expired": (
        "the renewal failed",
        "the renewed certificate was not rolled out or reloaded",
        "this machine's clock is ahead",
    ),
    "intermediate_expired": (
        "the issuer's certificate was renewed, and the old one is still sent behind the site's",
        "this machine's clock is ahead",
    ),
    "not_yet_valid": ("this machine's clock is behind", "a certificate of the future was deployed"),
    "name": ("the wrong certificate on the listener", "a name that was added without a new one"),
    "self_signed": ("a placeholder certificate after a fresh installation",),
    "untrusted": ("a private authority that is not in this store", "somebody in the middle"),
    "untrusted_beside_ca": (
        "the server does not send the intermediate that leads to an authority of tls_ca",
        "tls_ca holds another authority",
        "somebody in the middle",
    ),
    "invalid": ("a certificate that is not made for servers",),
    "chain": ("the server sends its own certificate without the intermediate",),
    "trust_expired": ("the copy of an authority that is trusted here was not renewed",),
    "client_certificate": ("it lets in only who shows a certificate that it trusts",),
    "plaintext": ("the port does not speak TLS", "TLS ends at another port or in front of it"),
    "protocol": ("the server speaks nothing newer than TLS 1.1",),
    "alert": ("the server wants a client certificate", "it does not know this name (SNI)"),
    "error": ("not a TLS server, or a broken one",),
}
_WORDS = {
    "not_yet_valid": "the certificate is not valid yet, by our clock",
    "chain": "the server does not send the intermediate certificate",
    "self_signed": "the certificate is signed by itself",
    "client_certificate": "the server wants a client certificate, and we show none that it takes",
}
_RENEW = "renew or replace the certificate, then check every address"
_AUTHORITY = "is it a private authority? then trust it with tls_ca; else replace the certificate"
_LISTENER = "look at the listener: protocol, port, client certificate"
_NEXT = {
    "expired": _RENEW,
    "intermediate_expired": "put the issuer's present intermediate behind the certificate, which "
    "is fine itself; then check every address",
    "not_yet_valid": "compare this machine's clock first: a skewed one fakes this",
    "name": _RENEW,
    "self_signed": _AUTHORITY,
    "untrusted": _AUTHORITY,
    "untrusted_beside_ca": "neither the system's store nor tls_ca leads to its issuer: does tls_ca "
    "hold the right authority, and does the server send its intermediate?",
    "invalid": _RENEW,
    "chain": "put the issuer's intermediate behind the certificate; it need not be renewed",
    "trust_expired": "put the authority's present certificate where ours is trusted; the server's "
    "need not be renewed",
    "client_certificate": "give the cockpit one: tls_cert and tls_key of this target; what is "
    "behind the handshake was not looked at",
    "plaintext": _LISTENER,
    "protocol": _LISTENER,
    "alert": _LISTENER,
    "error": _LISTENER,
}


def findings(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Report failed handshakes by their verdict, then what is about to fail."""
    path = snapshot.path
    looks = tuple(look for look in judged_addresses(path) if look.tls)
    outcomes = {look.address: _outcome(look, path.at) for look in looks}
    for outcome in dict.fromkeys(outcomes.values()):
        if outcome in TLS_CODES:
            alike = tuple(look for look in looks if outcomes[look.address] == outcome)
            yield _failed(path, outcome, alike, of=looks)
    yield from _dates(path, looks, settings)
    yield from _chain_dates(path, looks, settings)
    yield from _own_dates(path, settings)
    yield from _strict(path, looks)
    yield from _changed(path, looks)
    yield from _slow(path, looks, settings)


def _outcome(look: AddressLook, at: datetime) -> str:
    """The handshake's word, told apart by whose certificate ended and by what an alert asks for."""
    assert look.tls is not None
    if look.http and look.http.outcome == "alert":  # TLS 1.3 tells only after the handshake
        wanted = "CERTIFICATE_REQUIRED" in look.http.detail
        return "client_certificate" if wanted else "alert"
    own = look.tls.certificate
    if look.tls.outcome == "untrusted" and " and " in look.tls.store:
        return "untrusted_beside_ca"
    if look.tls.outcome == "expired" and own and own.chain_length == len(own.links) + 1:
        if _ended_link(look.tls, at):
            return "intermediate_expired"
        return "expired" if own.not_after < at else "trust_expired"
    return look.tls.outcome


def certificate_evidence(look: TlsLook) -> tuple[Evidence, ...]:
    """What the server presented, for people: names, dates, issuer, chain, store."""
    rows: list[Evidence] = []
    certificate = look.certificate
    if certificate:
        rows += [
            Evidence("certificate for", ", ".join(certificate.names[:5]) or certificate.subject),
            Evidence("issued by", certificate.issuer),
            Evidence("valid from", f"{certificate.not_before:%Y-%m-%d %H:%M} UTC"),
            Evidence("valid until", f"{certificate.not_after:%Y-%m-%d %H:%M} UTC"),
            Evidence("certificates sent", certificate.chain_length),
        ]
        rows += _behind(certificate)
        if certificate.key:
            signed = f", signed by {certificate.signature}" if certificate.signature else ""
            rows.append(Evidence("key", certificate.key + signed))
    if look.verify_code is not None:
        rows.append(Evidence("verification", f"{look.detail} (code {look.verify_code})"))
    elif look.detail:
        rows.append(Evidence("handshake", look.detail))
    if look.version:
        rows.append(Evidence("protocol", look.version))
    rows.append(Evidence("trusted", look.store))
    return tuple(rows)


def days_left(certificate: Certificate, at: datetime) -> float:
    """Days until it ends; negative when it has."""
    return (certificate.not_after - at).total_seconds() / _DAY


def grade_of_dates(certificate: Certificate, at: datetime, settings: Settings) -> Severity | None:
    """How near its end a certificate is; None where its renewal is not due yet.

    Automata renew when a third of the lifetime is left: before that nothing is late.
    """
    left = days_left(certificate, at)
    if left >= 0 and left * 3 >= _lifetime(certificate):
        return None
    return _limits(certificate, settings).grade(left)


def _limits(certificate: Certificate, settings: Settings) -> Thresholds:
    """Days left; below 30 days of lifetime they are shares of it: a third, a sixth, a twelfth."""
    lifetime = _lifetime(certificate)
    if lifetime >= _SHORT_LIVED:
        return settings.certificate_days
    return Thresholds(warning=lifetime / 3, high=lifetime / 6, critical=lifetime / 12, below=True)


def _lifetime(certificate: Certificate) -> float:
    """Days for which it was issued."""
    return (certificate.not_after - certificate.not_before).total_seconds() / _DAY


def _failed(path: PathLook, outcome: str, alike: Group, *, of: Group) -> Finding:
    """The handshake fails, so no client that verifies gets through.

    NET_TLS_EXPIRED: The certificate's time is over.

    NET_TLS_CLOCK: It is not valid yet: it was issued for later, or this machine's clock is wrong.

    NET_TLS_NAME: It is for other names than the one that was asked for.

    NET_TLS_UNTRUSTED: Its issuer is not trusted here: a private authority, or something on the way
    that answers instead.

    NET_TLS_CHAIN: The server does not send its intermediate certificate. Browsers often find it by
    themselves; other clients fail.

    NET_TLS_TRUST_EXPIRED: What has expired is none of the certificates that the server sends: it is
    the copy of an authority that we trust. Others are shut out only when they trust that copy too.

    NET_TLS_CLIENT_CERT: The server lets in only who shows a certificate, and we showed none that it
    takes. It is no fault of the server; what is behind the handshake was not looked at.

    NET_TLS_PROTOCOL: The two sides share no version or cipher, or the port speaks no TLS at all.
    """
    code, severity = TLS_CODES[outcome]
    look = _telling(alike[0])
    return Finding(
        code,
        severity,
        f"{path.host}: {share(alike, of)}{_words(outcome, look, path)}",
        subject="" if len(alike) == len(of) else alike[0].address,
        evidence=(*certificate_evidence(look), *where_from(path)),
        likely=_LIKELY[outcome],
        next=_NEXT[outcome],
    )


def _ended_link(look: TlsLook, at: datetime) -> Link | None:
    """The certificate behind the server's own that has ended, where its own has not."""
    own = look.certificate
    if own is None or own.not_after < at:
        return None
    return next((link for link in own.links if link.not_after < at), None)


def _telling(look: AddressLook) -> TlsLook:
    """The handshake, with the words of an alert that came after it."""
    assert look.tls is not None
    is_late = look.http is not None and look.http.outcome == "alert"
    return replace(look.tls, detail=look.http.detail) if is_late and look.http else look.tls


def _words(outcome: str, look: TlsLook, path: PathLook) -> str:
    certificate = look.certificate
    match outcome:
        case "expired" | "intermediate_expired":
            return _expired(look, path.at)
        case "not_yet_valid" if certificate:
            ahead = (certificate.not_before - path.at).total_seconds()
            return f"the certificate begins to be valid in {duration(ahead)}, by our clock"
        case "name" if certificate:
            return f"the certificate is for {', '.join(certificate.names[:3]) or 'no name'}"
        case "plaintext":
            return f"port {path.port} answers in plain text, not TLS"
        case "protocol":
            return f"the server speaks only {look.version or 'old TLS'}"
        case "alert":
            return f"the server refused the handshake ({look.detail})"
        case "untrusted" | "untrusted_beside_ca":
            issuer = f" ({certificate.issuer})" if certificate else ""
            return f"nobody we trust issued the certificate{issuer}"
        case "trust_expired":
            which = ", ".join(link.subject for link in look.stale[:2])
            whose = f"of tls_ca ({which})" if which else "that is trusted here"
            return f"a certificate {whose} has expired; those that the server sends have not"
    return _WORDS.get(outcome) or look.detail or "the handshake failed"


def _expired(look: TlsLook, at: datetime) -> str:
    own, link = look.certificate, _ended_link(look, at)
    if own and own.not_after < at:
        return f"the certificate expired {duration((at - own.not_after).total_seconds())} ago"
    if link:
        ago = duration((at - link.not_after).total_seconds())
        return f"an intermediate certificate ({link.subject}) expired {ago} ago"
    return "a certificate of the chain has expired"


def _dates(path: PathLook, looks: Group, settings: Settings) -> Iterator[Finding]:
    """The certificate ends soon, or has ended behind another fault.

    From that moment every client that verifies is shut out at once. Amazon renews 60 days ahead:
    less than `acm_days` left means that the renewal is stuck.
    """
    certificates = [
        look.tls.certificate
        for look in looks
        if look.tls and look.tls.certificate and look.tls.outcome != "expired"
    ]
    if not certificates:
        return
    first = min(certificates, key=lambda one: one.not_after)
    left = days_left(first, path.at)
    severity = grade_of_dates(first, path.at, settings)
    amazon = "amazon" in first.issuer.lower()
    if severity is None and amazon and left < settings.acm_days:
        severity = Severity.WARNING
    if severity is None:
        return
    ended = left < 0
    yield Finding(
        "NET_TLS_EXPIRED" if ended else "NET_TLS_EXPIRING",
        Severity.CRITICAL if ended else severity,
        f"{path.host}: the certificate "
        + (
            f"expired {duration(-left * _DAY)} ago" if ended else f"ends in {duration(left * _DAY)}"
        ),
        evidence=(
            Evidence("days left", round(left, 2), "d", _limits(first, settings).first),
            Evidence("issued for", round(_lifetime(first), 1), "d"),
            Evidence("valid until", f"{first.not_after:%Y-%m-%d %H:%M} UTC"),
            Evidence("issued by", first.issuer),
        ),
        likely=("the ACM renewal is stuck: its validation record is gone",)
        if amazon
        else ("nobody renews it", "the renewal fails silently"),
        next="renew it now, while it still works",
    )


def _chain_dates(path: PathLook, looks: Group, settings: Settings) -> Iterator[Finding]:
    """An intermediate that ends before the certificate itself, which nobody has in the calendar.

    A warning at most: a chain may hold one that no client needs, and one that ended already did
    no harm when the handshake went well.
    """
    for look in looks:
        certificate = look.tls.certificate if look.tls and look.tls.outcome == "ok" else None
        ends = certificate.chain_ends if certificate else None
        if certificate is None or ends is None or not path.at < ends < certificate.not_after:
            continue
        left = (ends - path.at).total_seconds()
        if settings.certificate_days.grade(left / _DAY):
            yield Finding(
                "NET_TLS_EXPIRING",
                Severity.WARNING,
                f"{path.host}: an intermediate certificate ends in {duration(left)}, "
                "before the site's own",
                subject="chain",
                evidence=(Evidence("ends", f"{ends:%Y-%m-%d %H:%M} UTC"), *_behind(certificate)),
                likely=("the bundle was not renewed with the certificate",),
                next="get the issuer's present chain and put it behind the certificate",
            )
            return


def _own_dates(path: PathLook, settings: Settings) -> Iterator[Finding]:
    """The certificate that we show to the server ends soon, or has: then only we are shut out."""
    own = path.own_certificate
    left = (own.not_after - path.at).total_seconds() if own else 0.0
    severity = settings.certificate_days.grade(left / _DAY) if own else None
    if own is None or severity is None:
        return
    yield Finding(
        "NET_TLS_EXPIRED" if left < 0 else "NET_TLS_EXPIRING",
        Severity.WARNING,
        f"{path.host}: our client certificate ({own.subject}) "
        + (f"expired {duration(-left)} ago" if left < 0 else f"ends in {duration(left)}"),
        subject=OWN_CERTIFICATE,
        evidence=(Evidence("ends", f"{own.not_after:%Y-%m-%d %H:%M} UTC"),),
        likely=("nobody renews the certificate that the cockpit shows",),
        against=("other clients have certificates of their own",),
        next="put a new one into tls_cert of this target; the server's need not be renewed",
    )


def _behind(certificate: Certificate) -> tuple[Evidence, ...]:
    """Each certificate that was sent behind the server's own, with its end."""
    if not certificate.links:
        return tuple(Evidence("sent behind it", subject) for subject in certificate.chain[:3])
    return tuple(
        Evidence("sent behind it", f"{link.subject}, until {link.not_after:%Y-%m-%d}")
        for link in certificate.links[:3]
    )


def _strict(path: PathLook, looks: Group) -> Iterator[Finding]:
    """The certificate breaks rules that only strict clients hold it to.

    Works for most, fails for Python 3.13 and later.
    """
    lax = [look for look in looks if look.tls and look.tls.strict_only]
    if lax and lax[0].tls:
        yield Finding(
            "NET_TLS_STRICT_ONLY",
            Severity.INFO,
            f"{path.host}: the certificate breaks strict rules ({lax[0].tls.detail})",
            evidence=certificate_evidence(lax[0].tls),
            likely=("a private authority without the extensions that RFC 5280 asks for",),
            next="Python 3.13 and later refuse it; browsers, libpq and curl accept it",
        )


def _changed(path: PathLook, looks: Group) -> Iterator[Finding]:
    """The certificate was replaced, or the addresses show different ones.

    A marker of a renewal or a deployment. Different ones at the same time mean a roll-out that is
    half done.
    """
    prints = {
        look.tls.certificate.fingerprint for look in looks if look.tls and look.tls.certificate
    }
    if not prints:
        return
    earlier = {sample.fingerprint for sample in path.history if sample.fingerprint}
    if len(prints | earlier) < 2:
        return
    between = len(prints) > 1
    yield Finding(
        "NET_TLS_CHANGED",
        Severity.INFO,
        f"{path.host}: "
        + (
            "the addresses show different certificates"
            if between
            else "the certificate was replaced"
        ),
        evidence=tuple(
            Evidence(look.address, look.tls.certificate.fingerprint[:16])
            for look in looks[:8]
            if look.tls and look.tls.certificate
        ),
        likely=("a rollout that is half done",) if between else ("a renewal", "a deployment"),
    )


def _slow(path: PathLook, looks: Group, settings: Settings) -> Iterator[Finding]:
    """The TLS handshake takes much longer than the way to the server explains.

    The server is short of CPU, or asks somebody else while it shakes hands.
    """
    for look in looks:
        limit = 3 * look.tcp.took + settings.handshake_floor
        if look.tls and look.tls.outcome == "ok" and look.tls.took > limit:
            yield Finding(
                "NET_TLS_SLOW",
                Severity.WARNING,
                f"{look.address}: the TLS handshake takes {duration(look.tls.took)}",
                subject=look.address,
                evidence=_slow_evidence(look, limit),
                likely=(
                    "the server is short of CPU",
                    "the certificate check waits for a third party",
                ),
                fact=False,
            )


def _slow_evidence(look: AddressLook, limit: float) -> tuple[Evidence, ...]:
    assert look.tls is not None
    return (
        Evidence("handshake", look.tls.took, "s", limit),
        Evidence("connect", look.tcp.took, "s"),
    )
