"""What Redis' clients get back instead of what they asked for, and who has stopped their writes.

Source: Redis documentation, INFO (errorstats), CLIENT PAUSE, FAILOVER; see `tally`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cockpit.text import visible
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.units import duration, percent, rounded
from probes.gains import MINUTE
from probes.redis.model import RedisHealth
from probes.redis.tally import Endings, ended

NOW = 15.0
"""Seconds back within which a refusal is one of now: three looks."""
_EACH = 6
"""Kinds that are findings of their own; the drill-down has all."""
_TOLD_ELSEWHERE = frozenset({"OOM"})  # RD_MEM_OOM_REJECT


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorLimits:
    """From when on error replies are a finding."""

    refused: Thresholds = Thresholds(high=0, critical=1)
    """Commands a second that the server's own state refuses; any at all is the first limit."""
    failing: Thresholds = Thresholds(warning=1, high=10)
    """Commands a second that fail with one kind of error, over a minute; see `failing_share`."""
    failing_share: Thresholds = Thresholds(warning=0.01, high=0.1)
    """And of all commands: both must be reached."""
    failing_least: int = 10
    """Errors within the minute below which a share says nothing."""
    failover_s: Thresholds = Thresholds(high=0, critical=10)
    """Seconds for which we see a FAILOVER under way."""
    pause_s: Thresholds = Thresholds(warning=0, critical=10)
    """Seconds for which writes will still be held."""


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """What a kind of error says, what brings it about, and where to look next."""

    says: str
    likely: tuple[str, ...]
    next: str


STATES = {
    "READONLY": ErrorKind(
        "writes reach a replica, which takes none",
        (
            "after a failover clients kept their connections to the old primary",
            "writes go to the name that is meant for readers",
            "a FAILOVER is under way, or hangs",
        ),
        "who is the primary now, and what do the writers' settings and DNS lead to?",
    ),
    "NOREPLICAS": ErrorKind(
        "too few replicas are in step for a write (min-replicas-to-write)",
        ("a replica died, hangs or lags", "the network between them", "replicas were taken away"),
        "do the replicas answer? a write is taken again as soon as enough of them are in step",
    ),
    "CLUSTERDOWN": ErrorKind(
        "the cluster does not serve the slots that are asked for",
        ("a primary died without a replica that is in step", "slots belong to nobody"),
        "redis.cluster says which shard; look at each node's own view",
    ),
    "MISCONF": ErrorKind(
        "snapshots fail, so writes are refused (stop-writes-on-bgsave-error)",
        ("the disk is full or not writable", "no memory left to fork"),
        "disk space and the server's log",
    ),
    "MASTERDOWN": ErrorKind(
        "a replica has no link to its primary and refuses stale reads",
        ("the primary is gone", "the network between them"),
        "does the primary answer from here?",
    ),
    "NOMASTERLINK": ErrorKind(
        "a replica has no link to its primary",
        ("the primary is gone", "the network between them"),
        "does the primary answer from here?",
    ),
    "LOADING": ErrorKind(
        "the server loads its data and answers nothing else",
        ("it was restarted", "a replica takes a full copy"),
        "wait: a client that retries in a loop makes it slower",
    ),
    "BUSY": ErrorKind(
        "a script or function holds the only thread",
        ("a script that loops", "a script over far more data than before"),
        "SCRIPT KILL works while it has written nothing",
    ),
}
"""Kinds by which a server tells that it cannot, whatever it is asked."""

