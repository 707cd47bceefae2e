"""What is asked of a commander's session before an act is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Asks(Protocol):
    """A commander's session, as far as it is asked here."""

    async def run(self, call: str, arguments: Mapping[str, object]) -> Mapping[str, object]:
        """One operation."""

    async def identity(self) -> tuple[str, str]:
        """Account and ARN."""
