"""Codes of MFA devices: a profile's role wants one, a person has it, and nothing waits for it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from cockpit.errors import BlindError, Reason

_CODE = re.compile(r"\d{6}")
_SERIAL = re.compile(r"MFA code for (?P<serial>.+?):? *$")


class CodeWanted(BlindError):
    """A role wants a code of its caller's MFA device, which only a person has."""

    def __init__(self, serial: str, profile: str) -> None:
        super().__init__(
            Reason.EXPIRED,
            f"profile {profile or 'default'!r} needs a code of the MFA device {serial}",
            hint="press M to type it, or let the AWS CLI ask for it: "
            f"aws sts get-caller-identity --profile {profile or 'default'}",
        )
        self.serial = serial


@dataclass(slots=True)
class Codes:
    """Codes that a person typed, by the serial of the device. Each is used once."""

    wanted: set[str] = field(default_factory=set)
    """Serials whose code was asked for and not given yet."""
    given: int = 0
    """How many were given so far: sessions that are older log in again."""
    _typed: dict[str, str] = field(default_factory=dict)

    def give(self, serial: str, code: str) -> str:
        """Take a code; the reason why not, or empty."""
        if not _CODE.fullmatch(code.strip()):
            return "a code has six digits"
        self._typed[serial] = code.strip()
        self.given += 1
        return ""

    def take(self, prompt: str, profile: str) -> str:
        """The code that botocore asks for. Never waits: raises `CodeWanted` when there is none."""
        found = _SERIAL.search(prompt)
        serial = found["serial"] if found else prompt
        if serial not in self._typed:
            self.wanted.add(serial)
            raise CodeWanted(serial, profile)
        self.wanted.discard(serial)
        return self._typed.pop(serial)


CODES = Codes()
"""Of this process: one device serves every place and session."""
