"""Which statements MySQL spends its time on, and which became slower than they ever were.

Source: catalogue of findings 3.5; MySQL Reference Manual, "Statement Summary Tables". Needs
performance_schema (MariaDB: off by default) and SELECT on it. A statement that only just began is
counted when it ends: what runs now is in the sessions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from cockpit.connect.session import SqlReads
from cockpit.errors import BlindError, Reason
from cockpit.redact import SecretText
from cockpit.text import visible
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Fact, Probe
from cockpit.triage.target import Target
from cockpit.triage.view import Column, Row, Table
from cockpit.units import duration, percent
from probes.mysql.model import MysqlServer, read_server
from probes.mysql.status import one_start, read_status

_WINDOW = 300.0
_TOP = 5
"""Statements with the most time that are judged."""
_KEPT, _MOST = 50, 1000
"""Statements that are kept of those that gained, and that are read: what was slow for a week and
rests now stands before what became slow a minute ago.
"""

SWITCH = "SELECT @@performance_schema"
DIGESTS = f"""
SELECT COALESCE(schema_name, '') AS db, digest AS id, LEFT(digest_text, 600) AS text,
       count_star AS calls, sum_timer_wait / 1e12 AS seconds, sum_rows_examined AS examined,
       sum_no_index_used AS no_index
  FROM performance_schema.events_statements_summary_by_digest
 WHERE digest IS NOT NULL AND digest_text NOT LIKE 'SHOW %'
   AND digest_text NOT LIKE '%performance_schema%' AND digest_text NOT LIKE '%information_schema%'
 ORDER BY sum_timer_wait DESC LIMIT {_MOST}
