"""Which statements take the time now, and which became slower than they used to be.

Source: catalogue of findings 2.6 (PG_QRY_REGRESSED); see `statements_model`. Without the
extension that is a fact, not a finding. Needs: role `pg_monitor`, and the extension in the database
that the target names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cockpit.connect.session import SqlReads
from cockpit.errors import BlindError, Reason
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Fact, Probe
from cockpit.triage.target import Target
from cockpit.triage.view import Column, Row, Table
from cockpit.units import count, duration, percent
from probes.postgres.model import GRANT
from probes.postgres.statements_model import (
    IDENTITY,
    Counted,
    Info,
    PostgresStatements,
    Ran,
    ServerIdentity,
    Text,
    counters_sql,
    hidden_sql,
    info_sql,
    since,
    texts_sql,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """When a statement has become slower: all of these hold."""

    times_slower: Thresholds = Thresholds(warning=5)
    """Its mean between two looks, in multiples of its mean before."""
    among: int = 5
    """It is one of so many statements with the most time."""
    share: float = 0.1
    """Of the time of all statements."""
    earlier_calls: int = 10
    """Fewer calls than this before say nothing about what is usual."""
    least_load: float = 0.05
    """Seconds of execution per second of all statements below which nothing is judged."""


@dataclass(frozen=True, slots=True)
class _Hidden:
    n: int


async def collect(postgres: SqlReads, target: Target) -> PostgresStatements:
    """Read who we are, then counters, evictions and the texts that could matter."""
    rows = await postgres.rows(IDENTITY, into=ServerIdentity)
    if not rows:
        raise BlindError(Reason.UNREADABLE, "the server gave no row for its own state")
    identity = rows[0]
    if identity.missing:
        return PostgresStatements(identity=identity)
    counted = await postgres.rows(counters_sql(identity), into=Counted)
    hidden = await postgres.rows(hidden_sql(identity), into=_Hidden)
    info: Info | None = None
    if identity.version >= (1, 9):
        info = next(iter(await postgres.rows(info_sql(identity), into=Info)), None)
    texts = await postgres.rows(texts_sql(identity), into=Text)
    return PostgresStatements(
        identity=identity,
        info=info,
        hidden=hidden[0].n if hidden else 0,
        counted=tuple(counted),
        texts=tuple(texts),
    )


def diagnose(look: PostgresStatements, settings: Settings) -> Iterator[Finding]:
    """Name what became slower; say what cannot be seen.

    PG_OBS_BLIND: The role may not see the statements of others, so a slow one among them is not
    found.
    """
    if look.hidden:
        yield Finding(
            "PG_OBS_BLIND",
            Severity.INFO,
            f"role '{look.identity.role}' may not see {count(look.hidden, 'statement')} of others",
            subject="statements",
            evidence=(Evidence("hidden statements", look.hidden, limit=0),),
            likely=("the role was made without pg_monitor",),
            next=GRANT.format(role=look.identity.role),
        )
    if (look.load or 0.0) < settings.least_load:
        return
    for ran in look.ran[: settings.among]:
        slower = _times_slower(ran, settings)
        severity = settings.times_slower.grade(slower)
        if severity is not None and slower is not None and ran.share > settings.share:
            yield _regressed(look, settings, ran, slower=slower, severity=severity)


def _times_slower(ran: Ran, settings: Settings) -> float | None:
    """None: nothing usual to compare with."""
    if not ran.usual_ms or ran.earlier_calls < settings.earlier_calls:
        return None
    return ran.mean_ms / ran.usual_ms


def _regressed(
    look: PostgresStatements, settings: Settings, ran: Ran, *, slower: float, severity: Severity
) -> Finding:
    """A statement with much of the server's time takes far longer a call than it used to.

    Compared with its own mean before; statements of little weight, and quiet servers, are left out.
    When others became slower too, it is the server or a lock; when it alone did, its plan or its
    data.
    """
    usual = ran.usual_ms or 0.0
    text = str(ran.query) if ran.query is not None else ""
    evicted = f"entries were thrown out {look.evicted} times meanwhile: differences may lie"
    return Finding(
        "PG_QRY_REGRESSED",
        severity,
        f"statement {ran.queryid} takes {duration(ran.mean_ms / 1000)} a call, {slower:,.0f} times "
        f"its usual {duration(usual / 1000)}, and {percent(ran.share)} of all time",
        subject=f"query {ran.queryid}",
        evidence=(
            Evidence("mean now", ran.mean_ms, "ms", usual * (settings.times_slower.first or 1)),
            Evidence("mean before", usual, "ms"),
            Evidence("calls", round(ran.calls / (look.seconds or 1), 2), "/s"),
            Evidence("share of all time", ran.share, "share", settings.share),
            Evidence("blocks read a call", round(ran.reads / ran.calls)),
            Evidence("temporary blocks a call", round(ran.temp / ran.calls)),
            Evidence("statement", text or "not known: look at the drill-down"),
        ),
        likely=(
            "its plan changed: statistics, a dropped index, more rows",
            "it waits for a lock",
            "it was deployed anew with another meaning of its parameters",
            "the disk or the CPU became slow for everybody",
        ),
        against=(evicted,) if look.evicted else (),
        next="EXPLAIN it with real parameters; did other statements become slower too?",
        fact=False,
    )


def facts(look: PostgresStatements, _: Settings) -> Iterator[Fact]:
    """How busy statements keep the server, or why that is not known."""
    missing = look.identity.missing
    if missing:
        yield Fact("statements", f"pg_stat_statements is not there: {missing}")
        return
    if look.hidden:
        yield Fact("statements", f"unknown: {look.hidden:,} of others are hidden")
        return
    if look.load is None or look.seconds is None:
        yield Fact("statements", "unknown until the next look")
    else:
        calls = look.calls / look.seconds
        yield Fact("statements", f"{calls:,.0f}/s", calls, "/s")
        yield Fact("busy with statements", f"{look.load:.1f} sessions", look.load)
        if look.calls:
            mean = look.ms / look.calls
            yield Fact("mean", duration(mean / 1000), mean, "ms")
    yield Fact("statements known", f"{len(look.counted):,}", len(look.counted))
    if look.evicted:
        yield Fact("thrown out meanwhile", str(look.evicted), look.evicted)


_COLUMNS = (
    Column("query id", 22),
    Column("time", 7, right=True),
    Column("calls/s", 10, right=True),
    Column("mean", 9, right=True),
    Column("before", 9, right=True),
    Column("reads/call", 11, right=True),
    Column("temp/call", 10, right=True),
    Column("statement"),
)


def tables(look: PostgresStatements, settings: Settings) -> Iterator[Table]:
    """The statements with the most time since the look before."""
    notes = []
    if look.identity.missing:
        notes.append(look.identity.missing)
    if look.hidden:
        grant = GRANT.format(role=look.identity.role)
        notes.append(f"{look.hidden} statements of others are hidden: {grant}")
    if look.evicted:
        notes.append("entries are thrown out for others: raise pg_stat_statements.max")
    over = "no earlier look yet" if look.seconds is None else f"within {duration(look.seconds)}"
    yield Table(
        title="Statements",
        columns=_COLUMNS,
        rows=tuple(_row(look, ran, settings) for ran in look.ran),
        headline=f"{over} · a statement counts when it ends",
        note=tuple(notes),
    )


def _row(look: PostgresStatements, ran: Ran, settings: Settings) -> Row:
    per_s = ran.calls / look.seconds if look.seconds else None
    usual = "new" if ran.usual_ms is None else duration(ran.usual_ms / 1000)
    return Row(
        key=f"{ran.userid} {ran.dbid} {ran.queryid}",
        cells=(
            str(ran.queryid),
            percent(ran.share),
            "" if per_s is None else f"{per_s:,.1f}",
            duration(ran.mean_ms / 1000),
            usual,
            f"{ran.reads / ran.calls:,.0f}",
            f"{ran.temp / ran.calls:,.0f}",
            str(ran.query or ""),
        ),
        severity=settings.times_slower.grade(_times_slower(ran, settings)),
        secret=ran.query,
        sort=(
            ran.queryid,
            ran.share,
            per_s,
            ran.mean_ms,
            ran.usual_ms,
            ran.reads / ran.calls,
            ran.temp / ran.calls,
            None,
        ),
    )


PROBE = Probe(
    id="postgres.statements",
    kind="postgres",
    collect=collect,
    diagnose=diagnose,
    snapshot=PostgresStatements,
    settings=Settings(),
    every=30,
    timeout=12,
    facts=facts,
    tables=tables,
    since=since,
    lacks=lambda look: look.identity.missing,
    needs=("GRANT pg_monitor", "CREATE EXTENSION pg_stat_statements"),
    codes=codes(
        cause=("PG_QRY_REGRESSED",),
        eye=("PG_OBS_BLIND",),
        traits={Trait.LOAD: ("PG_QRY_REGRESSED",)},
    ),
)
