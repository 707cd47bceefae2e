"""pg_stat_statements between two looks: what runs now, and what runs slower than it used to.

Source: PostgreSQL documentation, F.32 pg_stat_statements; catalogue of findings 2.4 (PG-STMT). A
statement counts when it ends. Counters come without text, which is a file that is read whole; text
is asked for the few that could matter. Key: (userid, dbid, queryid, toplevel).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from cockpit.redact import SecretText
from cockpit.text import visible
from probes.statement import statement

MOST = 5000
TEXTS = 100
LONGEST_GAP = 600.0
"""Seconds between two looks after which they are not compared."""

IDENTITY = statement("postgres", "statements_identity.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerIdentity:
    """Where we are, and whether the extension is there. `schema` comes quoted by the server."""

    at: datetime
    started: datetime
    role: str
    database: str
    recovery: bool
    sees_all: bool
    loaded: bool = False
    schema: str | None = None
    extension: str | None = None

    @property
    def version(self) -> tuple[int, int]:
        """Of the extension: 1.9 (PostgreSQL 14) brought `toplevel` and the count of evictions."""
        major, _, minor = (self.extension or "0.0").partition(".")
        return (int(major) if major.isdigit() else 0, int(minor) if minor.isdigit() else 0)

    @property
    def missing(self) -> str:
        """What has to be done to have it; empty: it is there."""
        if self.schema is None:
            return f"CREATE EXTENSION pg_stat_statements; in database {self.database}"
        if not self.loaded:
            return "shared_preload_libraries lacks pg_stat_statements; needs a restart"
        if self.version < (1, 8):  # what an upgrade of the server left: other columns
            return (
                f"ALTER EXTENSION pg_stat_statements UPDATE; in database {self.database} "
                f"(it is {visible(self.extension or 'of no version', 20)})"
            )
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """One statement's counters. Milliseconds; blocks."""

    queryid: int
    userid: int
    dbid: int
    toplevel: bool = True
    calls: int
    ms: float
    rows: int = 0
    reads: int = 0
    temp: int = 0

    @property
    def key(self) -> tuple[int, int, int, bool]:
        """Its identity from look to look."""
        return self.userid, self.dbid, self.queryid, self.toplevel

    @property
    def mean_ms(self) -> float:
        """Over its lifetime."""
        return self.ms / self.calls if self.calls else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """pg_stat_statements_info. `dealloc`: how often entries had to go for others."""

    dealloc: int = 0
    stats_reset: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A statement's text. Secret: utility statements hold literals before PostgreSQL 16."""

    queryid: int
    query: SecretText | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What one statement did between two looks. `usual_ms` None: too few calls before."""

    queryid: int
    userid: int
    dbid: int
    calls: int
    ms: float
    rows: int
    reads: int
    temp: int
    mean_ms: float
    usual_ms: float | None = None
    earlier_calls: int = 0
    share: float = 0.0
    """Of the time that all statements took between the looks."""
    query: SecretText | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresStatements:
    """One look. `counted` is kept for the next one; `ran` is what people want to know."""

    identity: ServerIdentity
    info: Info | None = None
    """None: this version of the extension does not say."""
    hidden: int = 0
    """Statements of others, whose identity the role may not see."""
    counted: tuple[Counted, ...] = ()
    texts: tuple[Text, ...] = ()
    seconds: float | None = None
    """Between this look and the one before; None: there is nothing to compare with."""
    calls: int = 0
    ms: float = 0.0
    """Execution time of all statements between the looks."""
    ran: tuple[Ran, ...] = ()
    """The 50 with the most time, most first."""
    evicted: int = 0
    """How often entries were thrown out between the looks: then differences lie."""

    @property
    def load(self) -> float | None:
        """Seconds of execution per second: sessions that were busy, on average."""
        return self.ms / 1000 / self.seconds if self.seconds else None


def counters_sql(identity: ServerIdentity) -> str:
    """Every statement's counters without text, the most expensive first."""
    toplevel = "toplevel" if identity.version >= (1, 9) else "true"
    return f"""
SELECT queryid, userid::bigint AS userid, dbid::bigint AS dbid, {toplevel} AS toplevel, calls,
       total_exec_time AS ms, rows, shared_blks_read AS reads, temp_blks_written AS temp
  FROM {identity.schema}.pg_stat_statements(false)
 WHERE queryid IS NOT NULL AND userid <> (SELECT oid FROM pg_roles WHERE rolname = current_user)
 ORDER BY total_exec_time DESC LIMIT {MOST}
"""  # noqa: S608  the schema comes quoted from the server


