"""Which other target is a standby's primary: they are copies of one system.

Source: PostgreSQL documentation, `pg_control_system()`: a primary and its standbys, but also every
restored copy of it, have one system identifier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from cockpit.connect.session import SqlReads
from cockpit.errors import Reason
from cockpit.triage.probe import Neighbour
from probes.postgres.model import partly

SYSTEM = "SELECT system_identifier::text AS system FROM pg_control_system()"


class CopiedSystem(Protocol):
    """A look that knows which system it saw."""

    @property
    def recovery(self) -> bool:
        """It saw a standby."""

    @property
    def aurora(self) -> bool:
        """Its instances share their storage: none is a copy."""

    @property
    def system(self) -> str:
        """The identifier; empty: the role may not read it."""


Copy = TypeVar("Copy", bound=CopiedSystem)


@dataclass(frozen=True, slots=True)
class SystemIdentifier:
    """How `SYSTEM` gives it."""

    system: str = ""


async def system_of(postgres: SqlReads) -> str:
    """The system identifier; empty where the role or the server does not give it."""
    asked = postgres.rows(SYSTEM, into=SystemIdentifier)
    hidden = (Reason.DENIED, Reason.UNSUPPORTED)
    found = await partly(asked, "the system identifier", [], but_for=hidden)
    return found[0].system if found else ""


def primary_of(standby: CopiedSystem, others: Sequence[Neighbour[Copy]]) -> Neighbour[Copy] | None:
    """The one primary among the targets: the one that is named in `needs`, else the sibling with
    the same system identifier. None: there is none, or it cannot be told which.
    """
    found = [each for each in others if not (each.snapshot.recovery or each.snapshot.aurora)]
    same = [each for each in found if each.snapshot.system == standby.system != ""]
    unlike = [each for each in found if each.snapshot.system and standby.system]
    named = [each for each in found if each.needed and (each in same or each not in unlike)]
    chosen = named or same
    return chosen[0] if len(chosen) == 1 else None