_CLUSTER = "a client that does not know of the cluster, or a library's setting"
CALLS = {
    "NOPERM": ErrorKind(
        "the user's ACL does not allow it",
        ("a release uses a command or key that its ACL lacks", "the ACL was changed"),
        "ACL LOG, by somebody who may: user, command, key; CONFIG and ACL history",
    ),
    "NOAUTH": ErrorKind(
        "the client has not logged in",
        ("a password was set, or the default user switched off", "a client without its secret"),
        "who connects without a login? CLIENT LIST by address",
    ),
    "WRONGPASS": ErrorKind(
        "the login is refused",
        ("a rotated password that a client does not have yet", "the user was removed"),
        "which release or secret is old? ACL LOG names the user and the address",
    ),
    "NOSCRIPT": ErrorKind(
        "the script is not known here (EVALSHA)",
        ("a restart, a failover or SCRIPT FLUSH lost the scripts", "a client never sends EVAL"),
        "does it go on? clients that fall back to EVAL end it by themselves",
    ),
    "CROSSSLOT": ErrorKind(
        "keys of one command lie in several slots",
        ("it was written for a single server and meets a cluster now", "a hash tag is missing"),
        "the newest release: keys of one command, script or transaction need one {tag}",
    ),
    "WRONGTYPE": ErrorKind(
        "the key holds a value of another type",
        ("a release changed what it keeps under a key", "two applications share a name of keys"),
        "the newest release first; the old values stay until they are deleted or end",
    ),
    "EXECABORT": ErrorKind(
        "a transaction was thrown away since one of its commands was refused",
        ("what the other errors say",),
        "the other kind of error is the cause",
    ),
    "MOVED": ErrorKind("the slot is another node's", (_CLUSTER, "a reshard or failover"),
                  "do all clients of a release do it? then its cluster mode is off"),
    "ASK": ErrorKind("the slot is on its way to another node",
                     (_CLUSTER, "a reshard that does not end"),
                "redis.cluster: is a slot migrating for long?"),
    "TRYAGAIN": ErrorKind("the keys are split while their slot moves", ("a reshard",),
                     "redis.cluster: is a slot migrating for long?"),
    "NOGROUP": ErrorKind(
        "the stream or its consumer group is not there",
        ("the stream was deleted, flushed or evicted", "a consumer came before its producer"),
        "was the cache flushed or restarted? XINFO GROUPS of the stream",
    ),
    "ERR": ErrorKind(
        "an ordinary error: a wrong argument, an unknown command",
        ("a release sends what this version does not know", "a value that is no number"),
        "the application's own log has the text; INFO counts only its first word",
    ),
    "ERRORSTATS_OVERFLOW": ErrorKind(
        "there are more kinds of errors than the server counts",
        ("scripts that answer with words of their own",),
        "the application's own log; CONFIG RESETSTAT counts anew",
    ),
}  # fmt: skip
"""Kinds by which one command fails and another does not."""
_REDIRECTS = frozenset({"MOVED", "ASK", "TRYAGAIN"})
"""What a client of a cluster follows by itself: told only when it is much."""
_UNKNOWN = ErrorKind(
    "a kind of error that is not known here",
    ("a script or module answers with it", "a newer server's own word"),
    "the application's own log has the text",
)


def errors(look: RedisHealth, limits: ErrorLimits) -> Iterator[Finding]:
    """Who holds writes up, then what is refused, then what fails."""
    yield from _paused(look, limits)
    yield from _failover(look, limits)
    yield from _unmet(look)
    minute = ended(look.pairs, look.at, MINUTE)
    if minute is not None:
        yield from _refused(look, minute, limits)
        yield from _failing(minute, limits)


def _paused(look: RedisHealth, limits: ErrorLimits) -> Iterator[Finding]:
    """CLIENT PAUSE … WRITE is on: every write waits, reads go on, and nothing looks ill.

    Tools for failovers and migrations pause for a second or two; one that died leaves it behind
    until its timeout. A pause of everything would hold this look up as well. Only servers that tell
    (`paused_reason`; Valkey 9) are seen at once.
    """
    if look.paused in {"", "none", "failover_in_progress"}:
        return
    known = look.paused == "client_pause"
    ends = look.paused_s
    yield Finding(
        "RD_PAUSED",
        (limits.pause_s.grade(ends) if known else None) or Severity.WARNING,
        ("writes wait: CLIENT PAUSE is on" if known
         else f"the server holds clients up: {visible(look.paused, 60)}")
        + (f" for another {duration(ends)}" if ends else ""),
        evidence=(
            Evidence("held up", visible(look.paused_what, 40) or None),
            Evidence("for another", ends, "s", limits.pause_s.critical),
            Evidence("clients that wait", look.blocked),
        ),
        likely=("a failover or migration tool that paused and died before it ended it",
                "a person who paused by hand")
        if known
        else ("the server moves slots to another node, or does something newer",),
        next="it ends by itself: CLIENT UNPAUSE waits as well"
        if look.paused_what == "all"
        else "who paused it, and is that tool still at work? else CLIENT UNPAUSE lets writes go on"
        if known
        else "does it end? look again in some seconds",
    )  # fmt: skip


def _failover(look: RedisHealth, limits: ErrorLimits) -> Iterator[Finding]:
    """A FAILOVER that was asked for is under way: writes wait, and then nobody is the primary.

    Its TIMEOUT bounds only the wait for the replica. With a replica that is in step and then hangs,
    the primary says that it is a replica, answers READONLY, and does so without an end of its own.
    """
    if look.failover in {"", "no-failover"}:
        return
    since = (look.at - look.failover_since).total_seconds() if look.failover_since else 0.0
    handed = look.failover == "failover-in-progress"
    yield Finding(
        "RD_FAILOVER_STUCK",
        limits.failover_s.grade(since) or Severity.HIGH,
        ("a FAILOVER hands over to a replica: nobody is the primary until it has taken over"
         if handed
         else f"a FAILOVER is under way ({visible(look.failover, 60)}): writes wait")
        + (f", seen for {duration(since)}" if since >= 1 else ""),
        evidence=(
            Evidence("state", visible(look.failover, 60)),
            Evidence("seen for", since, "s", limits.failover_s.critical),
            Evidence("role", look.role),
        ),
        likely=("the replica that is to take over hangs or is not in step",
                "it was begun a moment ago"),
        next="does the replica answer? else FAILOVER ABORT at this server gives the role back",
    )  # fmt: skip


