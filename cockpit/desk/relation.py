"""From the board to the board: what changes have to do with what is wrong."""

from __future__ import annotations

import asyncio
from datetime import datetime

from cockpit import clock
from cockpit.config import Config
from cockpit.triage.probe import AnyProbe
from cockpit.triage.related import RankedChanges, Relating, feed_of, reading_of, without_feed
from cockpit.triage.store import Store
from cockpit.triage.topology import DependencyGraph

_WAIT = 0.5
"""Seconds for which boards are gathered: a sweep gives hundreds of them."""


class ChangeKeeper:
    """Ranks anew when something changed or fell ill, and tells it at the feed's own row."""

    def __init__(
        self, config: Config, *, store: Store, graph: DependencyGraph, probe: AnyProbe
    ) -> None:
        self._store = store
        self._probe = probe
        self._relating = Relating(graph)
        self._feed = feed_of(config.targets)
        self._homes: dict[str, str] = {}
        """Without a feed: place → the target at which it is told what several have in common."""
        self._told: RankedChanges | None = None
        self._asks = bool(self._feed or config.places)
        self._config = config
        self._first_look: datetime | None = None
        self._due: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Looking begins now: what is wrong already has begun before."""
        self._first_look = clock.now()

    def board_changed(self) -> None:
        """Look at the board soon, once for many of its changes."""
        if self._due is None and self._asks:
            self._due = asyncio.get_running_loop().call_later(_WAIT, self._tell)

    def stop(self) -> None:
        """Tell nothing more."""
        if self._due is not None:
            self._due.cancel()
            self._due = None

    @property
    def ranked(self) -> RankedChanges:
        """The newest ranking of all that is known."""
        self._relating.refresh(self._store.board, self._first_look)
        return self._relating.newest

    def _tell(self) -> None:
        self._due = None
        found = self.ranked
        if found is self._told:  # and not what it was a moment ago: a screen may have asked since
            return
        self._told = found
        for told_at, part in self._told_where(found):
            target = next(each for each in self._config.targets if each.name == told_at)
            settings = self._config.settings_for(target, self._probe)
            reading = reading_of(part, told_at, self._probe, settings)
            self._store.add(reading)
            self._store.prove(reading)

    def _told_where(self, found: RankedChanges) -> list[tuple[str, RankedChanges]]:
        """Without a feed it stays where it was told first, until there is nothing to tell."""
        if self._feed:
            return [(self._feed, found)]
        told, before = without_feed(found), self._homes
        self._homes = {place: before.get(place, home) for place, (home, _) in told.items()}
        now = [(self._homes[place], part) for place, (_, part) in told.items()]
        nothing = RankedChanges(at=found.at, began=found.began)
        return now + [(home, nothing) for place, home in before.items() if place not in told]
