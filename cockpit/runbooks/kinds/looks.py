"""Steps that look: `probe` once, `wait` and every verification again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from cockpit.errors import BlindError
from cockpit.runbooks.kinds import acts
from cockpit.runbooks.kinds.result import Result
from cockpit.runbooks.plan import Act
from cockpit.runbooks.ports import Ports
from cockpit.runbooks.scope import CouldNotLook, reading_value
from cockpit.runbooks.step import StepKind, Until
from cockpit.runbooks.values import holds
from cockpit.triage.finding import Severity
from cockpit.triage.probe import Reading, Seen
from cockpit.units import count, duration

if TYPE_CHECKING:
    from cockpit.runbooks.stop_loss import Signals

LATE = 15.0
"""Seconds that a single look may take beyond its own deadline before it is given up."""

Progress = Callable[[float], None]
"""Told the seconds waited so far."""


async def look(ports: Ports, target: str, probe: str) -> Result:
    """One fresh look. Raises `CouldNotLook` when it was blind."""
    reading = await ports.looks.look(target, probe)
    data = reading_value(reading)
    found = len(reading.outcome.findings) if isinstance(reading.outcome, Seen) else 0
    facts = _facts(reading.outcome) if isinstance(reading.outcome, Seen) else ""
    own = count(found, "finding") if found else "no finding"
    told = [f"{probe} of {target}: {own} of its own", *_beside(ports.signals, target, probe)]
    return Result(True, "; ".join(told), facts, data)


def _beside(signals: Signals, target: str, probe: str) -> list[str]:
    """What is gravely wrong there by other looks, and at whom needs it: one look that finds
    nothing must not read as a target that is well.
    """
    grave = [f for f in signals.store.board.open.values() if f.finding.severity >= Severity.HIGH]
    there = [f.finding.severity for f in grave if f.target == target and f.probe != probe]
    worst = max(there, default=None)
    told = [f"{sum(each is worst for each in there)} {worst} open there"] if worst else []
    users = signals.graph.above(target) & {f.target for f in grave}
    need = "needs" if len(users) == 1 else "need"
    return [*told, f"{count(len(users), 'sick target')} {need} it"] if users else told


def _facts(seen: Seen) -> str:
    lines = [f"{fact.label}: {fact.text}" for fact in seen.facts]
    lines += [f"{finding.severity}: {finding.summary}" for finding in seen.findings]
    return "\n".join(lines)


async def hold(
    ports: Ports, until: Until, *, target: str, scope: Mapping[str, object], progress: Progress
) -> Result:
    """Look every few seconds until the condition holds.

    `done` False: the time is up and it did not. Raises `CouldNotLook` when every look that was
    made was blind, since then nothing is known.
    """
    started = ports.monotonic()
    seen, blind = None, None
    while True:
        try:
            data, reading = await _in_time(ports, until, target)
            seen = {**scope, **data}
            if holds(until.until, seen):
                if reading is not None:
                    ports.looks.proved(reading)
                took = duration(ports.monotonic() - started)
                return Result(True, f"{until.says or until.until}: true after {took}", data=data)
        except CouldNotLook as error:
            blind = error
        waited = ports.monotonic() - started
        progress(waited)
        if waited + until.every > until.within:
            break
        await ports.sleep(until.every)
    if seen is None and blind is not None:
        raise blind
    return Result(False, f"not true within {duration(until.within)}: {until.says or until.until}")


async def _in_time(
    ports: Ports, until: Until, target: str
) -> tuple[Mapping[str, object], Reading | None]:
    """What is seen now, and the reading when it was a probe that looked."""
    try:
        async with asyncio.timeout(until.within + LATE):
            if until.call:
                return await _read(ports, until, target), None
            reading = await ports.looks.look(target, until.probe)
            return reading_value(reading), reading
    except TimeoutError:
        raise CouldNotLook(f"{until.probe or until.call} at {target} did not end") from None
    except BlindError as error:
        told = f"could not look at {target} ({until.call}): {error.message}"
        raise CouldNotLook(told, hint=error.hint) from None


async def _read(ports: Ports, until: Until, target: str) -> Mapping[str, object]:
    if target not in ports.targets:
        raise CouldNotLook(f"no target {target!r} is configured")
    asked = Act(kind=StepKind.AWS, does=until.call, args=until.args, timeout=until.within + LATE)
    return (await acts.read(ports, ports.targets[target], asked)).data
