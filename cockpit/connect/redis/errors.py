"""What the first reply of a Redis or Valkey server means.

Source: catalogue of findings; Redis documentation, "RESP protocol spec" and the error replies in
server.c. A reply that is an error is still a sign of life.
"""

from __future__ import annotations

from dataclasses import replace

from cockpit.connect.meaning import Meaning
from cockpit.errors import Reason
from cockpit.text import visible

SATURATED = Meaning(
    "RD_CONN_SATURATED",
    "critical",
    Reason.UNREACHABLE,
    "the server takes no more clients (maxclients)",
    "who opens the connections? a pool without a limit, a scale-out, a retry storm",
)
AUTH = Meaning(
    "RD_CONN_AUTH",
    "high",
    Reason.DENIED,
    "alive, but the login was refused",
    "was the token or password rotated? does the user exist?",
)
LOADING = Meaning(
    "RD_STATE_LOADING",
    "critical",
    Reason.UNREACHABLE,
    "the server is loading its data after a start",
)
BUSY = Meaning(
    "RD_STATE_BUSY_SCRIPT",
    "critical",
    Reason.UNREACHABLE,
    "a script runs and nothing else is answered",
    "SCRIPT KILL works while the script has written nothing",
)
STALE = Meaning(
    "RD_REPL_STALE_REFUSED",
    "critical",
    Reason.UNREACHABLE,
    "a replica without its primary that refuses stale reads",
)
ROLE = Meaning(
    "RD_ROLE_WRONG", "critical", Reason.DENIED, "a replica: it takes no writes", "stale DNS?"
)
OOM = Meaning(
    "RD_MEM_OOM_REJECT", "critical", Reason.UNREACHABLE, "no memory is left: writes are refused"
)
MISCONF = Meaning(
    "RD_PERSIST_MISCONF",
    "critical",
    Reason.UNREACHABLE,
    "snapshots fail, so writes are refused",
    "disk full or not writable; rdb_last_bgsave_status",
)
CLUSTER_DOWN = Meaning(
    "RD_CLUSTER_DOWN", "critical", Reason.UNREACHABLE, "the cluster does not serve its slots"
)
BLIND = Meaning("RD_OBS_BLIND", "info", Reason.DENIED, "the user may not run this command")
MUTE = Meaning(
    "RD_CONN_MUTE",
    "critical",
    Reason.TIMEOUT,
    "it connects, then nothing is answered",
    "stopped, swapping, forking, or one long command (compare with the engine's CPU); or CLIENT "
    "PAUSE ALL, which ends by itself: PING, INFO and CLIENT UNPAUSE wait too",
)
DROPPED = Meaning(
    "RD_CONN_DROPPED",
    "critical",
    Reason.UNREACHABLE,
    "the server hangs up before it answers",
    "a restart, a proxy without a backend, or TLS expected: set tls = true",
)
DROPPED_UNDER_TLS = replace(
    DROPPED,
    hint="maxclients reached (before TLS a server cannot say so: compare CurrConnections), "
    "a restart, or a proxy without a backend",
)
"""With TLS a full server hangs up without a word."""
TLS = Meaning(
    "RD_CONN_TLS",
    "high",
    Reason.UNREACHABLE,
    "TLS failed",
    "does the port speak TLS at all? else tls = false; a private CA: tls_ca",
)
SENTINEL = Meaning(
    "RD_IS_SENTINEL",
    "high",
    Reason.MISCONFIGURED,
    "this is a Sentinel: it watches servers and holds no data",
    "give the target the host and port of the server itself, by a name that follows a failover",
)
WRONG_PROTOCOL = Meaning(
    "NET_WRONG_PROTOCOL",
    "high",
    Reason.UNREADABLE,
    "something that is not Redis answers on this port",
    "a proxy, a captive portal, or the wrong port",
)

_BY_KIND = {
    "AuthenticationError": AUTH,
    "AuthenticationWrongNumberOfArgsError": AUTH,
    "AuthorizationError": AUTH,
    "BusyLoadingError": LOADING,
    "MaxConnectionsError": SATURATED,
    "MasterDownError": STALE,
    "ClusterDownError": CLUSTER_DOWN,
    "OutOfMemoryError": OOM,
    "ReadOnlyError": ROLE,
    "NoPermissionError": BLIND,
    "InvalidResponse": WRONG_PROTOCOL,
}
_BY_TEXT = (
    ("max number of clients", SATURATED),
    ("NOAUTH", AUTH),
    ("WRONGPASS", AUTH),
    ("invalid username-password", AUTH),
    ("Authentication required", AUTH),
    ("LOADING", LOADING),
    (" BUSY ", BUSY),
    ("MASTERDOWN", STALE),
    ("CLUSTERDOWN", CLUSTER_DOWN),
    ("MISCONF", MISCONF),
    ("READONLY", ROLE),
    ("OOM ", OOM),
    ("NOPERM", BLIND),
    ("Protocol Error", WRONG_PROTOCOL),
)
CODES = tuple(
    sorted(
        {m.code for m in (SATURATED, AUTH, BUSY, STALE, MISCONF, BLIND, MUTE, DROPPED, TLS)}
        | {WRONG_PROTOCOL.code, SENTINEL.code}
    )
)
"""Every finding code that a failed connection gives and INFO does not."""


def acl(user: str) -> str:
    """All that the observer sends, as a line to paste. `user` empty: the default one.

    ElastiCache blocks ACL SETUSER: there a user is changed from outside.
    """
    name = visible(user or "default", 40)
    return (
        f"ACL SETUSER {name} +ping +info +client|setname +client|list "
        "+slowlog|get +memory|doctor +cluster|info +cluster|nodes; on ElastiCache: "
        f"aws elasticache modify-user --user-id {name} --append-access-string '<these rights>'"
    )


def by_reply(error: Exception) -> Meaning | None:
    """What an error reply means; None: an ordinary error of the command."""
    text = f" {error}"  # NOTBUSY, BUSYGROUP and BUSYKEY say something else
    for part, meaning in _BY_TEXT:
        if part in text:
            return meaning
    return _BY_KIND.get(type(error).__name__)
