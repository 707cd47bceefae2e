"""What an endpoint's URL says: where to connect, which name to show, what to ask for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import quote, unquote, urljoin, urlsplit

from cockpit.errors import BlindError, Reason
from cockpit.text import visible

_PORTS = {"http": 80, "https": 443, "tcp": 0, "tls": 443, "grpc": 0, "grpcs": 443}
_SAFE = "/:@!$&'()*+,;=-._~%"
FORMS = (
    "https://host[:port]/path, http://…, grpcs://host[:port]/service, grpc://host:port, "
    "tls://host[:port] or tcp://host:port"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Url:
    """An endpoint, ASCII throughout: `host` in its IDNA form, `path` quoted, with its query."""

    scheme: str
    host: str
    """For name servers: it may end with a dot, which keeps search domains out."""
    port: int
    path: str

    @property
    def is_tls(self) -> bool:
        """Whether TLS comes first."""
        return self.scheme in {"https", "tls", "grpcs"}

    @property
    def is_http(self) -> bool:
        """Whether a request is sent."""
        return self.scheme in {"https", "http"}

    @property
    def is_grpc(self) -> bool:
        """Whether its health is asked for by gRPC; the path names the service, if any."""
        return self.scheme in {"grpc", "grpcs"}

    @property
    def name(self) -> str:
        """For SNI, the certificate and the request: never with a dot at its end (RFC 6066, 3)."""
        return self.host.removesuffix(".")

    @property
    def authority(self) -> str:
        """The Host header: the port only where it is not the scheme's own."""
        host = f"[{self.name}]" if ":" in self.name else self.name
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def shown(self) -> str:
        """The URL for people and records: without the query, which may hold a secret."""
        return f"{self.scheme}://{self.authority}{self.path.partition('?')[0]}"

    def leads_to(self, location: str) -> Url | None:
        """Where a redirect leads; None for what is no place on the web."""
        try:
            there = parse(urljoin(f"{self.scheme}://{self.authority}{self.path}", location))
        except (BlindError, ValueError):
            return None
        return there if there.is_http else None

    def onward(self, location: str) -> Url | None:
        """Where a redirect leads within the same origin; None when it leads anywhere else."""
        there = self.leads_to(location)
        if there is None:
            return None
        same = (there.scheme, there.name, there.port) == (self.scheme, self.name, self.port)
        return replace(there, host=self.host) if same else None


def parse(url: str) -> Url:
    """The place of a URL. Raises `BlindError(misconfigured)` for anything that is not one."""
    url = url.strip()
    if not url.isprintable():
        raise _wrong(url, "control characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _wrong(url, str(error)) from None
    scheme = parts.scheme.lower()
    if scheme not in _PORTS:
        raise _wrong(url, f"unknown scheme {visible(parts.scheme, 20)!r}")
    if parts.username is not None or parts.password is not None:
        raise _wrong(f"{scheme}://…", "a user or password in the URL is not sent")
    host = _ascii(parts.hostname or "", url)
    port = port or _PORTS[scheme]
    if not port:
        raise _wrong(url, "the port is missing")
    path = quote(parts.path or "/", safe=_SAFE)
    if parts.query:
        path += "?" + quote(parts.query, safe=_SAFE + "?/")
    return Url(scheme=scheme, host=host, port=port, path=path)


def _ascii(host: str, url: str) -> str:
    host = unquote(host)
    if not host:
        raise _wrong(url, "the host is missing")
    try:
        plain = host if host.isascii() else _idna(host)
    except UnicodeError:
        raise _wrong(url, "the host is not a name") from None
    if not all(c.isalnum() or c in ".-_:" for c in plain) or len(plain) > 253:
        raise _wrong(url, "the host is not a name")
    if not plain.removesuffix(".") or ".." in plain:
        raise _wrong(url, "the host is not a name")
    return plain.lower()


def _idna(host: str) -> str:
    """As browsers do (UTS 46): the standard library's older form makes `ß` another host's `ss`."""
    import idna

    return idna.encode(host, uts46=True).decode("ascii")


def _wrong(url: str, why: str) -> BlindError:
    return BlindError(Reason.MISCONFIGURED, f"url {visible(url, 120)}: {why}", hint=FORMS)
