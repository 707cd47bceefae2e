"""A throw-away certificate authority, and certificates that are wrong in one way each.

Nothing here is trusted by anything: a client trusts it by the file `Authority.ca_file` only.
"""

from __future__ import annotations

import ipaddress
import ssl
import tempfile
import warnings
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from cockpit.clock import now

KINDS = (
    "good",
    "expired",
    "future",
    "wrong-name",
    "self-signed",
    "no-intermediate",
    "untrusted",
    "lax",
    "ended-intermediate",
    "client",
)
"""What `Authority.issue` makes; `lax` fails OpenSSL's strict rules and nothing else, of
`ended-intermediate` only the issuer is past its time, `client` is for who connects.
"""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate with its key, as PEM. `chain` is what a server sends, the leaf first."""

    key: bytes
    chain: bytes
    leaf: x509.Certificate

    def context(self) -> ssl.SSLContext:
        """A server context that presents it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile(suffix=".pem") as file:
            file.write(self.chain + self.key)
            file.flush()
            context.load_cert_chain(file.name)
        return context

    def old_context(self) -> ssl.SSLContext:
        """A server context that speaks TLS 1.1 and nothing newer."""
        context = self.context()
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.TLSv1_1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        return context


@dataclass(frozen=True, slots=True)
class _Signer:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


class Authority:
    """A root and an intermediate. `ca_file` holds the root alone: what a client has to trust."""

    def __init__(self, folder: Path, *, days: float = 3650) -> None:
        """Make the authority; write `ca.pem` into the folder, which must exist.

        `days`: what is left of the root; below 0 it has ended.
        """
        self._root = _signer("Cockpit demo root", None, days=days)
        self._ended = _signer("Cockpit demo ended intermediate", self._root, days=-1)
        self._middle = _signer("Cockpit demo intermediate", self._root)
        self._stranger = _signer("Somebody else's root", None)
        self._lax = _signer("Cockpit demo lax root", None, lax=True)
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_bytes(_pem(self._root.certificate) + _pem(self._lax.certificate))

    def issue(
        self,
        kind: str = "good",
        *,
        names: tuple[str, ...] = ("localhost", "127.0.0.1"),
        days: float = 90.0,
    ) -> Issued:
        """A certificate of one of `KINDS` for these DNS names and addresses.

        `days` is what is left of it when the kind is not about time; fractions count. Raises
        `ValueError` for another kind.
        """
        if kind not in KINDS:
            raise ValueError(f"no such kind of certificate: {kind}; one of {', '.join(KINDS)}")
        begin, end = _lifetime(kind, days)
        others = {
            "untrusted": self._stranger,
            "lax": self._lax,
            "ended-intermediate": self._ended,
        }
        signer = others.get(kind, self._middle)
        key = ec.generate_private_key(ec.SECP256R1())
        shown = ("elsewhere.invalid",) if kind == "wrong-name" else names
        leaf = _leaf(
            key,
            shown,
            signer=None if kind == "self-signed" else signer,
            begin=begin,
            end=end,
            lax=kind == "lax",
            use=ExtendedKeyUsageOID.CLIENT_AUTH
            if kind == "client"
            else ExtendedKeyUsageOID.SERVER_AUTH,
            issuer_told=signer is self._middle,
        )
        chain = _pem(leaf)
        if kind not in {"self-signed", "no-intermediate", "untrusted", "lax"}:
            chain += _pem(signer.certificate)
        secret = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return Issued(secret, chain, leaf)


def _lifetime(kind: str, days: float) -> tuple[datetime, datetime]:
    moment = now().replace(microsecond=0)
    if kind == "expired":
        return moment - timedelta(days=91), moment - timedelta(days=1)
    if kind == "future":
        return moment + timedelta(days=1), moment + timedelta(days=91)
    return moment - timedelta(days=max(1.0, 397 - days)), moment + timedelta(days=days)


def _signer(
    title: str, issuer: _Signer | None, *, lax: bool = False, days: float = 3650
) -> _Signer:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title)])
    moment = now().replace(microsecond=0)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - timedelta(days=400))
        .not_valid_after(moment + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=not lax)
    )
    if not lax:
        builder = builder.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
        ).add_extension(_usage(signs=True), critical=True)
        above = issuer.key if issuer else key
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(above.public_key()), critical=False
        )
    return _Signer(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


def _leaf(
    key: ec.EllipticCurvePrivateKey,
    names: tuple[str, ...],
    *,
    signer: _Signer | None,
    begin: datetime,
    end: datetime,
    lax: bool,
    use: x509.ObjectIdentifier,
    issuer_told: bool,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    above = signer.key if signer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer.certificate.subject if signer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName([_name(n) for n in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
    )
    if not lax:
        builder = (
            builder.add_extension(_usage(signs=False), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(above.public_key()),
                critical=False,
            )
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
        )
    if issuer_told:
        builder = builder.add_extension(_issuer_address(), critical=False)
    return builder.sign(above, hashes.SHA256())


def _issuer_address() -> x509.AuthorityInformationAccess:
    place = x509.UniformResourceIdentifier("http://ca.invalid/intermediate.crt")
    return x509.AuthorityInformationAccess(
        [x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, place)]
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
