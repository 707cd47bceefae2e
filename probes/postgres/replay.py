"""A standby's own replay: how far behind, whether it stands still, and who may let it go on.

Source: PostgreSQL documentation, "Recovery Control Functions", "Administrator's Overview" of hot
standby (from 14 on a setting below the primary's pauses replay) and "Recovery Target".
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.triage.view import Column, Offer, Row, Table
from cockpit.units import duration, size
from probes.postgres.replication_model import Pause, Receiver, Replay

MIB = 2**20

_RESUME = Offer(
    key="r",
    label="resume replay",
    kind="sql",
    call="resume_replay",
    args={},
    # No session can read who paused it (only its log tells), so it is never taken for a person's.
    risk="high",
    effect="lets replay go on if a person paused it; if a setting is below the primary's "
    "(max_connections, max_worker_processes, max_wal_senders, max_prepared_transactions, "
    "max_locks_per_transaction), the standby shuts down; if a restore stopped at its target, it "
    "is promoted",
)


def stalled_finding(name: str, backlog: float | None) -> Finding:
    """Replay does not move although there is something to replay.

    The standby takes the WAL and does not apply it: its readers see the past, and a promotion must
    first replay all of it.
    """
    return Finding(
        "PG_REPL_APPLY_STALLED",
        Severity.HIGH,
        f"replay of {name} stands still with {_left(backlog)} to replay",
        subject=name,
        evidence=(Evidence("not replayed", backlog, "bytes"),),
        likely=("a long query on the standby conflicts with recovery", "replay was paused"),
        next="long queries on the standby; is replay paused?",
    )


def _paused_finding(replay: Replay, pause: Pause) -> Finding:
    """Replay is paused: nothing new can be read here.

    Three things pause it, and each wants another answer. A person did: resume it. A setting is
    below the primary's: restart with a larger one, a resume shuts the standby down. A restore is at
    the point that it was to reach: leave it alone, a resume promotes it.
    """
    stops = f"a restore that reached {replay.target}" if replay.target else ""
    because = "".join(f": {each.says}" for each in pause.below[:1])
    return Finding(
        "PG_REPL_APPLY_STALLED",
        Severity.HIGH,
        f"replay of this standby is paused with {_left(replay.backlog_b)} to replay{because}",
        subject="this standby",
        evidence=(
            Evidence("not replayed", replay.backlog_b, "bytes"),
            *((Evidence("pauses at", replay.target),) if replay.target else ()),
            *(Evidence(each.name, each.here, limit=each.there) for each in pause.below),
            *((Evidence("compared with", pause.primary),) if pause.primary else ()),
        ),
        likely=_CAUSES.get(pause.why) or ((stops,) if stops else ()) + _UNTOLD,
        next=_advice(pause),
    )


_UNTOLD = ("somebody paused replay", "a setting below the primary's, such as max_connections")
_CAUSES = {
    "person": ("somebody paused replay",),
    "parameter": ("a setting below the primary's pauses replay",),
}


_BY = {
    "person": "a person: no setting is below the primary's, and no restore stops here",
    "parameter": "a setting below the primary's",
    "target": "a restore at its target, or before it by a person",
    "unknown": "not known: its log says it",
}


def _advice(pause: Pause) -> str:
    match pause.why:
        case "target":
            return "ask the owner of this restore: a resume at its target promotes it"
        case "parameter":
            first = ", ".join(f"{each.name} = {each.there}" for each in pause.below)
            return f"restart this standby with {first} first: a resume would shut it down"
        case "person":
            return "ask who paused it and why; then resume it"
        case _:
            return "its log says who or what paused it; resume it only if that was a person"


def replay_findings(
    replay: Replay,
    pause: Pause | None,
    *,
    lag_bytes: Thresholds,
    lag_seconds: Thresholds,
    stalled_looks: int,
) -> Iterator[Finding]:
    """A standby has received more than it has replayed: its readers see the past.

    A standby that is late on purpose is judged by the time beyond that, not by its backlog. Less
    than a MiB is not judged by time: it may be one open transaction's.
    """
    why = pause or untold(replay)
    if replay.paused:
        yield _paused_finding(replay, why)
    elif replay.stalled >= stalled_looks and not replay.delay_s:
        yield stalled_finding("this standby", replay.backlog_b)
    backlog = replay.backlog_b or 0
    grades = [None if replay.delay_s else lag_bytes.grade(replay.backlog_b)]
    if backlog > MIB:  # less may be what one open transaction wrote since the last commit
        grades.append(lag_seconds.grade(replay.lag_s))
    severity = max((grade for grade in grades if grade), default=None)
    if severity is None:
        return
    late_s = replay.lag_s
    behind = "how long behind is unknown" if late_s is None else f"{duration(late_s)} behind"
    meant = f" besides the {duration(replay.delay_s)} meant" if replay.delay_s else ""
    yield Finding(
        "PG_REPL_LAG",
        severity,
        f"this standby has {size(backlog)} to replay, {behind}{meant}",
        subject="replay",
        evidence=(
            Evidence("to replay", replay.backlog_b, "bytes", lag_bytes.first),
            Evidence("behind", late_s, "s", lag_seconds.first),
            *((Evidence("meant", replay.delay_s, "s"),) if replay.delay_s else ()),
        ),
        likely=("replay is paused",) if replay.paused else ("long queries hold replay up",),
        next=_advice(why) if replay.paused else "long queries on this standby",
        fact=False,
    )


def untold(replay: Replay) -> Pause:
    """The cause of a pause when only the standby itself is asked."""
    return Pause(why="target" if replay.target else "unknown")


def _offers(replay: Replay, pause: Pause) -> tuple[Offer, ...]:
    """A resume where a person paused it, or where nobody can tell: then with what it may do."""
    if not replay.paused or pause.why in {"target", "parameter"}:
        return ()
    if pause.why == "person":
        left = _left(replay.backlog_b)
        return (dataclasses.replace(_RESUME, effect=f"replays on: {left} to replay"),)
    return (_RESUME,)


def replay_table(replay: Replay, receiver: Receiver | None, pause: Pause | None = None) -> Table:
    """The state of replay. A resume is offered where neither a target nor a setting forbids it."""
    why = pause or untold(replay)
    heard = receiver.last_msg_s if receiver else None
    rows = {
        "to replay": amount(replay.backlog_b),
        "replay": "paused" if replay.paused else "running",
        **({"paused by": _BY[why.why]} if replay.paused else {}),
        **{each.name: f"{each.here} here, {each.there} at {why.primary}" for each in why.below},
        **({"pauses at": replay.target} if replay.target else {}),
        "link": (receiver.status or "hidden") if receiver else "none",
        "primary heard": "unknown" if heard is None else f"{duration(heard)} ago",
    }
    return Table(
        title="Replay",
        columns=(Column("what", 18), Column("value")),
        rows=tuple(Row(key=name, cells=(name, value)) for name, value in rows.items()),
        best=_offers(replay, why),
    )


def amount(value: float | None) -> str:
    """Bytes with their unit; `unknown` for None."""
    return "unknown" if value is None else size(value)


def _left(value: float | None) -> str:
    return "an unknown amount" if value is None else size(value)