"""  # noqa: S608  constants only


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """A statement without its values. `seconds`: time of the server, all calls together."""

    id: str
    db: str = ""
    text: SecretText | None = None
    calls: int
    seconds: float
    examined: int = 0
    """Rows that were read."""
    no_index: int = 0
    """Calls that used no index."""

    @property
    def key(self) -> tuple[str, str]:
        """One statement of one schema."""
        return self.db, self.id

    @property
    def mean(self) -> float:
        """Seconds a call."""
        return self.seconds / self.calls if self.calls else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gained:
    """What one statement gained since the watch of the last five minutes began."""

    digest: Digest
    """Its gain: calls, seconds, rows."""
    usual: float | None
    """Seconds a call before that, over its lifetime; None: it is new."""
    usual_calls: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MysqlStatements:
    """One look. `digests` None: the role may not see them; empty: there are none."""

    server: MysqlServer
    on: bool
    """performance_schema runs. False: nobody counts statements."""
    digests: tuple[Digest, ...] | None
    began: MysqlServer | None = None
    """The server at the look that is compared with; None: there is none yet."""
    earlier: tuple[Digest, ...] = ()
    """The statements at that look."""
    gained: tuple[Gained, ...] = ()
    """Those with a gain, the most time first."""

    @property
    def seconds(self) -> float:
        """What `gained` covers."""
        return (self.server.at - self.began.at).total_seconds() if self.began else 0.0

    @property
    def spent(self) -> float:
        """Seconds of all statements together."""
        return sum(each.digest.seconds for each in self.gained)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """When a statement has become slower."""

    regressed: float = 5
    """How many times its usual time a call."""
    regressed_share: float = 0.1
    """Of the time of all statements."""
    regressed_least: float = 0.01
    """Seconds a call below which it is not judged."""
    regressed_calls: int = 20
    """Earlier calls without which nothing is usual."""


async def collect(mysql: SqlReads, target: Target) -> MysqlStatements:
    """Read the statements with the most time, when the server counts them."""
    server = await read_server(mysql)
    server = replace(server, uptime=(await read_status(mysql)).uptime)
    on = str(await mysql.value(SWITCH)).upper() in {"1", "ON"}
    if not on:
        return MysqlStatements(server=server, on=False, digests=())
    try:
        digests = tuple(await mysql.rows(DIGESTS, into=Digest))
    except BlindError as error:
        if error.reason not in {Reason.DENIED, Reason.UNSUPPORTED}:
            raise
        return MysqlStatements(server=server, on=True, digests=None)
    return MysqlStatements(server=server, on=True, digests=digests)


def since(before: MysqlStatements, now: MysqlStatements) -> MysqlStatements:
    """The new look compared with one of up to five minutes ago. Counters that fell, another start
    and another server begin anew.
    """
    if not now.digests or before.digests is None:
        return now
    began, earlier = before.began, before.earlier
    old = timedelta(seconds=_WINDOW)
    if began is None or now.server.at - began.at > old:
        began = before.server
        earlier = tuple(replace(each, text=None) for each in before.digests)
    seconds = (now.server.at - began.at).total_seconds()
    same = one_start(began.uptime, now.server.uptime, seconds)
    if seconds <= 0 or not same or began.hostname != now.server.hostname:
        return now
    known = {each.key: each for each in earlier}
    if any(each.key in known and each.calls < known[each.key].calls for each in now.digests):
        return now
    complete = len(earlier) < _MOST
    gains = [
        _gain(known.get(each.key, Digest(id=each.id, calls=0, seconds=0.0)), each)
        for each in now.digests
        if complete or each.key in known
    ]
    found = sorted((g for g in gains if g.digest.calls > 0), key=lambda g: -g.digest.seconds)
    return replace(now, began=began, earlier=earlier, gained=tuple(found[:_KEPT]))


def _gain(before: Digest, now: Digest) -> Gained:
    gain = replace(
        now,
        calls=now.calls - before.calls,
        seconds=max(0.0, now.seconds - before.seconds),
        examined=max(0, now.examined - before.examined),
        no_index=max(0, now.no_index - before.no_index),
    )
    usual = before.mean if before.calls else None
    return Gained(digest=gain, usual=usual, usual_calls=before.calls)


def diagnose(look: MysqlStatements, settings: Settings) -> Iterator[Finding]:
    """Of the statements with the most time: those that take far longer a call than before.

    MY_OBS_BLIND: The account may not read the statistics of statements, so a slow one is not found.
    """
    if look.digests is None:
        yield Finding(
            "MY_OBS_BLIND",
            Severity.INFO,
            f"{visible(look.server.role, 60)} may not see which statements take the time",
            subject="statements",
            likely=("the account has no SELECT on performance_schema",),
            next=_grant(look.server),
        )
    spent = look.spent
    for each in look.gained[:_TOP]:
        if _regressed(each, spent, settings):
            yield _finding(look, each, spent, settings=settings)


def _regressed(each: Gained, spent: float, settings: Settings) -> bool:
    if each.usual is None or each.usual_calls < settings.regressed_calls or not spent:
        return False
    mean = each.digest.mean
    return (
        mean > settings.regressed * each.usual
        and mean >= settings.regressed_least
        and each.digest.seconds > settings.regressed_share * spent
    )


def _finding(look: MysqlStatements, each: Gained, spent: float, *, settings: Settings) -> Finding:
    """A statement with much of the server's time takes far longer a call than it used to.

    Compared with its own mean before; statements of little weight are left out. Waiting for locks
    counts as its time, so look at the locks first. A plan that changed shows in EXPLAIN.
    """
    digest, usual = each.digest, each.usual or 0.0
    share = digest.seconds / spent
    where = f" in {visible(digest.db, 40)}" if digest.db else ""
    return Finding(
        "MY_QRY_REGRESSED",
        Severity.WARNING,
        f"a statement{where} takes {duration(digest.mean)} a call, it was {duration(usual)}, and "
        f"{percent(share)} of all time",
        subject=f"{visible(digest.db, 40)} {digest.id[:16]}".strip(),
        evidence=(
            Evidence("a call now", digest.mean, "s", settings.regressed * usual),
            Evidence("a call before", usual, "s"),
            Evidence("of all statements' time", share, "share", settings.regressed_share),
            Evidence("calls", digest.calls),
            Evidence("rows read a call", round(digest.examined / digest.calls)),
            Evidence("calls without an index", digest.no_index),
            Evidence("statement", str(digest.text or "")),
            Evidence("over", look.seconds, "s"),
        ),
        likely=(
            "its plan changed: statistics, a dropped index, grown data",
            "it waits for a lock: waiting counts as its time",
            "the disk or processor is slower for everybody",
        ),
        next="does it wait for a lock? else EXPLAIN it, and look for a release that changed it",
        fact=False,
    )


def _grant(server: MysqlServer) -> str:
    user, _, host = server.role.rpartition("@")
    return f"GRANT SELECT ON performance_schema.* TO '{visible(user, 40)}'@'{visible(host, 60)}';"


def facts(look: MysqlStatements, _: Settings) -> Iterator[Fact]:
    """How many statements' worth of time the server spends, and on what most."""
    if not look.on or look.digests is None:
        yield Fact("statements' time", "unknown")
    elif look.began is None:
        yield Fact("statements' time", "unknown until the next look")
    else:
        load = look.spent / look.seconds if look.seconds else 0.0
        yield Fact("statements at a time", f"{load:.1f}", load)
        if look.gained:
            most = look.gained[0].digest
            yield Fact("most time", visible(str(most.text or ""), 60))


