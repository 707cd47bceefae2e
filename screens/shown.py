"""One moment of everything that the panes draw: a value, so that freezing is keeping it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from cockpit import clock
from cockpit.incident.lines import IncidentLine
from cockpit.incident.timeline import TimelineRow
from cockpit.triage.board import Board, LookId, OpenFinding
from cockpit.triage.probe import Reading, Seen
from cockpit.triage.suspects import Suspect
from cockpit.triage.target import Target
from screens.port import DeskPort

if TYPE_CHECKING:
    from cockpit.desk.status import DeskStatus
    from cockpit.incident.objectives import RecoveryClock
    from cockpit.runbooks.stop_loss import Interrupt
    from cockpit.runbooks.unfinished import Unfinished
    from cockpit.triage.suspicion.ruled_out import RuledOut


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What there is to see, and the moment that ages are counted to."""

    moment: datetime
    board: Board
    status: DeskStatus
    incident: IncidentLine
    targets: Mapping[str, Target]
    next_update: datetime | None
    suspects: Sequence[Suspect]
    entries: Sequence[TimelineRow]
    ruled_out: Sequence[RuledOut] = ()
    """What could have been the cause and is not, by looks or by a person."""
    unfinished: Sequence[Unfinished] = ()
    """Steps of an earlier session whose outcome is unknown."""
    recovery: RecoveryClock | None = None
    """What is left of the recovery objectives; None: none is configured."""
    interrupt: Interrupt | None = None
    """The step since which something else got worse; None: nothing did, or somebody decided."""
    last_seen: Mapping[LookId, Reading] = field(default_factory=dict)
    """The last reading of each look that saw something, for tables while it is blind."""
    best: Callable[[OpenFinding], str] = field(default=lambda _: "")
    """Finding → the id of the runbook that is offered first; empty: none."""
    frozen: datetime | None = None
    """Since when the panes stand still; None while they are live."""


class Display:
    """The live moment, and the one that the panes draw: the same, or one that was frozen."""

    def __init__(self, desk: DeskPort) -> None:
        self._desk = desk
        self._board: Board | None = None
        self._last_seen: Mapping[LookId, Reading] = {}
        self.live = self.shown = self._moment()

    def take(self) -> Shown:
        """Everything as it is now; gives what the panes draw, which freezing leaves as it was."""
        frozen = self.shown.frozen is not None
        self.live = self._moment()
        self.shown = self.shown if frozen else self.live
        return self.shown

    @property
    def looked(self) -> bool:
        """Whether there was a look since the newest moment was taken."""
        return self._desk.board is not self.live.board

    def toggle_freeze(self) -> Shown:
        """Hold what is shown, or show what is live."""
        frozen = self.shown.frozen is not None
        self.shown = self.live if frozen else replace(self.live, frozen=self.live.moment)
        return self.shown

    def _moment(self) -> Shown:
        self._remember(self._desk.board)
        return take(self._desk, clock.now(), self._desk.timeline(), last_seen=self._last_seen)

    def _remember(self, board: Board) -> None:
        if board is self._board:
            return
        self._board = board
        seen = {id_: each for id_, each in board.readings.items() if isinstance(each.outcome, Seen)}
        self._last_seen = {**self._last_seen, **seen}  # a new one: what is frozen keeps its own


def take(
    desk: DeskPort,
    moment: datetime,
    entries: Sequence[TimelineRow],
    *,
    last_seen: Mapping[LookId, Reading] | None = None,
) -> Shown:
    """Everything as the desk has it at this moment."""
    run, judgement = desk.interrupted, desk.judgement
    return Shown(
        moment=moment,
        board=desk.board,
        status=desk.status,
        incident=desk.headline,
        targets=desk.targets,
        next_update=desk.next_update,
        suspects=judgement.suspects,
        ruled_out=judgement.ruled_out,
        entries=entries,
        unfinished=desk.unfinished,
        recovery=desk.recovery,
        interrupt=run.interrupt if run is not None else None,
        last_seen=last_seen or {},
        best=desk.best,
    )
