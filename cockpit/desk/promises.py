"""From the record to the board: promises that steps of this incident broke."""

from __future__ import annotations

from collections.abc import Callable

from cockpit import clock
from cockpit.incident import ledger
from cockpit.incident.entry import Entry, EntryKind
from cockpit.incident.record import Incident
from cockpit.triage.probe import AnyProbe, Reading, Seen
from cockpit.triage.store import Store

_TELLS = frozenset({EntryKind.STEP_SETTLEMENT, EntryKind.REDACTION})


class PromiseKeeper:
    """Reads the record when it says something new of a promise, also one of an earlier session or
    of whoever is followed. What stands no more is over at once: nobody has to look twice.
    """

    def __init__(self, incident: Incident, store: Store, probe: AnyProbe) -> None:
        self._incident = incident
        self._store = store
        self._probe = probe
        self._told: set[str] = set()
        """The targets that had a broken one."""
        self.stop: Callable[[], None] = incident.subscribe(self._entry)

    def tell(self) -> None:
        """Put onto the board what the record has."""
        standing: dict[str, list[ledger.Promise]] = {name: [] for name in self._told}
        for one in ledger.broken(ledger.promises(self._incident.done)):
            standing.setdefault(one.target, []).append(one)
        self._told |= standing.keys()
        for target, broken in standing.items():
            snapshot = self._probe.snapshot(tuple(broken))
            reading = Reading(
                target=target,
                kind=self._probe.kind,
                probe=self._probe.id,
                at=clock.now(),
                took=0.0,
                outcome=Seen(
                    tuple(self._probe.diagnose(snapshot, self._probe.settings)), snapshot=snapshot
                ),
            )
            self._store.add(reading)
            self._store.prove(reading)

    def _entry(self, entry: Entry) -> None:
        if entry.kind in _TELLS:
            self.tell()
