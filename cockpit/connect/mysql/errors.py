"""What a failed MySQL or MariaDB connection means, by the server's error number.

Source: catalogue of findings; MySQL Reference Manual, "Server Error Message Reference"; MariaDB
Knowledge Base, "MariaDB Error Codes".
"""

from __future__ import annotations

from dataclasses import replace

from cockpit.connect.meaning import Meaning
from cockpit.errors import Reason

SATURATED = Meaning(
    "MY_CONN_SATURATED",
    "critical",
    Reason.UNREACHABLE,
    "no connection is left, not even the spare one",
    "look at what holds the sessions: locks, a leak, a scale-out",
)
RESERVED_ONLY = Meaning(
    "MY_CONN_RESERVED_ONLY",
    "critical",
    Reason.UNREACHABLE,
    "only the administrator's spare connection is left: applications are shut out",
    "CONNECTION_ADMIN (SUPER) gets in; on RDS nobody of ours has it",
)
USER_LIMIT = Meaning(
    "MY_CONN_USER_LIMIT",
    "high",
    Reason.UNREACHABLE,
    "the account's own connection limit is used up; the instance is not full",
    "ALTER USER … WITH MAX_USER_CONNECTIONS",
)
HOST_BLOCKED = Meaning(
    "MY_CONN_HOST_BLOCKED",
    "critical",
    Reason.UNREACHABLE,
    "the server blocks this address after many broken handshakes",
    "FLUSH HOSTS; on RDS: TRUNCATE performance_schema.host_cache. Port checks cause it",
)
HOST_DENIED = Meaning(
    "MY_CONN_HOST_DENIED",
    "high",
    Reason.DENIED,
    "no account allows this address",
    "the host part of the account",
)
AUTH = Meaning(
    "MY_CONN_AUTH",
    "high",
    Reason.DENIED,
    "the password or token was refused",
    "was it rotated? compare with the secret that the configuration names",
)
LOCKED = Meaning(
    "MY_CONN_LOCKED",
    "high",
    Reason.DENIED,
    "the account is locked; the password was not looked at",
    "somebody locked it on purpose: ask who, then ALTER USER … ACCOUNT UNLOCK",
)
BLOCKED = Meaning(
    "MY_CONN_BLOCKED",
    "high",
    Reason.DENIED,
    "the account is blocked after too many wrong passwords; a right one does not help now",
    "which program still has the old password? then FLUSH PRIVILEGES (MariaDB) or "
    "ALTER USER … ACCOUNT UNLOCK (MySQL)",
)
EXPIRED = Meaning(
    "MY_CONN_EXPIRED",
    "high",
    Reason.DENIED,
    "the password was right and has expired: nothing is answered until it is changed",
    "ALTER USER … IDENTIFIED BY a new one; for a program's account PASSWORD EXPIRE NEVER as well",
)
SOCKET_ONLY = Meaning(
    "MY_CONN_SOCKET_ONLY",
    "high",
    Reason.DENIED,
    "the account takes no password: it lets in only who is that user of the server's own machine",
    "another account for this target: one with a password, and not root",
)
PLUGIN = Meaning(
    "MY_CONN_PLUGIN",
    "high",
    Reason.MISCONFIGURED,
    "the account logs in by a method that is not installed here",
    'ed25519: pip install "PyMySQL[ed25519]" beside the cockpit; or ALTER USER … IDENTIFIED VIA '
    "mysql_native_password USING PASSWORD('…')",
)
CLEAR_TEXT = replace(
    PLUGIN,
    says="the server wants the password in clear text and gets none: it may be anybody",
    hint='tls = "verify" in the target, with tls_ca for a private authority; or another account',
)
AUTH_WITHOUT_TLS = replace(
    AUTH,
    hint=f"{AUTH.hint}; or the account wants TLS, which MariaDB refuses with the same words: this "
    'target has tls = "off"',
)
NO_GRANT = Meaning(
    "MY_CONN_NO_GRANT",
    "high",
    Reason.DENIED,
    "the account has no right to the database",
    "leave `database` of the target empty, or grant it",
)
NO_DB = Meaning(
    "MY_CONN_NO_DB",
    "warning",
    Reason.MISCONFIGURED,
    "the database does not exist",
    "correct `database` of the target",
)
MUTE = Meaning(
    "MY_CONN_MUTE",
    "critical",
    Reason.TIMEOUT,
    "the port is open but the server does not answer",
    "hung, stopped or starved of CPU; port checks stay green meanwhile",
)
DROPPED = Meaning(
    "MY_CONN_DROPPED",
    "critical",
    Reason.UNREACHABLE,
    "the server hangs up before its greeting",
    "a crash, a restart, or a proxy without a backend",
)
CUT = Meaning(
    "MY_CONN_DROPPED",
    "critical",
    Reason.UNREACHABLE,
    "the session was cut in mid-answer",
    "a crash loop, somebody who kills sessions, or something between that hangs up",
)
TLS = Meaning(
    "MY_CONN_TLS",
    "high",
    Reason.UNREACHABLE,
    "TLS failed",
    'tls_ca: RDS instances chain to the RDS bundle; tls = "off" for a server without TLS',
)
TLS_REQUIRED = Meaning(
    "MY_CONN_TLS_REQUIRED",
    "warning",
    Reason.DENIED,
    "the server takes encrypted connections only",
    'set tls = "verify" for this target',
)
SHUTDOWN = Meaning(
    "MY_CONN_SHUTDOWN",
    "critical",
    Reason.UNREACHABLE,
    "the server is shutting down",
)
OFFLINE = Meaning(
    "MY_CONN_OFFLINE",
    "critical",
    Reason.UNREACHABLE,
    "the server is in offline mode",
    "offline_mode is on: somebody set it, or group replication did",
)
WRONG_PROTOCOL = Meaning(
    "NET_WRONG_PROTOCOL",
    "high",
    Reason.UNREADABLE,
    "something that is not MySQL answers on this port",
    "a proxy, a captive portal, or the wrong port",
)

