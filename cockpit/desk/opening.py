"""What stands before a desk: which incident, and everything that a desk is made of."""

from __future__ import annotations

import getpass
import os
import pwd
from collections.abc import Callable, Mapping, Sequence

from cockpit import clock
from cockpit.config import Config
from cockpit.connect.role import Role
from cockpit.desk.desk import Desk
from cockpit.had import KeptMemory
from cockpit.incident.incident import Incidents, data_folder
from cockpit.incident.lines import IncidentLine
from cockpit.incident.record import Incident
from cockpit.runbooks.library import Library
from cockpit.triage.probe import AnyProbe


class Opening:
    """Implements `screens.port.OpeningPort`: lists incidents, and makes the desk for one."""

    def __init__(
        self,
        config: Config,
        *,
        probes: Mapping[str, AnyProbe],
        library: Library,
        role: Role | None = None,
        coming: Callable[[], str] = lambda: "",
        remembers: bool = True,
    ) -> None:
        """`role` None: the configuration's. `coming`: see `Desk`. `remembers`: whether what looks
        had is kept for later processes. Raises `Misconfigured` for a role that the configuration
        does not give this user.
        """
        self.config = config
        self.role = role or config.role
        config.must_allow(self.role, _user_name())
        self.actor = config.incident.actor or _login_name()
        self.store = Incidents(data_folder(config.incident.folder))
        self._probes = probes
        self._library = library
        self._coming = coming
        self._remembers = remembers

    @property
    def environment(self) -> str:
        """The configuration's environment."""
        return self.config.environment

    @property
    def incidents(self) -> Sequence[IncidentLine]:
        """Those that are not closed, the newest first."""
        return [
            IncidentLine(
                id=one.id,
                title=one.title,
                severity=one.severity.value,
                status=one.status.value,
                opened_at=one.state.opened_at or one.last_at or clock.now(),
                entries=one.entries,
                live=bool(one.holder),
            )
            for one in self.store.list()
            if one.open
        ]

    async def resume(self, incident: str) -> Desk:
        """Go on with one. Raises `Misconfigured` when there is no such incident."""
        return self.desk(self.store.resume(incident, role=self.role, actor=self.actor))

    async def watch(self, incident: str) -> Desk:
        """Follow one without taking part. Raises `Misconfigured` when there is none."""
        return self.desk(self.store.watch(incident))

    async def create(self, title: str, severity: str) -> Desk:
        """Open a new one. Raises `Misconfigured` for an empty title or an unknown severity."""
        return self.desk(self.made(title, severity))

    def made(self, title: str, severity: str = "") -> Incident:
        """A new incident; an empty severity is the configuration's."""
        return self.store.create(
            title,
            severity or self.config.incident.severity,
            environment=self.config.environment,
            role=self.role,
            actor=self.actor,
        )

    def desk(self, incident: Incident) -> Desk:
        """The desk for an incident. A watched one is looked at in triage, whatever was asked."""
        folder = data_folder(self.config.incident.folder)
        return Desk(
            self.config,
            incident,
            role=Role.TRIAGE if incident.watching else self.role,
            actor=self.actor,
            probes=self._probes,
            library=self._library,
            coming=self._coming,
            memory=KeptMemory(self.config, folder) if self._remembers else None,
        )


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _user_name() -> str:
    """Of the process' user: the environment, which `getpass` believes, is anybody's to set."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return ""
