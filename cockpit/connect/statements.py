"""Named, parameterised statements: all that a step or an offer can run in a database.

A statement acts by identity, never by number alone: a PostgreSQL session is its pid *and* its
start, a MySQL thread its id, user and host. The SQL here is complete; what the connectors add is
only the check of the answer. Protected sessions are refused inside the statement itself, so that
no caller can forget it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from cockpit.errors import BlindError, Misconfigured, Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One thing that can be run. `engine` is the target kind."""

    name: str
    engine: str
    parameters: Mapping[str, type]
    """Every parameter is required, and there are no others."""
    risk: str
    """`read`, `low`, `high` or `destructive`."""
    effect: str
    """What it does, in plain words."""
    undo: str = ""
    identity: tuple[str, ...] = ()
    """Parameters that together say which session it is."""
    sql: str = ""
    """For `read` in SQL: gives one row with one JSON value; NULL where the login may not see."""
    words: tuple[str, ...] = ()
    """For Redis: the command; `{name}` stands for a parameter as one word."""
    needs: tuple[str, ...] = ()
    """Rights of the login that it takes and that none of is spare, each as its engine names it; for
    Redis the commands, besides `COMMANDERS_COMMANDS`.
    """


PROTECTED_POSTGRES = """
  a.pid <> pg_backend_pid()
  AND coalesce(a.usename, '') NOT IN ('rdsadmin', 'rdsrepladmin', 'rdswriteforwarduser',
      'rdsproxyadmin')
  AND coalesce(a.backend_type, 'client backend') IN ('client backend', 'autovacuum worker')
  AND a.application_name NOT IN ('incident-cockpit', 'pg_dump', 'pg_dumpall', 'pg_basebackup')
  AND coalesce(a.wait_event, '') <> 'SyncRep'
  AND NOT (a.backend_type = 'autovacuum worker' AND a.query LIKE '%%to prevent wraparound%%')
"""
"""True for a row `a` of pg_stat_activity that may be signalled at all: who works for clients may,
replication under whatever name a version gives it may not, nor may a parallel worker: the statement
and the session are its leader's. Neither may a commit that waits for its synchronous standby: it is
done, and its client would be told so while no standby has it.
"""

IDLE_OF_CLIENT = f"""
  a.usename = %(user)s AND a.application_name = %(application)s AND a.state = 'idle'
  AND clock_timestamp() - a.state_change > %(older_than_s)s * interval '1 second'
  AND {PROTECTED_POSTGRES}
"""
"""True for a row `a` of pg_stat_activity that `terminate_idle_of_client` ends, and for no other."""

PROTECTED_MYSQL_USERS = frozenset(
    {
        "rdsadmin",
        "rdsrepladmin",
        "rdsproxyadmin",
        "system user",
        "event_scheduler",
        "mysql.sys",
        "mysql.session",
    }
)
PROTECTED_MYSQL_COMMANDS = frozenset({"Binlog Dump", "Binlog Dump GTID", "Daemon"})

MOST_AT_ONCE = 20
"""Sessions that one batch may end."""

COMMANDERS_COMMANDS = ("client|setname", "ping", "acl|whoami", "acl|dryrun")
"""What every commander's user of Redis sends: who it is, whether it is let, whether it may."""

_SEEN = "pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')"
"""Without it the states of others are NULL: nobody would be idle."""
_SEES = ("pg_monitor",)
_SIGNALS = ("pg_monitor", "pg_signal_backend")
_KILLS = ("PROCESS", "CONNECTION ADMIN")
_IDLE_SESSIONS = {"user": str, "application": str, "older_than_s": float, "most": int}
_SESSION = {"pid": int, "backend_start": datetime}
_THREAD = {"id": int, "user": str, "host": str}

