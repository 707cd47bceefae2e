"""PostgreSQL's counters between two of our looks, and samples of what active sessions wait for.

Source: PostgreSQL documentation, pg_stat_database, pg_stat_database_conflicts, pg_stat_checkpointer
(17 and later; pg_stat_bgwriter before); catalogue of findings 2.4 and 2.5. Rows are read whole, as
JSON, so that a column that a version lacks is None and one that it adds is ignored. A counter that
fell, another reset time or start, or a server that changed its role: that pair is thrown away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta

from cockpit.triage.own import OwnAct
from probes.postgres.held import HeldWait, held_on
from probes.postgres.pulse import Wait
from probes.statement import statement

WINDOW = 300.0
"""Seconds of pairs that are kept: what the slowest threshold looks back on."""
SAMPLES = 10
"""Samples of waits that are judged together."""
_FRESH = timedelta(seconds=90)
_LATE = timedelta(seconds=5)
"""How late the end of a session may be counted, and how far the server's clock may be from ours."""
_DATABASES = 50
_USUAL = 60.0

TOTALS = statement("postgres", "counters_totals.sql")
CHECKPOINTER = """
SELECT num_timed AS timed, num_requested AS requested, stats_reset FROM pg_stat_checkpointer
"""
BGWRITER = """
SELECT checkpoints_timed AS timed, checkpoints_req AS requested, stats_reset FROM pg_stat_bgwriter
"""
WAITS = """
SELECT coalesce(wait_event_type, 'CPU') AS type, coalesce(wait_event, '') AS event, count(*) AS n,
       (array_agg(concat(pid, ' ', extract(epoch FROM query_start)) ORDER BY query_start)
          FILTER (WHERE backend_type = 'client backend' AND query_start IS NOT NULL)
       )[1:200] AS statements
  FROM pg_stat_activity
 WHERE state = 'active' AND pid <> pg_backend_pid()
   AND application_name IS DISTINCT FROM 'incident-cockpit'
   AND backend_type IN ('client backend', 'parallel worker')
 GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT 50
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """A row of pg_stat_database. None: this version does not count it."""

    datname: str
    xact_commit: int | None = None
    xact_rollback: int | None = None
    blks_hit: int | None = None
    blks_read: int | None = None
    temp_files: int | None = None
    temp_bytes: int | None = None
    deadlocks: int | None = None
    sessions: int | None = None
    sessions_fatal: int | None = None
    sessions_killed: int | None = None
    sessions_abandoned: int | None = None
    checksum_failures: int | None = None
    checksum_last_failure: datetime | None = None
    stats_reset: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecksumFailures:
    """Pages that were not as they had been written. `number` None: checksums are off."""

    number: int | None = None
    last: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """What one database's counters gained between two looks. None: not counted here."""

    name: str
    commits: int | None = None
    rollbacks: int | None = None
    hits: int | None = None
    reads: int | None = None
    temp_files: int | None = None
    temp_bytes: int | None = None
    deadlocks: int | None = None
    sessions: int | None = None
    fatal: int | None = None
    killed: int | None = None
    abandoned: int | None = None


