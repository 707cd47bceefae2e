"""What a failed PostgreSQL connection or statement means: the finding's code and what to do.

libpq gives only text for a failed connect, English unless lc_messages says otherwise; the wire
preflight gives the SQLSTATE. Source: catalogue of findings, PostgreSQL's errcodes.txt and
postmaster.c.
"""

from __future__ import annotations

import re

from cockpit.connect.meaning import REFUSED, TCP_TIMEOUT, UNREACHABLE, Meaning, words
from cockpit.connect.postgres.wire import FirstWords, Rung
from cockpit.connect.sql.limits import MOST_SAID
from cockpit.errors import Reason

SATURATED = Meaning(
    "PG_CONN_SATURATED",
    "critical",
    Reason.UNREACHABLE,
    "no connection slot is left, not even a reserved one",
    "look at what holds the sessions: locks, a leak, a scale-out",
)
RESERVED_ONLY = Meaning(
    "PG_CONN_RESERVED_ONLY",
    "critical",
    Reason.UNREACHABLE,
    "only reserved connection slots are left: applications are shut out",
    "a role with pg_use_reserved_connections (16+) or rds_superuser still gets in",
)
ROLE_LIMIT = Meaning(
    "PG_CONN_ROLE_LIMIT",
    "high",
    Reason.UNREACHABLE,
    "the role's own connection limit is used up; the instance is not full",
    "ALTER ROLE … CONNECTION LIMIT",
)
DB_LIMIT = Meaning(
    "PG_CONN_DB_LIMIT",
    "high",
    Reason.UNREACHABLE,
    "the database's own connection limit is used up; the instance is not full",
    "ALTER DATABASE … CONNECTION LIMIT",
)
STARTING = Meaning(
    "PG_CONN_STARTING",
    "critical",
    Reason.UNREACHABLE,
    "the server is starting up: a restart, crash recovery, or a standby not yet consistent",
)
SHUTTING_DOWN = Meaning(
    "PG_CONN_SHUTTING_DOWN",
    "critical",
    Reason.UNREACHABLE,
    "the server is shutting down",
    "a smart shutdown waits for the last session",
)
CRASHED = Meaning(
    "PG_CONN_CRASHED",
    "critical",
    Reason.UNREACHABLE,
    "the server recovers from the crash of a backend; every session was dropped",
    "look for an out-of-memory kill in the server's log and its free memory",
)
NOT_READABLE = Meaning(
    "PG_CONN_NOT_READABLE",
    "high",
    Reason.UNREACHABLE,
    "a standby that takes no reads (hot_standby is off)",
)
AUTH = Meaning(
    "PG_CONN_AUTH",
    "high",
    Reason.DENIED,
    "the password was refused",
    "was it rotated? compare with the secret that the configuration names",
)
HBA = Meaning(
    "PG_CONN_HBA",
    "high",
    Reason.DENIED,
    "the server's access rules refuse this user, address or encryption",
    "does the message say 'no encryption'? then set sslmode; else the role, the IAM token or "
    "pg_hba.conf",
)
NO_DB = Meaning(
    "PG_CONN_NO_DB",
    "warning",
    Reason.MISCONFIGURED,
    "the database does not exist",
    "correct `database` of the target",
)
RESOURCE = Meaning(
    "PG_CONN_RESOURCE",
    "critical",
    Reason.UNREACHABLE,
    "the server is out of memory or disk, or has I/O errors",
    "look at free storage and freeable memory",
)
POOL_FULL = Meaning(
    "PG_POOL_FULL",
    "critical",
    Reason.UNREACHABLE,
    "the pooler takes no more clients (max_client_conn)",
)
POOL_WAIT = Meaning(
    "PG_POOL_WAIT",
    "critical",
    Reason.UNREACHABLE,
    "the pooler gave no server connection in time (query_wait_timeout)",
    "all of them are in use (pool size, long transactions), or the server behind it hangs: look "
    "at the instance's own endpoint",
)
POOL_EMPTY = Meaning(
    "PG_CONN_DROPPED",
    "critical",
    Reason.UNREACHABLE,
    "the pooler answers, but it reaches no server behind it",
    "look at the instance's own endpoint: is it down, or does it refuse the pooler?",
)
WRONG_PROTOCOL = Meaning(
    "NET_WRONG_PROTOCOL",
    "high",
    Reason.UNREADABLE,
    "something that is not PostgreSQL answers on this port",
    "a proxy, a captive portal, or the wrong port",
)
TLS = Meaning(
    "PG_CONN_TLS",
    "high",
    Reason.UNREACHABLE,
    "TLS failed",
    "sslrootcert: RDS instances chain to the RDS bundle, RDS Proxy to public roots",
)
NO_TLS = Meaning(
    "PG_CONN_TLS",
    "high",
    Reason.UNREACHABLE,
    "TLS failed: the server speaks no TLS on this port",
    "is it switched on (ssl = on)? is this the right port? without TLS the password is readable",
)
MUTE = Meaning(
    "PG_CONN_MUTE",
    "critical",
    Reason.TIMEOUT,
    "the port is open but the server does not answer",
    "hung, stopped or starved of CPU; port checks stay green meanwhile",
)
POOLER_MUTE = Meaning(
    "PG_CONN_MUTE",
    "critical",
    Reason.TIMEOUT,
    "the port is open but the pooler lets nobody through",
    "is it paused (SHOW DATABASES at its console)? after its server was away it holds logins until "
    "server_login_retry (15 s); else it is hung or starved of CPU",
)
DROPPED = Meaning(
    "PG_CONN_DROPPED",
    "critical",
    Reason.UNREACHABLE,
    "the server hangs up before its greeting",
    "a crash, a restart, or a proxy without a backend",
)
NO_CONSOLE = Meaning(
    "PG_CONN_HBA",
    "high",
    Reason.DENIED,
    "PgBouncer's console lets this user not in",
    "stats_users = the user of the target in pgbouncer.ini, then RELOAD",
)
POOLER = Meaning(
    "",
    "",
    Reason.MISCONFIGURED,
    "a pooler that takes no start-up options",
    "set pooler = true for this target, or use the instance's endpoint",
)

