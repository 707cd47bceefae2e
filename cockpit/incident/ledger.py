"""What steps said they would do, and what came of it: predictions and settlements (pure).

A prediction is written before anything is sent, so that nobody can remember it otherwise
afterwards. It is *kept* or *broken* only where its own verification was looked at; all else, what
was cut off or has no verification, cannot be told and counts for neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from cockpit.incident.entry import Entry, EntryKind, names


class Settled(StrEnum):
    """How a prediction ended. Public names, part of the export format."""

    KEPT = "kept"
    BROKEN = "broken"
    UNKNOWN = "unknown"

    @property
    def words(self) -> str:
        """As people say it."""
        return "cannot be told" if self is Settled.UNKNOWN else self.value


@dataclass(frozen=True, slots=True)
class Settlement:
    """What came of a prediction, and what was seen."""

    verdict: Settled
    seen: str

    @property
    def text(self) -> str:
        """`broken: not true within 1m 00s: nobody waits`."""
        return f"{self.verdict.words}: {self.seen}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """One prediction of a step. `settlement` None: nothing was written about it yet."""

    seq: int
    """The entry that holds it."""
    at: datetime
    target: str
    """What the step was run on; empty for a step on no target."""
    runbook: str
    step: str
    title: str
    says: str
    """What it said would happen, in words."""
    settlement: Settlement | None = None
    settled_at: datetime | None = None

    @property
    def subject(self) -> str:
        """`idle-transaction/terminate`: which step of which runbook."""
        return f"{self.runbook}/{self.step}"


def settled(outcome: str, held: bool | None, seen: str) -> Settlement:
    """What an end says about the prediction. `held`: what its verification gave; None: it was not
    looked at, or could not be.

    What was cut off, and did not come about, is no broken promise: it may never have been sent.
    """
    if held:
        return Settlement(Settled.KEPT, seen)
    if held is False and outcome == "failed":
        return Settlement(Settled.BROKEN, seen)
    return Settlement(Settled.UNKNOWN, seen)


def promises(entries: Iterable[Entry]) -> tuple[Promise, ...]:
    """Every prediction of an incident with its settlement, oldest first.

    One whose text was redacted is not among them, and one whose settlement was is not settled.
    """
    found: dict[int, Promise] = {}
    for entry in entries:
        if entry.redacted:
            continue
        if entry.kind is EntryKind.STEP_PREDICTION:
            found[entry.seq] = _promise(entry)
        elif entry.kind is EntryKind.STEP_SETTLEMENT:
            seq = names(entry, "prediction")
            if seq in found:
                end = settlement(entry.data)
                found[seq] = replace(found[seq], settlement=end, settled_at=entry.at)
    return tuple(found.values())


def broken(made: Iterable[Promise]) -> tuple[Promise, ...]:
    """Those that are broken and stand: neither the same step kept its word on the same target
    later, nor was it taken back.
    """
    standing: dict[tuple[str, str, str], Promise] = {}
    for one in made:
        if one.settlement is None:
            continue
        key = (one.target, one.runbook, one.step.removeprefix(UNDO))
        if one.settlement.verdict is Settled.KEPT:
            standing.pop(key, None)
        elif one.settlement.verdict is Settled.BROKEN:
            standing[key] = one
    return tuple(standing.values())


UNDO = "undo_"
"""What the id of the step begins with that takes another one back."""


def _promise(entry: Entry) -> Promise:
    said = {name: str(value) for name, value in entry.data.items()}
    return Promise(
        seq=entry.seq,
        at=entry.at,
        target=entry.target,
        runbook=said.get("runbook", ""),
        step=said.get("step", ""),
        title=said.get("title", ""),
        says=said.get("says", ""),
    )


def settlement(data: Mapping[str, object]) -> Settlement:
    """As it was written. A word that is not known here says nothing."""
    word = str(data.get("verdict", ""))
    verdict = Settled(word) if word in set(Settled) else Settled.UNKNOWN
    return Settlement(verdict, str(data.get("seen", "")))
