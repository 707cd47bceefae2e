"""What three looks at one bucket could not see, each told for itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from cockpit.triage.finding import Finding
from probes.answers import Gap, partly_blind


def unseen(look: str, gaps: Sequence[Gap]) -> Iterator[Finding]:
    """A part of a look at the bucket could not be made: what was not seen is neither closed nor
    open, and not judged. A bucket whose policy lets in one VPC only refuses this machine too.
    """
    for finding in partly_blind("S3_OBS_BLIND", gaps):
        yield replace(finding, subject=look)
