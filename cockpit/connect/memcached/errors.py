"""What a memcached server in trouble says, or what its silence means.

Source: memcached's doc/protocol.txt; catalogue of findings 4.5.
"""

from __future__ import annotations

from cockpit.connect.meaning import Meaning
from cockpit.errors import Reason

SATURATED = Meaning(
    "MC_SAT_CONNECTIONS",
    "critical",
    Reason.UNREACHABLE,
    "the server takes no more connections (-c)",
    "who opens them? a pool without a limit, a scale-out, a retry storm",
)
MUTE = Meaning(
    "MC_MUTE",
    "critical",
    Reason.TIMEOUT,
    "it connects, then nothing is answered",
    "stopped, swapping, or out of CPU",
)
DROPPED = Meaning(
    "MC_CONN_DROPPED",
    "critical",
    Reason.UNREACHABLE,
    "the server hangs up before it answers",
    "a restart, a proxy without a backend, or TLS expected: set tls = true",
)
TLS = Meaning(
    "MC_CONN_TLS",
    "high",
    Reason.UNREACHABLE,
    "TLS failed",
    "does the port speak TLS at all? else tls = false; is its issuer in this machine's store?",
)
AUTH = Meaning(
    "",
    "",
    Reason.DENIED,
    "the server wants a login (SASL or -Y), which the cockpit does not speak",
    "look at it through its control plane",
)
WRONG_PROTOCOL = Meaning(
    "NET_WRONG_PROTOCOL",
    "high",
    Reason.UNREADABLE,
    "something that is not memcached answers on this port",
    "a proxy, a captive portal, or the wrong port",
)
CODES = (SATURATED.code, MUTE.code, DROPPED.code, TLS.code)
"""What a look that fails can be."""
