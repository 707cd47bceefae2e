"""Faults of names and of addresses, put into the sites of the shop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from cockpit.world import layout

if TYPE_CHECKING:
    from cockpit.world.stage import Stage

Parameters = Mapping[str, Any]
Break = Callable[[Parameters], Awaitable[None]]

_HOSTS = {"payments": layout.PAYMENTS_HOST, "shop-front": layout.FRONT_HOST}
_HEARD = 0.1
"""Seconds after which the sites have certainly read their line."""


class PathBreaks:
    """What is wrong on the way to somebody. Nothing here mends itself, and we cannot mend it."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.kinds: dict[str, Break] = {"name": self._name, "sick": self._sick}

    async def _name(self, asked: Parameters) -> None:
        """The name servers of a name answer with an error code from now on."""
        await self._tell(f"name {_HOSTS[asked['of']]} {asked['rcode']}")

    async def _sick(self, asked: Parameters) -> None:
        """The last of the third party's addresses answers with this status; the others are well."""
        await self._tell(f"sick {int(asked['status'])}")

    async def _tell(self, line: str) -> None:
        self._stage.edge.tell(line)
        await asyncio.sleep(_HEARD)
