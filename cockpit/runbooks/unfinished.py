"""Steps whose end nobody knows: an intent without an outcome, or with the outcome `unknown`, and
how it is found out what became of it.

What a crash, a kill, a power cut or somebody who stopped waiting leaves is `unknown`, never assumed
done or not done. The intent carries its own verification, so that nothing else is needed to look.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from cockpit.connect.role import Role
from cockpit.errors import Misconfigured, Refused
from cockpit.incident import ledger
from cockpit.incident.author import Author
from cockpit.incident.entry import Entry, EntryKind, names
from cockpit.runbooks import promise
from cockpit.runbooks.exact import lacks, whole
from cockpit.runbooks.kinds import looks
from cockpit.runbooks.kinds.process import StepProcess, from_data
from cockpit.runbooks.plan import Outcome, Plan, act_digest
from cockpit.runbooks.ports import Outcomes, Ports
from cockpit.runbooks.step import NOTHING, Until

_EVERY = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """A step whose end nobody wrote down, or only that it is not known."""

    intent: Entry
    verify: Until | None
    """How to look whether it happened; None: only a person can say."""
    scope: Mapping[str, object] = field(default_factory=lambda: NOTHING)
    """The values that the verification compares with, as they were when it was approved."""
    process: StepProcess | None = None
    """The program of the step; None for other steps, and when it had not begun."""
    left: str = ""
    """What its outcome says, which is `unknown`; empty: it was cut off before there was one."""

    @property
    def program(self) -> str:
        """Whether the program still runs, asked anew each time; empty for a step without one."""
        if self.process is None:
            return ""
        here = Author.here("", Role.TRIAGE)
        named = f"its program (process {self.process.pid})"
        if self.intent.host != here.host:
            return f"{named} was on {self.intent.host}: look there whether it runs"
        if self.process.started and self.intent.boot != here.boot:
            return f"{named} ended: the machine was restarted since"
        match self.process.runs:
            case None:
                return f"whether {named} runs cannot be told here"
            case True:
                return f"{named} STILL RUNS"
            case False:
                return f"{named} runs no more"

    @property
    def seq(self) -> int:
        """The intent's number in the journal: its identity."""
        return self.intent.seq

    @property
    def at(self) -> datetime:
        """When it was about to be sent."""
        return self.intent.at

    @property
    def title(self) -> str:
        """The step's title."""
        return str(self.intent.data.get("title") or self.intent.text)

    @property
    def target(self) -> str:
        """What it was run on; empty for a step on no target."""
        return self.intent.target

    @property
    def actor(self) -> str:
        """Who ran it."""
        return self.intent.actor

    @property
    def verification(self) -> str:
        """What the verification looks for, in words; empty without one."""
        return (self.verify.says or self.verify.until) if self.verify else ""


def all_of(intents: Iterable[Entry], entries: Iterable[Entry]) -> tuple[Unfinished, ...]:
    """The intents, each with the process and the outcome that the record has of it."""
    began: dict[int, StepProcess | None] = {}
    left: dict[int, str] = {}
    for entry in entries:
        if entry.kind is EntryKind.STEP_OUTPUT:
            began[names(entry, "intent")] = from_data(entry.data.get("process"))
        elif entry.kind is EntryKind.STEP_OUTCOME:
            left[names(entry, "intent")] = entry.text
    return tuple(
        replace(of(one), process=began.get(one.seq), left=left.get(one.seq, "")) for one in intents
    )


