"""What one look at an endpoint saw: every rung of every address, and a short history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cockpit.connect.clocks import Witness
from cockpit.connect.net.dns import Resolution
from cockpit.connect.net.http import HttpLook
from cockpit.connect.net.onward import OnwardLook
from cockpit.connect.net.status import ProviderLook
from cockpit.connect.net.tls import Link, TlsLook
from cockpit.connect.net.wire import TcpLook


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds for each rung, and for the whole look."""

    dns: float = 3.0
    tcp: float = 4.0
    """Above 3.3, so that a SYN that was sent twice again is still seen to arrive."""
    tls: float = 3.0
    first_byte: float = 6.0
    body: float = 3.0
    whole: float = 14.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One earlier try of one address. Seconds; None: that rung was not reached or is not used."""

    at: datetime
    address: str
    outcome: str
    """`ok`, or the rung and its word: `tcp refused`, `tls expired`, `http mute`."""
    connect: float | None = None
    syn_again: int | None = None
    """How often the SYN was sent again; None where the kernel does not tell."""
    first_byte: float | None = None
    total: float | None = None
    """The whole way without dns; None for a connection made for its time alone."""
    status: int = 0
    fingerprint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressLook:
    """How far one address let us come; a rung is None when it was not reached or is not used."""

    address: str
    tcp: TcpLook
    tls: TlsLook | None = None
    http: HttpLook | None = None
    total: float = 0.0
    """Seconds from the start of the connection to the end of the last rung, without dns."""
    rtt: float | None = None
    """Seconds, by the kernel after the exchange; None where it does not tell."""
    sent_again: int | None = None
    """Segments that the kernel had to send again on this connection."""
    usual_connect: float | None = None
    """Median seconds of the first five connections of this session; None before there are five."""
    usual_first_byte: float | None = None

    @property
    def outcome(self) -> str:
        """`ok`, or the failing rung and its word, as in `Sample.outcome`. Status is not judged; a
        request that is held as it should be fails no rung.
        """
        for rung, look in (("tcp", self.tcp), ("tls", self.tls), ("http", self.http)):
            if look is not None and look.outcome not in {"ok", "held"}:
                return f"{rung} {look.outcome}"
        return "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class PathLook:
    """One look at an endpoint from here."""

    at: datetime
    """Our clock when the look began, UTC."""
    url: str
    """Without its query."""
    scheme: str
    host: str
    port: int
    dns: tuple[Resolution, ...]
    """The answer whose addresses were used comes first; a second opinion behind it."""
    addresses: tuple[AddressLook, ...]
    untried: int = 0
    """Addresses beyond the first 16, which were left alone."""
    history: tuple[Sample, ...] = ()
    """This look's and earlier samples of all addresses, oldest first."""
    dns_history: tuple[float, ...] = ()
    """Seconds that names took to resolve, this look's last."""
    addresses_before: tuple[str, ...] = ()
    """What the name gave at the look before; empty at the first one."""
    canonical_before: str = ""
    """What the name was an alias of at the look before; empty when not known."""
    dns_changes: int = 0
    """How many of the last six answers differed from the one before."""
    dns_differs_for: float | None = None
    """Seconds for which the system has stood by an answer that has nothing in common with the
    name server's; None while they agree, or when one of them gave no address."""
    dns_agreed: bool = False
    """They agreed at an earlier look of this session."""
    dns_ttl: int | None = None
    """The highest TTL seen in this session, in seconds: caches count theirs down."""
    servers: tuple[Resolution, ...] = ()
    """What each name server of this machine said by itself; empty unless the system was slow."""
    source: str = ""
    """Our own address on the way to the first address that let us connect."""
    clocks: tuple[Witness, ...] = ()
    """What other hosts said about our clock within the last five minutes."""
    own_certificate: Link | None = None
    """The certificate that we show to a server that wants one; None: none is configured."""
    onward: OnwardLook | None = None
    """Where a redirect to another origin leads; None without one."""
    provider: ProviderLook | None = None
    """The provider's own word; None when none is configured."""
    proxy: bool = False
    """HTTPS_PROXY or ALL_PROXY is set here; the probe does not use it, browsers do."""
