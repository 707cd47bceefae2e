"""What a person does about a scenario."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Story:
    """The finding that a person opens, the runbook they get, and what they answer and run."""

    code: str
    target: str
    runbook: str
    steps: tuple[str, ...]
    answers: dict[str, str] = field(default_factory=dict)
    changes: frozenset[str] = frozenset()
    """Calls that the AWS front has seen because of it."""
    well: str = ""
    """A target that was a victim: no grave finding stays there."""
    acts: int = 1
    """Steps among them that change something."""
    then: Story | None = None
    """What they do afterwards; its `acts` are those of both."""
    stays: bool = False
    """What is told is history: it is told after the repair too."""
    by_hand: tuple[tuple[str, str, dict[str, Any]], ...] = ()
    """What a manual step means: calls that a person makes elsewhere, as themselves."""
    lingers: bool = False
    """Its metric tells of it for twenty seconds more: too long to wait for here."""
