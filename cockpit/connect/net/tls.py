"""A strict handshake for the verdict; on failure a second one, unverified, to describe why.

Verify codes are OpenSSL's (`openssl-verification-options(1)`). Strict rules (VERIFY_X509_STRICT,
Python 3.13's default) are applied on every Python, so that the verdict is the same everywhere.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
import warnings
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from cockpit.connect.net.tls_records import asks_for_certificate
from cockpit.connect.net.wire import PeerClosed, Wire, outcome_of
from cockpit.errors import BlindError, Reason
from cockpit.text import visible

if TYPE_CHECKING:
    from cryptography import x509

_VERDICTS = {
    10: "expired",
    9: "not_yet_valid",
    18: "self_signed",
    19: "untrusted",
    2: "chain",
    20: "untrusted",
    21: "untrusted",
    62: "name",
    64: "name",
}
_MISSING_ISSUER = {2, 20, 21}
_MOST_OTHERS = 9
_KINDS = {"EllipticCurve": "EC"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One certificate behind the server's own, as it was sent or as we trust it. Untrusted text."""

    subject: str
    issuer: str
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What the server presented, whether or not it may be trusted. All text is untrusted."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    """DNS names and addresses that it is for, at most 20."""
    not_before: datetime
    not_after: datetime
    fingerprint: str
    """SHA-256 of the DER form, hexadecimal."""
    chain_length: int | None
    """Certificates that the server sent, the leaf included; None when that cannot be read."""
    self_issued: bool
    issuer_url: bool
    """Whether it says where its issuer's certificate can be had (AIA)."""
    key: str = ""
    """Kind and size of its key, such as `RSA 2048` or `EC secp256r1`."""
    signature: str = ""
    """The hash that its issuer signed, such as `sha256`; empty when there is none (Ed25519)."""
    chain: tuple[str, ...] = ()
    """Subjects of the other certificates that the server sent, in its order; at most 8."""
    chain_ends: datetime | None = None
    """When the first of those ends; None when none was sent or they cannot be read."""
    links: tuple[Link, ...] = ()
    """The same with their dates, in the server's order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsLook:
    """How the handshake ended.

    `outcome`: `ok`; by the certificate `expired`, `not_yet_valid`, `name`, `self_signed`,
    `untrusted`, `chain` (the server does not send its intermediate), `invalid`; by the talk
    `plaintext`, `protocol` (only old TLS), `client_certificate` (the server wants one),
    `alert` (the server refused), `mute`, `dropped`, `reset`, `error`.
    """

    outcome: str
    took: float
    """Seconds of the handshake that gave the verdict."""
    version: str = ""
    cipher: str = ""
    verify_code: int | None = None
    """OpenSSL's; None when the certificate was not the reason."""
    detail: str = ""
    strict_only: bool = False
    """The certificate breaks strict rules only; clients before Python 3.13 accept it."""
    certificate: Certificate | None = None
    store: str = ""
    """Which certificates were trusted."""
    stale: tuple[Link, ...] = ()
    """Certificates of `tls_ca` that had ended when the handshake failed."""


@dataclass(frozen=True, slots=True)
class OwnCertificate:
    """What we show of ourselves: a PEM file with our certificate and its chain, and its key's."""

    certificate: str = ""
    """Empty: nothing is shown."""
    key: str = ""
    """Empty: the key stands in the same file."""


NOTHING = OwnCertificate()
HTTP_1, HTTP_2 = "http/1.1", "h2"
"""What is asked for in the handshake (ALPN)."""
_MAKING = threading.Lock()


@lru_cache(maxsize=64)
def _context(
    ca_file: str, changed: tuple[int, ...], *, strict: bool, shown: OwnCertificate, protocol: str
) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file:
        context.load_verify_locations(cafile=ca_file)
    if shown.certificate:
        # without a password of ours OpenSSL asks for one at the terminal
        context.load_cert_chain(shown.certificate, shown.key or None, password=_no_password)
    context.set_alpn_protocols([protocol])
    if strict:
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    else:
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def verifying(
    ca_file: str, *, strict: bool, shown: OwnCertificate = NOTHING, protocol: str = HTTP_1
) -> ssl.SSLContext:
    """The context for the verdict: the system's store and the extra file. Reads files: call it off
    the loop the first time. Raises `BlindError(misconfigured)` when a file is no use.
    """
    try:
        ca, ca_changed = _file(ca_file)
        with _MAKING:  # two endpoints that begin together would both read the store: 20 ms of CPU
            trusting = _context(ca, (ca_changed,), strict=strict, shown=NOTHING, protocol=protocol)
    except (OSError, ssl.SSLError) as error:
        raise _no_use(
            f"tls_ca {ca_file}", error, hint="a PEM file with the certificates to trust"
        ) from None
    if not shown.certificate:
        return trusting
    try:
        own, own_changed = _file(shown.certificate)
        key, key_changed = _file(shown.key)
        changed = (ca_changed, own_changed, key_changed)
        return _context(
            ca, changed, strict=strict, shown=OwnCertificate(own, key), protocol=protocol
        )
    except (OSError, ssl.SSLError) as error:
        what = f"tls_cert {shown.certificate}, tls_key {shown.key or '(the same file)'}"
        hint = "a PEM file with the certificate and its chain, and the key that belongs to it"
        raise _no_use(what, error, hint=f"{hint}, without a passphrase") from None


