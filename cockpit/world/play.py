"""The world's process: all is started side by side, broken as the scenario says, and ended."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import time
from collections.abc import Coroutine
from typing import Any

from cockpit.errors import CockpitError
from cockpit.world import alarms as alarm_book
from cockpit.world import folder as folders
from cockpit.world import layout, series, trail
from cockpit.world.account import Account
from cockpit.world.answers import cache as cache_answers
from cockpit.world.answers import (
    cloudwatch,
    code_deploy,
    deployments,
    ecs,
    histories,
    rest,
    scaling,
)
from cockpit.world.breaks import Breaks
from cockpit.world.checkout import again, idle, sell
from cockpit.world.clients import WorldClients
from cockpit.world.health import CheckedGroup, GroupCheck
from cockpit.world.load import CartTraffic, CatalogTraffic
from cockpit.world.observe import Observer
from cockpit.world.prepare import PreparedWorld
from cockpit.world.reactors import Reactors
from cockpit.world.scenario import Scenario
from cockpit.world.shop import Placement
from cockpit.world.stage import Stage
from cockpit.world.stores import start_mariadb, start_postgres, start_valkey

_TICK = 0.25


class Play(Stage):
    """A stage with what happens on it."""

    def __init__(self, prepared: PreparedWorld, scenario: Scenario) -> None:
        super().__init__(prepared, scenario)
        self.breaks = Breaks(self)

    async def run(self, ending: asyncio.Event) -> None:
        """Start, break, report ready, wait for the end, and end everything."""
        try:
            starting = asyncio.create_task(self._start())
            waiting = asyncio.create_task(ending.wait())
            await asyncio.wait((starting, waiting), return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                await waiting
            else:
                starting.cancel()
                await asyncio.gather(starting, return_exceptions=True)
        except* (CockpitError, OSError) as group:
            self.state.set(failed="; ".join(_told(group)))
            await ending.wait()
        finally:
            await self._end()

    async def _start(self) -> None:
        self._fill_books()
        await asyncio.to_thread(self._serve)
        self.state.set(control=f"http://127.0.0.1:{self.prepared.ports.aws}{self.front.control}")
        wanted = self.scenario
        if wanted.has("web") or wanted.has("services"):
            self.edge.issue()
        async with asyncio.TaskGroup() as group:
            if wanted.has("web"):
                group.create_task(self._part("web", self.edge.start(self._born)))
            group.create_task(self._part("aws", asyncio.to_thread(self._place)))
            if wanted.has("databases"):
                group.create_task(asyncio.to_thread(self._start_stores))
                group.create_task(asyncio.to_thread(self._start_cache))
            if self.prepared.ports.catalog:
                group.create_task(asyncio.to_thread(self._start_catalog))
        if wanted.has("services"):
            self._open()
        self.state.part("scenario", "starting")
        await self.breaks.apply()
        self._traffic()
        gc.freeze()
        gc.enable()
        self.front.ready.set()
        self.state.part("scenario", "ready")
        self.state.set(ready=True, ready_at=time.time())

    async def _part(self, name: str, work: Coroutine[Any, Any, Any]) -> None:
        self.state.part(name, "starting")
        await work
        self.state.part(name, "ready")

    def _born(self, pid: int, what: str) -> None:
        folders.own(self.prepared.folder, pid, what)

    def _fill_books(self) -> None:
        services, databases = self.scenario.has("services"), self.scenario.has("databases")
        published = (
            (series.network, self.scenario.has("network")),
            (series.services, services),
            (series.databases, databases),
        )
        for metrics in (each() for each, there in published if there):
            for metric in metrics:
                self.book.add(metric)
        for alarm in alarm_book.shop(self.book):
            self.alarms.add(alarm)
        for scalable in scaling.shop() if services else ():
            self.scaling.add(scalable)
        trail.everyday(self.trail)
        tables = (
            ecs.Ecs(self.cluster).table(),
            deployments.EcsDeployments(self.cluster).table(),
            code_deploy.CodeDeploy(self.cluster).table(),
            cloudwatch.CloudWatch(self.book, self.alarms).table(),
            histories.Histories(self.trail).table(),
            rest.GroupTargets(self.health).table(),
            cache_answers.ElastiCache(self.cache).table(),
            self.scaling.table(),
            rest.NOTHING_TO_TELL,
            {("iam", "SimulatePrincipalPolicy"): rest.allowed},
            {("ec2", "DescribeVpcBlockPublicAccessOptions"): rest.public_access},
        )
        for table in tables:
            self.front.answers |= table
        self.front.answers["s3control", "GetPublicAccessBlock"] = rest.no_account_block
        self.front.amendments["lambda", "GetFunctionConfiguration"] = rest.with_revision
        self.front.answers["lambda", "GetAccountSettings"] = rest.lambda_account
        self.front.answers["sts", "GetCallerIdentity"] = rest.identity
        self.front.answers["dynamodb", "DescribeContributorInsights"] = rest.contributor_insights
        Reactors(self, self.breaks).register()

    def _serve(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.prepared.ports.aws))
        listener.listen(256)
        with listener:  # the server has its own of the same
            self.front.serve(listener)

    def _place(self) -> None:
        self.placement = Placement(self.clients, self.edge.certificates)
        self.placement.everything(self.scenario.parts)
        Account(self).fill()
        if self.scenario.billing:
            url = f"http://127.0.0.1:{self.prepared.ports.aws}"
            self.placement.billing(WorldClients(url, layout.BILLING_OWNER))

    def _start_stores(self) -> None:
        start_postgres(
            self.stores,
            self.prepared.folder,
            ports=self.prepared.ports,
            secrets=self.prepared.secrets,
            report=self.state.part,
        )

    def _start_cache(self) -> None:
        start_valkey(
            self.stores,
            self.prepared.folder,
            ports=self.prepared.ports,
            megabytes=cache_answers.SIZES[self.scenario.node_type],
            report=self.state.part,
        )

    def _start_catalog(self) -> None:
        start_mariadb(
            self.stores,
            self.prepared.folder,
            ports=self.prepared.ports,
            secrets=self.prepared.secrets,
            report=self.state.part,
        )

    def _open(self) -> None:
        """Open the services with their targets, all of them well."""
        if self.scenario.has("databases"):
            self.fleet.needs[layout.CHECKOUT.name] = self.beats.need
        for service in layout.SERVICES:
            check = GroupCheck(path="/health", timeout=4.0)
            self.health.add(CheckedGroup(service.group_arn, service.port, check))
            self.cluster.open(service)

    def _traffic(self) -> None:
        if self.scenario.has("databases"):
            self._sell()
        if self.scenario.has("services"):
            self.spawn(self.health.run())
            self.spawn(Observer(self).run())
        self.spawn(self._ticks())

    def _sell(self) -> None:
        for number in range(3):
            self.spawn(again(lambda n=number: sell(self.database, n)))  # type: ignore[misc]
        self.spawn(again(lambda: idle(self.database, self.breaks.resting)))
        self.spawn(self.sessions.run())
        self.spawn(CartTraffic(self.carts).run())
        if self.stores.catalog is not None:
            self.spawn(CatalogTraffic(self.stores.catalog, self.prepared.secrets.checkout).run())

    async def _ticks(self) -> None:
        while True:
            self.cluster.tick()
            self.cache.tick()
            self.breaks.tick()
            await asyncio.sleep(_TICK)

    async def _end(self) -> None:
        self.front.ready.set()
        self.faults.end()
        await self._cancel()
        stopping = asyncio.create_task(asyncio.to_thread(self.stores.stop))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(3):
                await asyncio.gather(self.beats.close(), self.fleet.close(), self.edge.close())
        await stopping
        self.front.close()
        self.calls.close()

    async def _cancel(self) -> None:
        """End what runs in the loop; drivers swallow a cancellation now and then, so again."""
        for _ in range(4):
            for task in tuple(self._tasks):
                task.cancel()
            if self._tasks:
                await asyncio.wait(tuple(self._tasks), timeout=0.7)


def _told(group: BaseExceptionGroup[Exception]) -> list[str]:
    """What went wrong, one line an error."""
    lines: list[str] = []
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            lines += _told(error)
        elif isinstance(error, CockpitError):
            lines.append(f"{error.message} {error.hint}".strip())
        else:
            lines.append(str(error))
    return lines
