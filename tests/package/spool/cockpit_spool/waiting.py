"""How many files wait, and for how long.

Source: the folder itself, by `stat`. Needs: to read it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cockpit.triage.finding import Evidence, Finding, Thresholds
from cockpit.triage.nature import codes
from cockpit.triage.probe import Fact, Probe
from cockpit.triage.target import Target
from cockpit_spool.connector import Spool


@dataclass(frozen=True, slots=True)
class Waiting:
    """One look."""

    ages: tuple[float, ...]
    """Seconds that each file waits, the longest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Thresholds."""

    oldest: Thresholds = Thresholds(warning=300, high=1800)
    """Seconds that the oldest file waits."""


async def collect(spool: Spool, _: Target) -> Waiting:
    """Read the folder once."""
    return Waiting(await spool.ages())


def diagnose(look: Waiting, settings: Settings) -> Iterator[Finding]:
    """Files wait in the folder and nobody takes them: whoever sends them stands still.

    Judged by the age of the oldest file, since a full folder that is emptied is no trouble.
    """
    oldest = max(look.ages, default=0.0)
    severity = settings.oldest.grade(oldest)
    if severity:
        yield Finding(
            code="SPOOL_STUCK",
            severity=severity,
            summary=f"{len(look.ages)} files wait, the oldest for {oldest:.0f} s",
            evidence=(Evidence("oldest", oldest, "s", settings.oldest.first),),
            likely=("whoever sends them stands still", "what they are sent to refuses them"),
            next="Look whether the sender runs.",
        )


def facts(look: Waiting, settings: Settings) -> Iterator[Fact]:
    """How many wait."""
    severity = settings.oldest.grade(max(look.ages, default=0.0))
    yield Fact("waiting", str(len(look.ages)), float(len(look.ages)), severity=severity)


PROBE = Probe(
    id="spool.waiting",
    kind="spool",
    collect=collect,
    diagnose=diagnose,
    facts=facts,
    snapshot=Waiting,
    settings=Settings(),
    every=5,
    timeout=3,
    leads=True,
    needs=("to read the folder",),
    codes=codes(cause=("SPOOL_STUCK", "SPOOL_GONE")),
)
