"""The errors that people and the engine see: what happened to what, and what to type next."""

from __future__ import annotations

from enum import StrEnum


class CockpitError(Exception):
    """A situation a person can act on.

    `hint` is the line to type or the thing to check next; empty when there is none.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Misconfigured(CockpitError):
    """The configuration, a runbook or an argument is wrong. Commands end with exit code 64."""


class Refused(CockpitError):
    """The role, a guard or a changed plan forbids an action. Nothing was sent."""


class DoesNotApply(Refused):
    """A condition of a runbook's step does not hold now: the step is not for this moment."""


class UnknownOutcome(CockpitError):
    """A change was sent and its end is not known: timed out or cut off. Verify before repeating."""


class Reason(StrEnum):
    """Why a look ended blind. Public names, part of `check --json`."""

    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    DENIED = "denied"
    EXPIRED = "expired"
    THROTTLED = "throttled"
    MISSING = "missing"
    UNREADABLE = "unreadable"
    UNSUPPORTED = "unsupported"
    MISCONFIGURED = "misconfigured"
    BUG = "bug"


class BlindError(CockpitError):
    """A connector could not look. The engine turns it into a blind reading with this reason.

    `code` is a finding code where the catalogue names one for this very failure (for example
    `PG_CONN_SATURATED`): then the blind reading also carries that finding, since the failure is
    the diagnosis. Empty otherwise. `severity` belongs to `code` and is empty without it.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        hint: str = "",
        code: str = "",
        severity: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason
        self.code = code
        self.severity = severity
        self.asked = False
        """True: the question had left when the connection was lost, so that what it asked for may
        have been done, whatever the reason is."""


class ListTooLong(BlindError):
    """A list goes on after as many items as a look reads of one, and a part of it is no list: what
    is looked for may stand in the rest.
    """
