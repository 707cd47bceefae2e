"""When targets came into their states, as looks one after another saw it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from probes.began import earliest, told
from probes.target_group.model import Snapshot, TargetState


def turned(
    snapshot: Snapshot, targets: Iterable[TargetState], *, last: bool = False
) -> datetime | None:
    """When the first of them came into its state, or the last; None: one was so at our first look.

    The last: what is said of all of them is so since then, wherever the others' began.
    """
    moments = [told(target.turned, snapshot.at) for target in targets]
    if last:
        return max((each for each in moments if each is not None), default=None)
    return earliest(moments)


def blur(targets: Iterable[TargetState]) -> float:
    """Seconds by which the looks' word on when they turned may be late."""
    return max((target.unseen_for for target in targets), default=0.0)
