"""What a configuration says, once it has no problem."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cockpit.connect.aws.budget import DEFAULT
from cockpit.connect.role import Role
from cockpit.connect.settings import AwsSite
from cockpit.errors import Misconfigured
from cockpit.triage.probe import NEVER_OLDER_THAN, AnyProbe
from cockpit.triage.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentSettings:
    """The table `[incident]`."""

    folder: str = ""
    """Where journals are kept; empty: the user's data folder (or `COCKPIT_DATA`)."""
    severity: str = "P2"
    """Of a new incident that names none."""
    actor: str = ""
    """Who is at the keys; empty: the login name."""
    rto: str = ""
    """Recovery time objective of the environment: `1h`; empty: none, and no clock."""
    rpo: str = ""
    """Recovery point objective of the environment: `15m`; empty: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenSettings:
    """The table `[screen]`."""

    theme: str = ""
    """`dark`, `light`, `ansi`; empty: what the terminal can show."""
    ascii: bool = False
    """Only ASCII glyphs, for terminals without the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A configuration without a problem."""

    path: Path
    environment: str
    role: Role = Role.TRIAGE
    commanders: tuple[str, ...] | None = None
    """`allow_commander`: login names of those who may act; None: everybody."""
    budget_usd_per_hour: float = DEFAULT
    """What all places together may cost, in US dollars an hour: kept by looking less often."""
    never_older_than: float = NEVER_OLDER_THAN
    """Seconds: so old may get what looks at AWS tell of a target where all is calm."""
    places: Mapping[str, AwsSite] = field(default_factory=dict)
    targets: tuple[Target, ...] = ()
    settings: Mapping[str, object] = field(default_factory=dict)
    """Probe id → the settings that hold for all its targets."""
    runbooks: tuple[Path, ...] = ()
    """Folders with runbooks of the user's own."""
    incident: IncidentSettings = IncidentSettings()
    screen: ScreenSettings = ScreenSettings()

    def must_allow(self, role: Role, login: str) -> None:
        """Raise `Misconfigured` for a commander whom `allow_commander` leaves out."""
        if role is not Role.COMMANDER or self.commanders is None or login in self.commanders:
            return
        who = ", ".join(self.commanders) or "nobody"
        raise Misconfigured(
            f"{login or 'a user without a name'} may not be commander here: allow_commander of "
            f"{self.path} names {who}",
            hint="cockpit --role triage",
        )

    def settings_for(self, target: Target, probe: AnyProbe) -> object:
        """The probe's settings at one target: defaults, then the file's, then the target's."""
        general = self.settings.get(probe.id, probe.settings)
        overrides = target.overrides.get(probe.id)
        return dataclasses.replace(general, **overrides) if overrides else general  # type: ignore[type-var]