_ALL: tuple[Statement, ...] = (
    Statement(
        name="cancel_backend",
        engine="postgres",
        parameters=_SESSION,
        identity=("pid", "backend_start"),
        risk="low",
        effect="ends the running statement of 1 session; its transaction stays open, aborted",
        undo="none: the client may run the statement again",
        needs=_SIGNALS,
    ),
    Statement(
        name="terminate_backend",
        engine="postgres",
        parameters=_SESSION,
        identity=("pid", "backend_start"),
        risk="high",
        effect="ends 1 session and rolls its transaction back",
        undo="none: the application must retry the transaction",
        needs=_SIGNALS,
    ),
    Statement(
        name="terminate_idle_of_client",
        engine="postgres",
        parameters=_IDLE_SESSIONS,
        risk="high",
        effect=f"ends up to {MOST_AT_ONCE} idle sessions of one user and application",
        undo="none: the application reconnects, all of them at once in the worst case",
        needs=_SIGNALS,
    ),
    Statement(
        name="resume_replay",
        engine="postgres",
        parameters={},
        # Not only persons pause replay, and the server does not tell who did.
        risk="high",
        effect="lets a standby replay on that a person paused; shuts it down where a setting is "
        "below the primary's; promotes it where a restore stopped at its target",
        undo="none: a pause brings back no standby that shut down or was promoted",
        needs=("EXECUTE ON FUNCTION pg_wal_replay_resume()",),
    ),
    Statement(
        name="drop_slot",
        engine="postgres",
        parameters={"name": str, "restart_lsn": str},
        identity=("name", "restart_lsn"),
        risk="destructive",
        effect="drops 1 replication slot that nobody reads; lets its WAL and dead rows go",
        undo="none: its standby or consumer must be built anew",
        needs=("REPLICATION",),
    ),
    Statement(
        name="rollback_prepared",
        engine="postgres",
        parameters={"gid": str, "owner": str, "prepared": datetime},
        identity=("gid", "owner", "prepared"),
        risk="destructive",
        effect="throws 1 prepared transaction away and lets its locks go",
        undo="none: what it would have committed is lost",
    ),
    Statement(
        name="idle_of_client",
        engine="postgres",
        parameters=_IDLE_SESSIONS,
        risk="read",
        effect="counts the sessions that terminate_idle_of_client would end now",
        sql=f"""
SELECT CASE WHEN {_SEEN} THEN
         json_build_object('idle', count(*), 'ends', least(count(*), %(most)s)) END
  FROM pg_stat_activity AS a WHERE {IDLE_OF_CLIENT}""",  # noqa: S608
        needs=_SEES,
    ),
    Statement(
        name="connections_by_client",
        engine="postgres",
        parameters={},
        risk="read",
        effect="counts the sessions of each user, application and address",
        sql=f"""
SELECT CASE WHEN {_SEEN} THEN coalesce(json_agg(s), '[]') END FROM (
  SELECT usename AS user, application_name AS application, host(client_addr) AS address,
         count(*) AS sessions, count(*) FILTER (WHERE state = 'active') AS active,
         count(*) FILTER (WHERE state = 'idle') AS idle,
         count(*) FILTER (WHERE state LIKE 'idle in%') AS idle_in_transaction
    FROM pg_stat_activity
   WHERE datname IS NOT NULL AND pid <> pg_backend_pid()
   GROUP BY 1, 2, 3 ORDER BY 4 DESC LIMIT 20) AS s""",  # noqa: S608
        needs=_SEES,
    ),
    Statement(
        name="resume_database",
        engine="pgbouncer",
        parameters={"database": str},
        risk="high",
        effect="lets the clients of 1 paused database of PgBouncer on, all that wait at once",
        undo="PAUSE of the database, which waits for its transactions to end",
        needs=("admin_users",),
    ),
    Statement(
        name="enable_database",
        engine="pgbouncer",
        parameters={"database": str},
        risk="high",
        effect="lets new clients of 1 disabled database of PgBouncer in",
        undo="DISABLE of the database",
        needs=("admin_users",),
    ),
    Statement(
        name="reconnect_database",
        engine="pgbouncer",
        parameters={"database": str},
        risk="low",
        effect="closes PgBouncer's connections to 1 database's server as each is given back",
        undo="none: new connections are made at need",
        needs=("admin_users",),
    ),
    Statement(
        name="kill_query",
        engine="mysql",
        parameters=_THREAD,
        identity=("id", "user", "host"),
        risk="low",
        effect="ends the running statement of 1 session; its transaction stays open; a killed "
        "SLEEP, GET_LOCK, DO or BENCHMARK ends with success at its client",
        undo="none: the client may run the statement again",
        needs=_KILLS,
    ),
    Statement(
        name="kill_connection",
        engine="mysql",
        parameters=_THREAD,
        identity=("id", "user", "host"),
        risk="high",
        effect="ends 1 session and rolls its transaction back",
        undo="none: the application must retry the transaction",
        needs=_KILLS,
    ),
    Statement(
        name="kill_idle_of_user",
        engine="mysql",
        parameters={"user": str, "older_than_s": float, "most": int},
        risk="high",
        effect=f"ends up to {MOST_AT_ONCE} sleeping sessions of one user",
        undo="none: the application reconnects, all of them at once in the worst case",
        needs=_KILLS,
    ),
    Statement(
        name="start_replication",
        engine="mysql",
        parameters={},
        risk="low",
        effect="starts the replica's threads again",
        undo="STOP REPLICA",
        needs=("REPLICATION SLAVE ADMIN",),
    ),
    Statement(
        name="client_kill",
        engine="redis",
        parameters={"id": int},
        identity=("id",),
        risk="high",
        effect="closes 1 client connection; ids are never used again",
        undo="none: the client reconnects",
        words=("CLIENT", "KILL", "ID", "{id}"),
        needs=("client|list", "client|kill"),
    ),
    Statement(
        name="script_kill",
        engine="redis",
        parameters={},
        risk="high",
        effect="ends the running script; works only while it has written nothing",
        undo="none: its client gets an error",
        words=("SCRIPT", "KILL"),
        needs=("script|kill",),
    ),
    Statement(
        name="function_kill",
        engine="redis",
        parameters={},
        risk="high",
        effect="ends the running function; works only while it has written nothing",
        undo="none: its client gets an error",
        words=("FUNCTION", "KILL"),
        needs=("function|kill",),
    ),
    Statement(
        name="client_unpause",
        engine="redis",
        parameters={},
        risk="high",
        effect="ends CLIENT PAUSE … WRITE: every client that waits goes on at once",
        undo="CLIENT PAUSE again, by who paused",
        words=("CLIENT", "UNPAUSE"),
        needs=("info", "client|unpause"),
    ),
    Statement(
        name="failover_abort",
        engine="redis",
        parameters={},
        risk="high",
        effect="ends the FAILOVER that is under way: the server is the primary again",
        undo="FAILOVER again, once the replica answers",
        words=("FAILOVER", "ABORT"),
        needs=("info", "failover"),
    ),
    Statement(
        name="set_maxmemory",
        engine="redis",
        parameters={"bytes": int},
        risk="high",
        effect="sets the memory limit until the next restart; not on ElastiCache",
        undo="the same with the value from before",
        words=("CONFIG", "SET", "maxmemory", "{bytes}"),
        needs=("info", "config|set"),
    ),
    Statement(
        name="set_maxmemory_policy",
        engine="redis",
        parameters={"policy": str},
        risk="high",
        effect="sets what is evicted when memory is full, until the next restart",
        undo="the same with the value from before",
        words=("CONFIG", "SET", "maxmemory-policy", "{policy}"),
        needs=("config|set",),
    ),
    Statement(
        name="slow_log",
        engine="redis",
        parameters={},
        risk="read",
        effect="reads the last 25 slow commands",
        words=("SLOWLOG", "GET", "25"),
        needs=("slowlog|get",),
    ),
    Statement(
        name="memory_doctor",
        engine="redis",
        parameters={},
        risk="read",
        effect="asks the server what it thinks of its memory",
        words=("MEMORY", "DOCTOR"),
        needs=("memory|doctor",),
    ),
)

