"""What is reached over the network, and what a healthy answer looks like."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSettings:
    """Kind `endpoint`: DNS, every address, TCP, TLS and HTTP, as seen from here."""

    url: str
    """`https://host[:port]/path`, `http://…`, `grpcs://host[:port]/service`, `grpc://host:port`
    (their health, `grpc.health.v1`), or `tcp://host:port`, `tls://host:port`.
    """
    expect_status: tuple[int, ...] = ()
    """Empty: 200 to 399."""
    expect_text: str = ""
    """A marker that a healthy body holds; empty: the body is not judged."""
    expect: str = ""
    """`stream`: an answer without an end is meant (events, a long poll), and its first octets are
    enough, or that the request is held; empty: a whole answer. `text/event-stream` is known by
    itself.
    """
    tls_ca: str = ""
    """A PEM file to trust besides the system's store."""
    tls_cert: str = ""
    """A PEM file with the certificate to show to a server that wants one, and its chain."""
    tls_key: str = ""
    """A PEM file with its key, without a passphrase; empty: it stands in `tls_cert`."""
    resolver: str = ""
    """`host[:port]` of a name server to ask; empty: the system's."""
    external: bool = False
    """A third party's: its trouble is reported as a dependency's."""
    status_url: str = ""
    """The provider's own status as JSON (Statuspage's `status.json` and the like); empty: none."""
