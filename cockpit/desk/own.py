"""What steps of an incident did, as its journal has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from cockpit.connect.statements import MOST_AT_ONCE
from cockpit.incident.entry import Entry, EntryKind, names
from cockpit.triage.own import OwnAct


def own_acts(entries: Iterable[Entry]) -> tuple[OwnAct, ...]:
    """Every act that was sent, also by earlier sessions, oldest first.

    What was refused or did not begin is none; what was cut off may have happened, and is one.
    """
    acts: dict[int, OwnAct] = {}
    for entry in entries:
        if entry.kind is EntryKind.STEP_INTENT and entry.target:
            acts[entry.seq] = _act(entry)
        elif entry.kind is EntryKind.STEP_OUTCOME and (seq := names(entry, "intent")) in acts:
            if entry.data.get("outcome") == "refused":
                del acts[seq]
                continue
            act, ended = acts[seq], entry.data.get("ended")
            # one that is verified afterwards has a second outcome, which says no more of it
            sessions = ended if isinstance(ended, int) else act.sessions
            acts[seq] = replace(act, ended_at=act.ended_at or entry.at, sessions=sessions)
    return tuple(acts.values())


_ENDS = {"terminate_backend": 1, "kill_connection": 1, "terminate_idle_of_client": MOST_AT_ONCE,
         "kill_idle_of_user": MOST_AT_ONCE}  # fmt: skip
"""How many sessions a statement ends at most: believed until its outcome says how many it did."""


def _act(intent: Entry) -> OwnAct:
    args = intent.data.get("args")
    does = str(intent.data.get("does", ""))
    return OwnAct(
        at=intent.at,
        target=intent.target,
        does=does,
        sessions=_ENDS.get(does, 0),
        args=args if isinstance(args, Mapping) else {},
        told=f"'{intent.data.get('title') or intent.text}' by {intent.actor}",
    )