def of(intent: Entry) -> Unfinished:
    """An intent as the journal has it; what its verification lacks makes it None."""
    told = intent.data.get("verify")
    if not isinstance(told, Mapping) or not told.get("until"):
        return Unfinished(intent=intent, verify=None)
    probe, call, args = told.get("probe"), told.get("call"), whole(told, "args")
    if not probe and not (call and args):
        return Unfinished(intent=intent, verify=None)
    scope = told.get("scope")
    known = scope if isinstance(scope, Mapping) else NOTHING
    if "scope_digest" in told and (
        whole(told, "scope") is None or lacks(str(told["until"]), known)
    ):
        return Unfinished(intent=intent, verify=None)
    verify = Until(
        probe=str(probe or ""),
        call=str(call or ""),
        args=args or NOTHING,
        until=str(told["until"]),
        target=str(told.get("target") or intent.target),
        every=_number(told.get("every_s"), _EVERY),
        within=_number(told.get("within_s"), 0.0),
        says=str(told.get("says", "")),
    )
    return Unfinished(intent=intent, verify=verify, scope=known)


async def verified(one: Unfinished, ports: Ports, journal: Outcomes) -> Outcome:
    """Look whether it happened, read-only, and write the outcome; in every role.

    `ok` when the verification holds. `failed` when it does not within what is left of its time:
    at least one look is made. Raises `Refused` when it cannot be looked at, or when there is no
    verification: it stays unknown then, and nothing is written.
    """
    if one.verify is None:
        raise Refused(
            f"'{one.title}' has no verification", hint="look yourself, then say how it ended"
        )
    started = ports.monotonic()
    held = await looks.hold(
        ports, _left(one, ports.now()), target=one.verify.target, scope=one.scope,
        progress=lambda _: None,
    )  # fmt: skip
    took = ports.monotonic() - started
    says = one.verification
    kind: Literal["ok", "failed"] = "ok" if held.done else "failed"
    text = f"verified afterwards: {says}" if held.done else f"verified afterwards, not true: {says}"
    await _written(one, kind, text, journal, by="verification", held=held.done or None)
    return Outcome(kind, text, took=took)


async def told(one: Unfinished, word: str, reason: str, journal: Outcomes) -> Outcome:
    """A person says how it ended: `ok` or `failed`, and how they know.

    Raises `Refused` without a reason, `Misconfigured` for another word.
    """
    if word not in {"ok", "failed"}:
        raise Misconfigured(f"unknown outcome {word!r}", hint="ok or failed")
    why = reason.strip()
    if not why:
        raise Refused("say how you know: it goes into the record")
    kind: Literal["ok", "failed"] = "ok" if word == "ok" else "failed"
    await _written(one, kind, f"told by a person: {why}", journal, by="person")
    return Outcome(kind, f"told by a person: {why}")


def repeated(plan: Plan, cut_off: Iterable[Entry]) -> str:
    """Why a plan must not be run yet: the same act was sent before and its end is unknown.

    Empty when it may. An intent of a version that did not name its act counts as the same when
    target and call are.
    """
    act = act_digest(plan.act, plan.target)
    for intent in cut_off:
        same = intent.target == plan.target and intent.data.get("does") == plan.act.does
        if same and intent.data.get("act", act) == act:
            when = f"{intent.at:%H:%M:%S} UTC"
            return f"the same was sent at {when} and its end is unknown: verify that first (U)"
    return ""


async def _written(
    one: Unfinished,
    word: str,
    text: str,
    journal: Outcomes,
    *,
    by: str,
    held: bool | None = None,
) -> None:
    kept = ("runbook", "runbook_digest", "finding", "step", "title", "plan")
    data = {name: one.intent.data[name] for name in kept if name in one.intent.data}
    if prediction := names(one.intent, "prediction"):
        said = ledger.settled(word, held, text)
        await promise.settle(journal, prediction, said, target=one.target, data=data)
    line = f"{one.title} → {word}, {text}"
    await journal.outcome(one.intent, word, text=line, data={**data, "afterwards": by})


def _left(one: Unfinished, now: datetime) -> Until:
    """The verification with what is left of its time; a single look when that is over."""
    assert one.verify is not None
    left = one.verify.within - max(0.0, (now - one.at).total_seconds())
    return replace(one.verify, within=max(0.0, left))


def _number(value: object, otherwise: float) -> float:
    usable = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 86_400
    return float(value) if usable and isinstance(value, int | float) else otherwise