def _file(name: str) -> tuple[str, int]:
    """Its path, and when it was written; nothing for no file. Raises `OSError`."""
    path = Path(name).expanduser()
    return (str(path), path.stat().st_mtime_ns) if name else ("", 0)


def _no_use(what: str, error: OSError, *, hint: str) -> BlindError:
    words = visible(error.strerror or str(error), 120)
    return BlindError(Reason.MISCONFIGURED, f"{what}: {words}", hint=hint)


def _no_password() -> str:
    raise ssl.SSLError("the key is encrypted")


def ended(ca_file: str, at: datetime) -> tuple[Link, ...]:
    """The certificates of an extra file that had ended at a moment. Reads the file."""
    return tuple(link for link in _read(ca_file) if link.not_after < at)


def first_of(file: str) -> Link | None:
    """The first certificate of a PEM file, which is the own one; None when it cannot be read."""
    return next(iter(_read(file)), None)


def _read(file: str) -> tuple[Link, ...]:
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificates(Path(_file(file)[0]).read_bytes())
    except (OSError, ValueError):
        return ()
    return tuple(map(_link, found))


@lru_cache(maxsize=1)
def describing() -> ssl.SSLContext:
    """A context that accepts anything, to look at what is presented. Nothing is sent over it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # of which no store is read
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
    return context


async def handshake(
    wire: Wire, context: ssl.SSLContext, name: str, *, timeout: float, store: str
) -> TlsLook:
    """One handshake on a fresh wire. Never raises for what the other side does."""
    loop = asyncio.get_running_loop()
    begun = loop.time()

    def look(outcome: str, *, detail: str = "", verify_code: int | None = None) -> TlsLook:
        took = loop.time() - begun
        return TlsLook(
            outcome=outcome, took=took, store=store, detail=detail, verify_code=verify_code
        )

    try:
        async with asyncio.timeout(timeout):
            await wire.secure(context, name)
    except ssl.SSLCertVerificationError as error:
        return look(
            _VERDICTS.get(error.verify_code, "invalid"),
            verify_code=error.verify_code,
            detail=visible(error.verify_message, 200),
        )
    except ssl.SSLError as error:
        refusal = _refusal(error)
        if _of_no_certificate(reason_of(error)) and asks_for_certificate(wire.heard):
            refusal = "client_certificate"
        return look(refusal, detail=visible(reason_of(error), 120))
    except TimeoutError as error:
        if error.errno:
            return look("reset", detail=error.strerror or "")
        return look("mute", detail=f"no answer to the handshake within {timeout:g} s")
    except PeerClosed as error:
        return look("dropped", detail=str(error))
    except OSError as error:
        return look(outcome_of(error), detail=error.strerror or "")
    except ValueError as error:  # OpenSSL refuses the name itself
        return look("error", detail=visible(str(error), 120))
    return _described(look("ok"), wire)


def _described(look: TlsLook, wire: Wire) -> TlsLook:
    """The look with version, cipher and certificate of a finished handshake."""
    tls = wire.tls
    if tls is None:
        return look
    cipher = tls.cipher()
    raw = tls.getpeercert(binary_form=True)
    return replace(
        look,
        version=tls.version() or "",
        cipher=cipher[0] if cipher else "",
        certificate=_certificate(raw, _chain(tls)) if raw else None,
    )


def judged(look: TlsLook, seen: TlsLook | None) -> TlsLook:
    """The verdict completed by what an unverified handshake saw. Pure."""
    if seen is None:
        return look
    outcome = look.outcome
    certificate = seen.certificate
    if look.verify_code in _MISSING_ISSUER and certificate and not certificate.self_issued:
        incomplete = certificate.chain_length == 1 and certificate.issuer_url
        outcome = "chain" if incomplete or look.verify_code == 2 else "untrusted"
    if "CERTIFICATE_REQUIRED" in look.detail:
        outcome = "client_certificate"
    if outcome == "alert" and seen.version in {"TLSv1", "TLSv1.1"}:
        outcome = "protocol"
    return TlsLook(
        outcome=outcome,
        took=look.took,
        version=look.version or seen.version,
        cipher=look.cipher or seen.cipher,
        verify_code=look.verify_code,
        detail=look.detail,
        strict_only=look.strict_only,
        certificate=certificate,
        store=look.store,
    )


def verdict(error: ssl.SSLError) -> str:
    """What a handshake that failed in a driver stands for, as in `TlsLook.outcome`."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERDICTS.get(error.verify_code, "invalid")
    return _refusal(error)