STATEMENTS: Mapping[str, Statement] = MappingProxyType({each.name: each for each in _ALL})
"""Name → statement. Names are public: runbooks use them."""


def statement(name: str, engine: str) -> Statement:
    """The statement of an engine by its name. Raises `Misconfigured` when there is none."""
    found = STATEMENTS.get(name)
    if found is None or found.engine != engine:
        known = ", ".join(sorted(n for n, each in STATEMENTS.items() if each.engine == engine))
        raise Misconfigured(f"{engine} has no statement {name!r}", hint=f"there are: {known}")
    return found


def checked(known: Statement, arguments: Mapping[str, object]) -> dict[str, object]:
    """The arguments in their types: whole numbers stay whole, moments may be RFC 3339 text.

    Raises `Misconfigured` for a missing, unknown or wrong one.
    """
    missing = known.parameters.keys() - arguments.keys()
    unknown = arguments.keys() - known.parameters.keys()
    if missing or unknown:
        problems = [f"{name} is missing" for name in sorted(missing)]
        problems += [f"{name} is unknown" for name in sorted(unknown)]
        raise Misconfigured(f"{known.name}: {', '.join(problems)}")
    return {name: _typed(known, name, arguments[name]) for name in known.parameters}


def shown(known: Statement, value: object) -> object:
    """What a `read` gave. Raises `BlindError` where the login may not see it."""
    if value is None:
        raise BlindError(
            Reason.DENIED,
            f"{known.name}: the login may not see it",
            hint=f"GRANT {', '.join(known.needs)} TO the login;",
        )
    return value


def _typed(known: Statement, name: str, value: object) -> object:
    kind = known.parameters[name]
    if kind is datetime and isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = datetime.fromisoformat(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise Misconfigured(f"{known.name}: {name} is not of type {kind.__name__}: {value!r}")
    if isinstance(value, datetime) and value.tzinfo is None:
        raise Misconfigured(f"{known.name}: {name} has no time zone")
    return value
