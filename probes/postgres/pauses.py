"""Why a standby's replay is paused, told from its primary, which another target looks at.

Source: PostgreSQL documentation, "Administrator's Overview" of hot standby: from 14 on a setting
below the primary's pauses replay, and a resume then shuts the standby down. The server tells nobody
who paused it. So a person did it only when all else is ruled out: the last commit that was replayed
is younger than the primary's own start, hence the settings that the WAL names are those that the
primary has now, and none of them is larger than here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cockpit.triage.probe import Neighbour
from probes.postgres.kin import primary_of
from probes.postgres.replication_model import Below, Pause, PostgresReplication

PAUSES_FROM = 140000
"""Before that version such a standby shut down by itself."""

Beside = Neighbour[PostgresReplication]


def beside(look: PostgresReplication, others: Sequence[Beside]) -> PostgresReplication:
    """With why its replay is paused."""
    if look.replay is None or not look.replay.paused:
        return look
    return replace(look, pause=_pause(look, primary_of(look, others)))


def _pause(look: PostgresReplication, primary: Beside | None) -> Pause:
    name = primary.target if primary is not None else ""
    below = _below(look, primary.snapshot) if primary is not None else ()
    if look.replay is not None and look.replay.target:
        return Pause(why="target", primary=name, below=below)
    if below:
        return Pause(why="parameter", primary=name, below=below)
    ruled_out = 0 < look.version < PAUSES_FROM or (
        primary is not None and _within_its_life(look, primary.snapshot)
    )
    return Pause(why="person" if ruled_out else "unknown", primary=name)


def _below(here: PostgresReplication, there: PostgresReplication) -> tuple[Below, ...]:
    return tuple(
        Below(name=name, here=value, there=there.settings[name])
        for name, value in here.settings.items()
        if there.settings.get(name, 0) > value
    )


def _within_its_life(here: PostgresReplication, primary: PostgresReplication) -> bool:
    """Whether what was replayed last is of the time since the primary began, and so its settings
    are all that the WAL can name.
    """
    replayed = here.replay.last_commit_at if here.replay is not None else None
    known = here.settings and primary.settings
    return bool(known and replayed is not None and primary.started and replayed > primary.started)