_COLUMNS: Mapping[str, str] = {
    "commits": "xact_commit",
    "rollbacks": "xact_rollback",
    "hits": "blks_hit",
    "reads": "blks_read",
    "temp_files": "temp_files",
    "temp_bytes": "temp_bytes",
    "deadlocks": "deadlocks",
    "sessions": "sessions",
    "fatal": "sessions_fatal",
    "killed": "sessions_killed",
    "abandoned": "sessions_abandoned",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoints:
    """Since the counters began. `requested`: not by the timer but by much WAL, or by a person."""

    timed: int
    requested: int
    stats_reset: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The counters as they stand."""

    at: datetime
    started: datetime
    recovery: bool
    role: str
    sees_all: bool
    checkpointer: bool
    databases: tuple[Database, ...]
    shared: ChecksumFailures | None = None
    """Of the catalogs that all databases share."""
    conflicts: dict[str, int] = field(default_factory=dict)
    """Statements that recovery ended, by cause: counted on standbys only."""


@dataclass(frozen=True, slots=True)
class TotalsRow:
    """How the statement gives it."""

    totals: Totals


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitSample:
    """What active sessions waited for at one moment; no waits: nobody was active."""

    waits: tuple[Wait, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CountersPair:
    """What was gained between two looks that belong together."""

    at: datetime
    seconds: float
    databases: tuple[Gain, ...]
    timed: int | None = None
    requested: int | None = None
    conflicts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresCounters:
    """One look, with what the looks of the last five minutes gained."""

    totals: Totals
    checkpoints: Checkpoints | None = None
    samples: tuple[WaitSample, ...] = ()
    """The last ten, of this look and the one before. Empty: the role may not see waits."""
    held: tuple[HeldWait, ...] = ()
    """Statements that every sample of this look saw in the same wait."""
    pairs: tuple[CountersPair, ...] = ()
    reset: tuple[str, ...] = ()
    """Whose statistics began anew between this look and the one before."""
    usual_logins: float | None = None
    """Sessions that began per second in the first minute that we looked; None: not known yet."""
    restarted: bool = False
    """The server was restarted or changed its role: there is nothing to compare with."""


def since(before: PostgresCounters, now: PostgresCounters) -> PostgresCounters:
    """The new look with what was gained. A gap, restart or change of role begins anew."""
    old, new = before.totals, now.totals
    seconds = (new.at - old.at).total_seconds()
    if new.started != old.started or new.recovery != old.recovery:
        return replace(now, restarted=True, usual_logins=before.usual_logins)
    if not 0 < seconds <= WINDOW:
        return replace(now, usual_logins=before.usual_logins)
    gains, reset = _gains(old.databases, new.databases)
    timed, requested = _checkpoints(before.checkpoints, now.checkpoints)
    pair = CountersPair(
        at=new.at,
        seconds=seconds,
        databases=gains,
        timed=timed,
        requested=requested,
        conflicts=_conflicts(old.conflicts, new.conflicts),
    )
    oldest = new.at - timedelta(seconds=WINDOW)
    kept = tuple(each for each in before.pairs if each.at > oldest)
    fresh = seconds <= _FRESH.total_seconds()
    earlier = before.samples if fresh else ()
    now = replace(
        now,
        pairs=(*kept, pair),
        samples=(*earlier, *now.samples)[-SAMPLES:],
        held=held_on(before.held if fresh else (), now.held, seconds),
        reset=reset,
    )
    return replace(now, usual_logins=before.usual_logins or _usual_logins(now))


def _usual_logins(look: PostgresCounters) -> float | None:
    """None until a minute was looked at."""
    first = window(look, _USUAL)
    return first.per_s("sessions") if first is not None and first.seconds >= _USUAL else None


def _gains(
    before: Iterable[Database], now: Iterable[Database]
) -> tuple[tuple[Gain, ...], tuple[str, ...]]:
    known = {database.datname: database for database in before}
    gains, reset = [], []
    for database in now:
        old = known.get(database.datname)
        if old is None:
            continue
        gain = _gain(old, database)
        if gain is None:
            reset.append(database.datname)
        else:
            gains.append(gain)
    return tuple(gains[:_DATABASES]), tuple(reset)


def _gain(old: Database, new: Database) -> Gain | None:
    """None: the statistics began anew, so the difference means nothing."""
    if old.stats_reset != new.stats_reset:
        return None
    gained: dict[str, int | None] = {}
    for name, column in _COLUMNS.items():
        first, second = getattr(old, column), getattr(new, column)
        if first is None or second is None:
            gained[name] = None
        elif second < first:
            return None
        else:
            gained[name] = second - first
    return Gain(name=new.datname, **gained)


def _checkpoints(old: Checkpoints | None, new: Checkpoints | None) -> tuple[int | None, int | None]:
    if old is None or new is None or old.stats_reset != new.stats_reset:
        return None, None
    timed, requested = new.timed - old.timed, new.requested - old.requested
    return (None, None) if timed < 0 or requested < 0 else (timed, requested)


def _conflicts(old: Mapping[str, int], new: Mapping[str, int]) -> dict[str, int]:
    gained = {cause: n - old.get(cause, 0) for cause, n in new.items() if cause in old}
    if any(n < 0 for n in gained.values()):
        return {}
    return {cause: n for cause, n in gained.items() if n}


@dataclass(frozen=True, slots=True)
class CountersWindow:
    """The gains of the last `span` seconds, all databases or one. `seconds`: what they cover."""

    seconds: float
    gain: Gain
    requested: int | None = None
    timed: int | None = None
    conflicts: Mapping[str, int] = field(default_factory=dict)

    def per_s(self, name: str) -> float | None:
        """A counter's rate; None: not counted here, or nothing to compare with."""
        gained = getattr(self.gain, name)
        return gained / self.seconds if gained is not None and self.seconds > 0 else None

    @property
    def hit_share(self) -> float | None:
        """Blocks found in the buffers of those asked for; None without any."""
        hits, reads = self.gain.hits, self.gain.reads
        return (
            hits / (hits + reads)
            if hits is not None and reads is not None and hits + reads
            else None
        )


def without_ours(look: PostgresCounters, acts: Sequence[OwnAct]) -> PostgresCounters:
    """The look without the sessions that our own steps ended, and those of ours that we cut.

    Each is taken from the pair of looks that it fell into, or from the one after, since a session
    is counted a moment after its end; never more of a pair than were killed in it. One that was cut
    is counted when its server comes to it, so from the first pair with one in that database.
    """
    pairs = list(look.pairs)
    for act in acts:
        if act.vanished:
            _without_cut(pairs, act)
        left = act.sessions
        for at, pair in enumerate(pairs):
            if left and act.between(pair.at - timedelta(seconds=pair.seconds), pair.at):
                pairs[at], left = _fewer(pair, left)
    return replace(look, pairs=tuple(pairs))


def _without_cut(pairs: list[CountersPair], act: OwnAct) -> None:
    begun = pairs[0].at - timedelta(seconds=pairs[0].seconds) if pairs else act.at
    for at, pair in enumerate(pairs):
        if not begun - _LATE <= act.at <= pair.at + _LATE:
            continue
        ours = [g.name == act.args.get("database") and bool(g.abandoned) for g in pair.databases]
        if any(ours):
            databases = (
                replace(gain, abandoned=(gain.abandoned or 0) - 1) if mine else gain
                for mine, gain in zip(ours, pair.databases, strict=True)
            )
            pairs[at] = replace(pair, databases=tuple(databases))
            return


def _fewer(pair: CountersPair, most: int) -> tuple[CountersPair, int]:
    """The pair with at most so many killed sessions less, and how many are left to take."""
    databases = []
    for gain in pair.databases:
        taken = min(most, gain.killed or 0)
        most -= taken
        databases.append(replace(gain, killed=gain.killed - taken) if gain.killed else gain)
    return replace(pair, databases=tuple(databases)), most


def window(
    look: PostgresCounters, span: float, database: str | None = None
) -> CountersWindow | None:
    """What the last `span` seconds gained; None: there is no earlier look to compare with.

    A pair that is longer than the span counts whole, with its own seconds.
    """
    chosen: list[CountersPair] = []
    covered = 0.0
    for pair in reversed(look.pairs):
        if chosen and covered + pair.seconds > span * 1.1:
            break
        chosen.append(pair)
        covered += pair.seconds
    if not chosen:
        return None
    gains = [g for pair in chosen for g in pair.databases if database in {None, g.name}]
    if not gains:
        return None
    conflicts: Counter[str] = Counter()
    for pair in chosen:
        conflicts.update(pair.conflicts)
    return CountersWindow(
        covered,
        _summed(gains, database or ""),
        requested=_total(pair.requested for pair in chosen),
        timed=_total(pair.timed for pair in chosen),
        conflicts=dict(conflicts),
    )


def spills(look: PostgresCounters, database: str) -> bool:
    """Statements that wrote temporary files ended between each of the last three looks: a single
    one counts all that it wrote, for however long, in the moment of its end.
    """
    gained = [
        sum(each.temp_bytes or 0 for each in pair.databases if each.name == database)
        for pair in look.pairs[-2:]
    ]
    return len(gained) == 2 and all(gained)


def _summed(gains: Iterable[Gain], name: str) -> Gain:
    listed = list(gains)
    names = [each.name for each in fields(Gain) if each.name != "name"]
    return Gain(name=name, **{n: _total(getattr(g, n) for g in listed) for n in names})


def _total(values: Iterable[int | None]) -> int | None:
    """The sum of those that are known; None when none is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


@dataclass(frozen=True, slots=True)
class Dominant:
    """What most active sessions wait for. `active`: sessions at a time, on average."""

    type: str
    event: str
    """The commonest event of the type."""
    share: float
    active: float
    samples: int


def dominant(look: PostgresCounters) -> Dominant | None:
    """The class of wait with the largest share; None: nobody was active, or hidden."""
    kinds: Counter[str] = Counter()
    events: Counter[tuple[str, str]] = Counter()
    for sample in look.samples:
        for wait in sample.waits:
            kinds[wait.type] += wait.n
            events[wait.type, wait.event] += wait.n
    total = kinds.total()
    if not total:
        return None
    kind, most = kinds.most_common(1)[0]
    event = max((e for e in events if e[0] == kind), key=lambda e: events[e])[1]
    return Dominant(kind, event, most / total, total / len(look.samples), len(look.samples))


def share_of(look: PostgresCounters, kind: str) -> float:
    """The share of one class of waits among active sessions; 0 when nobody was active."""
    every = sum(wait.n for sample in look.samples for wait in sample.waits)
    own = sum(wait.n for sample in look.samples for wait in sample.waits if wait.type == kind)
    return own / every if every else 0.0
