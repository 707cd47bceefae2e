"""Why a database's TLS failed, in words: drivers say only that it did.

Source: catalogue of findings 5.3; AWS documentation, "Using SSL/TLS to encrypt a connection to a
DB instance" (instances chain to the RDS bundle, proxies and caches to public roots).
"""

from __future__ import annotations

import ssl
from dataclasses import replace

from cockpit.connect.meaning import Meaning
from cockpit.connect.net.tls import verdict
from cockpit.errors import BlindError

_SAYS = {
    "expired": (
        "its certificate, or that of an issuer, has expired",
        "its own: renew it; an issuer's that it sends: put the present one behind it; either shuts "
        "out every client that verifies. If both are well, it is the copy in {trusted}, and only "
        "who trusts that one is shut out",
    ),
    "not_yet_valid": (
        "its certificate is not valid yet",
        "is this machine's clock right? else it was issued too early",
    ),
    "name": (
        "its certificate is for another name",
        "connect by a name that is in it: an alias of yours is not",
    ),
    "self_signed": (
        "its certificate is self-signed: nobody vouches for it",
        "if that is meant, add it to {trusted}",
    ),
    "untrusted": (
        "the issuer of its certificate is not trusted here",
        "add its CA to {trusted} (RDS instances chain to the RDS bundle), or it does not send its "
        "intermediate",
    ),
    "chain": (
        "the issuer of its certificate is not trusted here",
        "it does not send its intermediate certificate, or its CA is not in {trusted}",
    ),
    "protocol": (
        "it speaks only TLS older than 1.2",
        "old clients still get in; raise its lowest TLS version",
    ),
    "alert": (
        "it refused our handshake",
        "does it want a certificate from its clients? the cockpit has none to show",
    ),
    "plaintext": ("it speaks no TLS on this port", ""),
}


def tls_failure(
    meaning: Meaning, error: ssl.SSLError, *, where: str, trusted: str = "tls_ca"
) -> BlindError:
    """The engine's own code with the reason. Where the reason is not known, the engine's hint.

    `trusted`: where a CA has to be added, in the words of the target's settings.
    """
    says, hint = _SAYS.get(verdict(error), ("", ""))
    said = getattr(error, "verify_message", "") or error.reason or str(error)
    if says:
        hint = hint.format(trusted=trusted) or meaning.hint
        meaning = replace(meaning, says=f"TLS failed: {says}", hint=hint)
    return meaning.blind(said, where=where)