def hidden_sql(identity: ServerIdentity) -> str:
    """How many statements of others the role may not see."""
    return f"""
SELECT count(*) AS n FROM {identity.schema}.pg_stat_statements(false) WHERE queryid IS NULL
"""  # noqa: S608


def info_sql(identity: ServerIdentity) -> str:
    """Evictions and the time of the last reset."""
    return f"""
SELECT dealloc, stats_reset FROM {identity.schema}.pg_stat_statements_info
"""  # noqa: S608


def texts_sql(identity: ServerIdentity) -> str:
    """The texts of those with the most time, the longest single run, and the longest mean; ours
    are not among them, else the observer's own would take the places on a quiet server.
    """
    of = f"{identity.schema}.pg_stat_statements"
    return f"""
WITH c AS MATERIALIZED (SELECT queryid, total_exec_time AS total, max_exec_time AS longest,
                               mean_exec_time AS mean FROM {of}(false) WHERE queryid IS NOT NULL
             AND userid <> (SELECT oid FROM pg_roles WHERE rolname = current_user)),
     w AS ((SELECT queryid FROM c ORDER BY total DESC LIMIT {TEXTS // 2})
           UNION (SELECT queryid FROM c ORDER BY longest DESC LIMIT {TEXTS // 4})
           UNION (SELECT queryid FROM c ORDER BY mean DESC LIMIT {TEXTS // 4}))
SELECT DISTINCT ON (queryid) queryid, left(query, 2000) AS query
  FROM {of}(true) WHERE queryid IN (SELECT queryid FROM w) AND query IS NOT NULL ORDER BY queryid
"""  # noqa: S608


def since(before: PostgresStatements, now: PostgresStatements) -> PostgresStatements:
    """What ran between two looks; nothing when the statistics began anew in between, or when the
    role may see more or less than before.
    """
    seconds = (now.identity.at - before.identity.at).total_seconds()
    if not 0 < seconds <= LONGEST_GAP or _anew(before, now):
        return now
    ran = list(_ran(before, now))
    total = sum(each.ms for each in ran)
    ran.sort(key=lambda each: (-each.ms, each.queryid))
    texts = {text.queryid: text.query for text in (*before.texts, *now.texts)}
    return replace(
        now,
        seconds=seconds,
        calls=sum(each.calls for each in ran),
        ms=total,
        ran=tuple(
            replace(each, share=each.ms / total if total else 0.0, query=texts.get(each.queryid))
            for each in ran[:50]
        ),
        evicted=max(0, _dealloc(now) - _dealloc(before)),
    )


def _anew(before: PostgresStatements, now: PostgresStatements) -> bool:
    old = before.info.stats_reset if before.info else None
    new = now.info.stats_reset if now.info else None
    crashed = before.identity.started != now.identity.started
    if before.identity.sees_all != now.identity.sees_all:
        return True  # what came into sight would look as if it had all run just now
    return crashed or old != new or before.identity.schema != now.identity.schema


def _dealloc(look: PostgresStatements) -> int:
    return look.info.dealloc if look.info else 0


def _ran(before: PostgresStatements, now: PostgresStatements) -> Iterator[Ran]:
    known = {each.key: each for each in before.counted}
    for each in now.counted:
        old = known.get(each.key)
        if old is not None and (each.calls < old.calls or each.ms < old.ms):
            continue  # evicted and counted anew: its difference means nothing
        if old is None and len(before.counted) >= MOST:
            continue  # it may have been there, beyond those that were read
        calls = each.calls - (old.calls if old else 0)
        if calls:
            ms = each.ms - (old.ms if old else 0.0)
            yield Ran(
                queryid=each.queryid,
                userid=each.userid,
                dbid=each.dbid,
                calls=calls,
                ms=ms,
                rows=max(0, each.rows - (old.rows if old else 0)),
                reads=max(0, each.reads - (old.reads if old else 0)),
                temp=max(0, each.temp - (old.temp if old else 0)),
                mean_ms=ms / calls,
                usual_ms=old.mean_ms if old else None,
                earlier_calls=old.calls if old else 0,
            )
