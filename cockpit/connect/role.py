"""Who may do what. The default, everywhere, is to look and not to touch."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """`triage` can change nothing, whatever is typed; `commander` runs approved plans."""

    TRIAGE = "triage"
    COMMANDER = "commander"