def _unmet(look: RedisHealth) -> Iterator[Finding]:
    """No replica is in step although writes need one (`min-replicas-to-write`): all are refused.

    The server counts replicas that acknowledged within `min-replicas-max-lag`, and says NOREPLICAS.
    """
    if look.good_replicas != 0 or look.role != "primary":
        return
    yield Finding(
        "RD_REPL_MIN_UNMET",
        Severity.CRITICAL,
        "every write is refused (NOREPLICAS): no replica is in step, and min-replicas-to-write "
        "wants some",
        evidence=(
            Evidence("replicas in step", 0, "", 1),
            Evidence("replicas connected", len(look.replicas)),
        ),
        likely=STATES["NOREPLICAS"].likely,
        next="do the replicas answer from here? with none left, only min-replicas-to-write 0 lets "
        "writes through, at the risk of losing them",
    )


def _refused(look: RedisHealth, minute: Endings, limits: ErrorLimits) -> Iterator[Finding]:
    """The server refuses commands for a state of its own, whatever they are: READONLY, NOREPLICAS,
    CLUSTERDOWN, MISCONF, MASTERDOWN and the like.

    For the clients it is an outage, while the server answers INFO and looks well. Judged by how
    many there were since the last looks; for a minute after the last one it is information.
    """
    for kind in [kind for kind in STATES if minute.kinds.get(kind)]:
        if kind == "LOADING" and look.loading:
            continue  # RD_STATE_LOADING
        meaning, rate = STATES[kind], _rate_now(look, kind)
        going = rate > 0
        severity = (limits.refused.grade(rate) if going else None) or Severity.INFO
        yield Finding(
            "RD_ERR_REFUSED",
            severity,
            f"{rounded(rate)} commands a second are refused with {kind}: {meaning.says}"
            if going
            else f"{minute.kinds[kind]:,} commands were refused with {kind} within the last "
            "minute; it is over",
            subject=kind,
            evidence=(
                *_counts(kind, minute, rate, limit=limits.refused.critical),
                Evidence("role", look.role),
                Evidence("replicas in step", look.good_replicas),
            ),
            likely=meaning.likely,
            next=meaning.next,
        )


def _rate_now(look: RedisHealth, kind: str) -> float:
    """Per second since the look before, or in the last looks where few are sent; 0: it is over. A
    server that is the primary again does not say READONLY any more.
    """
    newest, some = (ended(look.pairs[-looks:], look.at, NOW) for looks in (1, len(look.pairs)))
    rate = newest.rate(kind) if newest else 0.0
    if rate or some is None or (kind == "READONLY" and look.role == "primary"):
        return rate
    return some.rate(kind)


def _failing(minute: Endings, limits: ErrorLimits) -> Iterator[Finding]:
    """Commands fail with one kind of error: a release that does not fit the server, its ACL or its
    data.

    Only as a share of all commands and with a rate, since single errors are part of every
    application. Errors to greetings (HELLO, CLIENT SETINFO, PING) are left out. A kind that is not
    known here is told by its own word.
    """
    kinds = sorted(
        minute.kinds.keys() - STATES.keys() - _TOLD_ELSEWHERE,
        key=lambda kind: (-minute.kinds[kind], kind),
    )
    for kind in kinds[:_EACH]:
        rate, share = minute.rate(kind), minute.share(kind)
        grades = (limits.failing.grade(rate), limits.failing_share.grade(share))
        if None in grades or minute.kinds[kind] < limits.failing_least:
            continue
        severity = min(grade for grade in grades if grade)
        if kind in _REDIRECTS:
            if severity < Severity.HIGH:
                continue
            severity = Severity.WARNING
        meaning = CALLS.get(kind, _UNKNOWN)
        yield Finding(
            "RD_ERR_FAILING",
            severity,
            f"{rounded(rate)} commands a second, {percent(share)} of all, fail with {kind}: "
            f"{meaning.says}",
            subject=kind,
            evidence=(
                *_counts(kind, minute, rate, limit=limits.failing.first),
                Evidence("of all commands", share, "share", limits.failing_share.first),
                *((Evidence("the ACL denied", minute.denied or None),) if kind == "NOPERM" else ()),
            ),
            likely=meaning.likely,
            against=("the server works: what is sent to it fails",),
            next=meaning.next,
        )  # fmt: skip


def _counts(
    kind: str, minute: Endings, rate: float, *, limit: float | None
) -> tuple[Evidence, ...]:
    return (
        Evidence("error replies", round(rate, 1), "/s", limit),
        Evidence("commands that were refused or failed", minute.names() or None),
        Evidence("in all", minute.kinds[kind]),
        Evidence("within", round(minute.seconds), "s"),
    )
