"""The first question to every engine: are its clients answered, and who fails or waits."""

from __future__ import annotations

from cockpit.triage.probe import Fact
from cockpit.units import rounded


def served(answered: float | None, *, failed: float | None = None, waiting: int | None) -> Fact:
    """The headline of an engine, in one shape: `120/s · 2/s fail · 3 wait`.

    `answered`: what its clients ask that ends well, a second; None: not told, or no earlier look.
    `failed`: what ends in a refusal or an error, a second. `waiting`: clients that wait for
    somebody now. Of these None is not told, and nought is left out: what stands there is worth
    reading.
    """
    parts = ["answers" if answered is None else f"{rounded(answered)}/s"]
    if failed:
        parts.append(f"{rounded(failed)}/s fail")
    if waiting:
        parts.append(f"{waiting:,} wait" if waiting > 1 else "1 waits")
    return Fact("answered", " · ".join(parts), answered, "/s")