_COLUMNS = (
    Column("time", 8, right=True),
    Column("calls", 10, right=True),
    Column("a call", 10, right=True),
    Column("before", 10, right=True),
    Column("rows a call", 12, right=True),
    Column("schema", 14),
    Column("statement"),
)


def tables(look: MysqlStatements, settings: Settings) -> Iterator[Table]:
    """The statements by their time since the watch began."""
    spent = look.spent
    notes: tuple[str, ...] = ()
    if not look.on:
        notes = ("performance_schema is off: nobody counts statements; it needs a restart",)
    elif look.digests is None:
        notes = (f"statements are hidden: {_grant(look.server)}",)
    yield Table(
        title="Statements by time",
        columns=_COLUMNS,
        rows=tuple(_row(each, spent, settings) for each in look.gained),
        headline=f"over {duration(look.seconds)}" if look.began else "",
        note=notes,
    )


def _row(each: Gained, spent: float, settings: Settings) -> Row:
    digest = each.digest
    rows = digest.examined / digest.calls
    return Row(
        key=" ".join(digest.key),
        cells=(
            percent(digest.seconds / spent if spent else 0),
            f"{digest.calls:,}",
            duration(digest.mean),
            "new" if each.usual is None else duration(each.usual),
            f"{rows:,.0f}",
            visible(digest.db, 40),
            str(digest.text or ""),
        ),
        severity=Severity.WARNING if _regressed(each, spent, settings) else None,
        secret=digest.text,
        sort=(digest.seconds, digest.calls, digest.mean, each.usual, rows, digest.db, None),
    )


def _lacks(look: MysqlStatements) -> str:
    if not look.on:
        return "performance_schema is off: nobody counts statements"
    return f"the role has no right to the statements: {_grant(look.server)}" * (
        look.digests is None
    )


PROBE = Probe(
    id="mysql.statements",
    kind="mysql",
    collect=collect,
    diagnose=diagnose,
    snapshot=MysqlStatements,
    settings=Settings(),
    every=30,
    timeout=9,
    facts=facts,
    tables=tables,
    since=since,
    lacks=_lacks,
    needs=("GRANT SELECT ON performance_schema.*",),
    codes=codes(
        cause=("MY_QRY_REGRESSED",),
        eye=("MY_OBS_BLIND",),
        traits={Trait.LOAD: ("MY_QRY_REGRESSED",)},
    ),
)