_BY_TEXT: tuple[tuple[str, Meaning], ...] = (
    (r"no more connections allowed", POOL_FULL),
    (r"(?:FATAL:\s+|^)not allowed$", NO_CONSOLE),
    (r"unsupported startup parameter|RDS Proxy currently doesn.t support", POOLER),
    (r"query_wait_timeout", POOL_WAIT),
    (r"sorry, too many clients already", SATURATED),
    (r"remaining connection slots are reserved", RESERVED_ONLY),
    (r"too many connections for role", ROLE_LIMIT),
    (r"too many connections for database", DB_LIMIT),
    (r"Hot standby mode is disabled", NOT_READABLE),
    (r"is in recovery mode", CRASHED),
    (r"is shutting down", SHUTTING_DOWN),
    (r"is starting up|not yet accepting connections", STARTING),
    (r"server login (?:failed|has been failing)|cannot connect to server", POOL_EMPTY),
    (r"password authentication failed", AUTH),
    (r"database \".*\" does not exist", NO_DB),
    (r"no pg_hba\.conf entry|pg_hba\.conf rejects", HBA),
    (r"role \".*\" (?:does not exist|is not permitted)", HBA),
    (r"PAM authentication failed|authentication failed", HBA),
    (r"invalid response to SSL negotiation", WRONG_PROTOCOL),
    (r"out of memory|No space left|could not (?:read|write) (?:block|file)", RESOURCE),
    (r"server does not support SSL", NO_TLS),
    (r"SSL error|certificate", TLS),
    (r"Connection refused", REFUSED),
    (r"Network is unreachable|No route to host", UNREACHABLE),
)  # fmt: skip
_BY_STATE = {
    "57P01": SHUTTING_DOWN,
    "57P02": CRASHED,
    "57P03": STARTING,
    "53300": SATURATED,
    "53200": RESOURCE,
    "53100": RESOURCE,
    "58030": RESOURCE,
    "28P01": AUTH,
    "28000": HBA,
    "3D000": NO_DB,
}
_BY_RUNG = {
    Rung.TCP_TIMEOUT: TCP_TIMEOUT,
    Rung.REFUSED: REFUSED,
    Rung.UNREACHABLE: UNREACHABLE,
    Rung.MUTE: MUTE,
    Rung.DROPPED: DROPPED,
    Rung.WRONG_PROTOCOL: WRONG_PROTOCOL,
    Rung.TLS: TLS,
}
POOLERS_OWN = (POOL_FULL, POOL_WAIT, POOL_EMPTY)
"""What a pooler says of itself: knocking again at once would not help."""
CODES = tuple(sorted(({m.code for _, m in _BY_TEXT} | {m.code for m in _BY_RUNG.values()}) - {""}))
"""Every finding code that a failed connection can give."""


def by_text(text: str, sqlstate: str = "") -> Meaning | None:
    """What a server's message means; the text is more exact than the state. None: unknown."""
    for pattern, meaning in _BY_TEXT:
        if re.search(pattern, text[:MOST_SAID]):
            return meaning
    return _BY_STATE.get(sqlstate)


def by_first_words(first: FirstWords) -> Meaning | None:
    """What the preflight met; None when it was let through to the password."""
    if first.rung is Rung.ERROR:
        return by_text(first.message, first.sqlstate)
    return _BY_RUNG.get(first.rung)


def server_words(raw: str) -> str:
    """The server's message on one line, without secrets and without libpq's own preface."""
    preface = r"connection (?:to server at .*?|failed): "
    return words(re.sub(preface, "", raw[:MOST_SAID], flags=re.DOTALL))