BY_ERRNO = {
    1040: RESERVED_ONLY,
    1203: USER_LIMIT,
    1226: USER_LIMIT,
    1129: HOST_BLOCKED,
    1130: HOST_DENIED,
    1045: AUTH,
    1698: SOCKET_ONLY,
    4151: LOCKED,
    3118: LOCKED,
    4150: BLOCKED,
    3955: BLOCKED,
    1820: EXPIRED,
    1862: EXPIRED,
    1251: PLUGIN,
    1524: PLUGIN,
    2059: PLUGIN,
    1044: NO_GRANT,
    1049: NO_DB,
    2026: TLS,
    3159: TLS_REQUIRED,
    1053: SHUTDOWN,
    3168: SHUTDOWN,
    3032: OFFLINE,
}

LOST = frozenset({0, 1053, 1927, 2006, 2013, 2055})
"""The connection is gone. Numbers below 1000 are the driver's own."""
NODE_NOT_READY = 1047
"""Of a Galera node: of what needs a table, and of BEGIN. Elsewhere an unknown command."""
TOO_LATE = frozenset({1205, 1317, 1969, 3024})
DENIED = frozenset({1044, 1142, 1143, 1227, 1370, 1095, 1290, 1792, 1836})
UNKNOWN = frozenset({1054, 1064, 1109, 1146, 1193, 1305, 1235})
"""No such column, table, variable, routine, syntax: another flavour or version."""
CODES = tuple(sorted({m.code for m in (*BY_ERRNO.values(), SATURATED, MUTE, DROPPED)}))
"""Every finding code that a failed connection can give, besides those of TCP and DNS."""


def by_errno(errno: int, text: str, *, greeted: bool) -> Meaning | None:
    """What a refused connection means; None: not known. `greeted`: the server had spoken first."""
    if errno == 1040:
        return RESERVED_ONLY if greeted else SATURATED
    if errno == 2013:
        return MUTE if "timed out" in text else DROPPED
    if errno == 2003 and "reset" in text.lower():
        return DROPPED
    return BY_ERRNO.get(errno)