def is_strict_matter(look: TlsLook) -> bool:
    """Whether a handshake without the strict rules may end differently."""
    return look.outcome == "invalid"


def reason_of(error: ssl.SSLError) -> str:
    """OpenSSL's word, such as `TLSV1_ALERT_NO_APPLICATION_PROTOCOL`; Python has no name for a few
    of its alerts, and then only their text.
    """
    return error.reason or str(error).partition("] ")[2].partition(" (")[0].upper().replace(
        " ", "_"
    )


def _of_no_certificate(reason: str) -> bool:
    """Whether a server may end so for want of a certificate (RFC 5246, 7.2.2 and 7.4.6)."""
    return reason.endswith(("HANDSHAKE_FAILURE", "BAD_CERTIFICATE", "CERTIFICATE_REQUIRED"))


def _refusal(error: ssl.SSLError) -> str:
    reason = reason_of(error)
    if reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG"}:
        return "plaintext"
    if "PROTOCOL_VERSION" in reason or reason in {"UNSUPPORTED_PROTOCOL", "VERSION_TOO_LOW"}:
        return "protocol"
    if "ALERT" in reason or "HANDSHAKE_FAILURE" in reason or reason == "NO_PROTOCOLS_AVAILABLE":
        return "alert"
    return "dropped" if isinstance(error, ssl.SSLEOFError) else "error"


def _chain(tls: ssl.SSLObject) -> list[bytes] | None:
    """What the server sent, the leaf first, as DER; None when it cannot be read.

    Public since Python 3.13, private before (`_ssl._SSLSocket.get_unverified_chain`).
    """
    chain = getattr(tls, "get_unverified_chain", None)
    chain = chain or getattr(getattr(tls, "_sslobj", None), "get_unverified_chain", None)
    found = chain() if chain else None
    if found is None:
        return None
    return [
        one if isinstance(one, bytes) else ssl.PEM_cert_to_DER_cert(one.public_bytes())
        for one in found
    ]


def _certificate(raw: bytes, chain: list[bytes] | None) -> Certificate | None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    try:
        parsed = x509.load_der_x509_certificate(raw)
        others = [x509.load_der_x509_certificate(one) for one in (chain or [])[1:_MOST_OTHERS]]
        return Certificate(
            subject=visible(parsed.subject.rfc4514_string(), 200),
            issuer=visible(parsed.issuer.rfc4514_string(), 200),
            names=_names(parsed),
            not_before=parsed.not_valid_before_utc,
            not_after=parsed.not_valid_after_utc,
            fingerprint=parsed.fingerprint(hashes.SHA256()).hex(),
            chain_length=len(chain) if chain is not None else None,
            self_issued=parsed.issuer == parsed.subject,
            issuer_url=_issuer_url(parsed),
            key=_key(parsed),
            signature=_signature(parsed),
            chain=tuple(visible(one.subject.rfc4514_string(), 200) for one in others),
            chain_ends=min((one.not_valid_after_utc for one in others), default=None),
            links=tuple(_link(one) for one in others),
        )
    except ValueError:  # not a certificate that can be read: the handshake's verdict stands alone
        return None


def _link(certificate: x509.Certificate) -> Link:
    return Link(
        subject=visible(certificate.subject.rfc4514_string(), 200),
        issuer=visible(certificate.issuer.rfc4514_string(), 200),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )


def _key(certificate: x509.Certificate) -> str:
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        key = certificate.public_key()
    except (UnsupportedAlgorithm, ValueError):
        return ""
    kind = type(key).__name__.partition("PublicKey")[0].lstrip("_")
    curve = getattr(getattr(key, "curve", None), "name", "")
    size = curve or getattr(key, "key_size", "")
    return f"{_KINDS.get(kind, kind)} {size}".strip()


def _signature(certificate: x509.Certificate) -> str:
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        signed = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return ""
    return signed.name if signed else ""


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    from cryptography import x509

    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    dns = found.value.get_values_for_type(x509.DNSName)
    addresses = found.value.get_values_for_type(x509.IPAddress)
    return tuple(visible(str(name), 255) for name in [*dns, *addresses][:20])


def _issuer_url(certificate: x509.Certificate) -> bool:
    from cryptography import x509
    from cryptography.x509.oid import AuthorityInformationAccessOID as Access

    try:
        found = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess)
    except x509.ExtensionNotFound:
        return False
    return any(one.access_method == Access.CA_ISSUERS for one in found.value)
