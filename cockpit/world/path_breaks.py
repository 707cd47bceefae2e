"""Faults of names, addresses and zones, put into the sites and services of the shop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from cockpit.world import layout
from cockpit.world.ecs import Task
from cockpit.world.identify import AwsRequest

if TYPE_CHECKING:
    from cockpit.world.stage import Stage

Parameters = Mapping[str, Any]
Break = Callable[[Parameters], Awaitable[None]]

_HOSTS = {"payments": layout.PAYMENTS_HOST, "shop-front": layout.FRONT_HOST}
_HEARD = 0.1
"""Seconds after which the sites have certainly read their line."""


class PathBreaks:
    """What is wrong on the way to somebody. Nothing here mends itself."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.kinds: dict[str, Break] = {
            "name": self._name,
            "sick": self._sick,
            "partner": self._partner,
            "zone": self._zone,
        }

    async def _name(self, asked: Parameters) -> None:
        """The name servers of a name answer with an error code from now on.

        `signed`: because the VPC's resolver checks signatures, until it is told not to.
        """
        broken = f"name {_HOSTS[asked['of']]} {asked['rcode']}"
        if asked.get("signed"):
            await asyncio.to_thread(self._validated, broken)
        await self._tell(broken)

    def _validated(self, broken: str) -> None:
        """The resolver of the VPC checks signatures; whoever changes that changes the answers."""
        self._stage.clients(
            "route53resolver",
            "update_resolver_dnssec_config",
            ResourceId=layout.VPC,
            Validation="ENABLE",
        )
        unchecked = broken.rpartition(" ")[0] + " NOERROR"

        def changed(_: AwsRequest, asked: Parameters, __: Parameters) -> None:
            if asked.get("ResourceId") == layout.VPC:
                line = unchecked if asked.get("Validation") == "DISABLE" else broken
                self._stage.loop.call_soon_threadsafe(self._stage.edge.tell, line)

        front = self._stage.front
        front.react("route53resolver", "UpdateResolverDnssecConfig", changed)
        # moto calls its answer HTML; one that is amended is sent as what it is
        front.amendments["route53resolver", "GetResolverDnssecConfig"] = lambda _, __, told: told

    async def _sick(self, asked: Parameters) -> None:
        """The last of the third party's addresses answers with this status; the others are well."""
        await self._tell(f"sick {int(asked['status'])}")

    async def _partner(self, asked: Parameters) -> None:
        """The third party answers with a `status`, or after so many `seconds`."""
        await self._tell(f"answer {int(asked.get('status', 200))} {float(asked.get('seconds', 0))}")

    async def _zone(self, asked: Parameters) -> None:
        """Whatever runs in a zone is not reached any more; the scheduler leaves it alone."""
        zone = asked["zone"]

        async def lost(task: Task) -> None:
            if task.zone == zone:
                await asyncio.sleep(60)

        for plan in layout.SERVICES:
            service = self._stage.cluster.services[plan.name]
            service.kills = False
            self._stage.fleet.needs[plan.name] = lost
            group = self._stage.health.group(plan.group_arn)
            for target in group.targets.values():
                if target.zone == zone:
                    target.failed = group.check.unhealthy
                    target.turn("unhealthy", "Target.Timeout", "Request timed out")

    async def _tell(self, line: str) -> None:
        self._stage.edge.tell(line)
        await asyncio.sleep(_HEARD)
