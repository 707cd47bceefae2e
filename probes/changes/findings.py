"""What is wrong by a place's changes alone: what fails, hangs, opens a door, or is refused."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import Finding
from probes.changes.blindness import blind
from probes.changes.doors import buckets, opened
from probes.changes.model import Snapshot
from probes.changes.refusals import launches, refused
from probes.changes.rollouts import of_rollout
from probes.changes.settings import Settings
from probes.changes.versions import aliases, images


def diagnose(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """First what was not seen; then what is under way, failed, hangs, opens or is refused."""
    yield from blind(snapshot)
    for rollout in snapshot.rollouts:
        yield from of_rollout(snapshot, rollout, settings)
    yield from images(snapshot)
    yield from aliases(snapshot)
    yield from opened(snapshot, settings)
    yield from buckets(snapshot)
    yield from refused(snapshot, settings)
    yield from launches(snapshot, settings)
