"""What a look at a principal holds. Runbook steps capture from these records by name.

Source: IAM User Guide ("Revoke IAM role temporary security credentials", "Managing access keys"),
CloudTrail User Guide, GuardDuty User Guide ("Severity levels").
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cockpit.triage.finding import Thresholds
from probes.answers import Gap
from probes.trail import ApiEvent

DENY = "AWSRevokeOlderSessions"
"""The inline policy that cuts sessions off, under the name that the console gives it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Counts of calls of one principal, times in seconds."""

    denied: Thresholds = Thresholds(warning=20, critical=100)
    """Refused calls within ten minutes, reads and writes."""
    strange_denied: float = 20
    """Refused calls within ten minutes from an address that is not known: abuse is suspected."""
    deleted: Thresholds = Thresholds(critical=5)
    """Deletions within five minutes."""
    logins: Thresholds = Thresholds(warning=10)
    """Failed logins within ten minutes; critical when one succeeds after them."""
    guardduty: Thresholds = Thresholds(warning=4, critical=7)
    """Severity of a finding of GuardDuty, 1 to 10."""
    known_after: float = 3600
    """From addresses that were used before this long ago it is ordinarily used."""
    own_agents: tuple[str, ...] = ("incident-cockpit",)
    """Calls of programs that call themselves so are not judged: our own looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IamKey:
    """An access key of a user."""

    id: str
    status: str
    """`Active`, `Inactive`; as IAM says it."""
    created: datetime | None = None
    used: datetime | None = None
    """None: never, or not known."""
    used_for: str = ""
    """The service of the last use, and its region."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreatFinding:
    """A finding of GuardDuty about the principal."""

    id: str
    type: str
    severity: float
    title: str
    count: int = 1
    last: str = ""
    """When it was last seen, as GuardDuty says it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look. `calls` None: CloudTrail could not be read, which is not a quiet principal."""

    at: datetime
    region: str
    sort: str
    """`user`, `role` or `root`."""
    name: str
    followed: str = ""
    """The access key whose track is followed; empty: the principal's own."""
    networks: tuple[str, ...] = ()
    keys: tuple[IamKey, ...] | None = None
    """None: not known, or it has none by nature."""
    root_keys: int | None = None
    root_mfa: bool | None = None
    attached: tuple[str, ...] = ()
    """ARNs of managed policies."""
    inline: tuple[str, ...] = ()
    policies_known: bool = False
    calls: tuple[ApiEvent, ...] | None = None
    """Newest first."""
    since: datetime | None = None
    """From here on the calls are whole; None: not known."""
    threats: tuple[ThreatFinding, ...] = ()
    guarded: bool | None = None
    """Whether GuardDuty is on here; None: not known."""
    # for the steps
    key: str = ""
    """The key that a step would switch off: the followed one, else the only active one."""
    active: tuple[str, ...] = ()
    inactive: tuple[str, ...] = ()
    deny_text: str = ""
    """The inline policy `AWSRevokeOlderSessions` as it is; empty: there is none."""
    deny_known: bool = False
    cut: str = ""
    """The moment of this look: sessions that began before it would be denied."""
    deny_document: str = ""
    """The policy that denies them, and nothing else."""
    gaps: tuple[Gap, ...] = ()

    @property
    def nothing_known(self) -> bool:
        """Whether no read at all gave an answer."""
        told = (self.calls, self.guarded, self.keys, self.root_keys, self.root_mfa)
        return not self.policies_known and all(each is None for each in told)
