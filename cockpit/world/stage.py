"""Every part of a world, made and not yet started: what breaks it, watches it and reacts to it
knows the stage; the stage knows none of them (`cockpit.world.play`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

from cockpit.world import healing, layout, trail
from cockpit.world.alarms import Alarms
from cockpit.world.answers import cache as cache_answers
from cockpit.world.answers import scaling
from cockpit.world.answers.scripted import Script
from cockpit.world.apps import Fleet, Gate
from cockpit.world.calls import CallLog
from cockpit.world.checkout import Beats, CheckoutDatabase
from cockpit.world.clients import WorldClients
from cockpit.world.ecs import EcsCluster
from cockpit.world.edge import Edge
from cockpit.world.faults import Faults
from cockpit.world.front import Front
from cockpit.world.health import HealthOfTargets
from cockpit.world.load import SessionTraffic
from cockpit.world.metrics import Book
from cockpit.world.prepare import PreparedWorld
from cockpit.world.scenario import Scenario
from cockpit.world.shop import Placement
from cockpit.world.state import StateFile
from cockpit.world.stores import Stores


class Stage:
    """Every part of one world. Made and run in the loop of the world's main thread."""

    def __init__(self, prepared: PreparedWorld, scenario: Scenario) -> None:
        self.prepared = prepared
        self.scenario = scenario
        self.loop = asyncio.get_running_loop()
        self.state = StateFile(prepared.folder)
        self.calls = CallLog(prepared.folder / "calls.jsonl")
        self.faults = Faults()
        self.front = Front(self.calls, self.faults)
        self.front.log = prepared.folder / "aws.log"
        url = f"http://127.0.0.1:{prepared.ports.aws}"
        self.clients = WorldClients(url)
        self.carts = WorldClients(url, layout.key_of("shop"))
        self.book = Book(since=time.time() - scenario.history)
        self.alarms = Alarms(self.book)
        self.trail = trail.Trail()
        self.scaling = scaling.ShopScaling()
        self.fleet = Fleet(self.loop)
        self.health = HealthOfTargets(self.fleet.port)
        self.cluster = EcsCluster(self.health, self.fleet)
        ports = (prepared.ports.sessions, prepared.ports.sessions_replica)
        self.cache = cache_answers.Cache(ports, node_type=scenario.node_type)
        self.stores = Stores()
        self.gate = Gate()
        self.database = CheckoutDatabase(
            prepared.ports.orders, prepared.secrets.checkout, self.gate
        )
        self.beats = Beats(self.database)
        self.sessions = SessionTraffic(prepared.ports.sessions)
        self.edge = Edge(prepared)
        self.phases = healing.Phases()
        self.script = Script(time.time(), self.phases.now, folder=str(prepared.folder))
        self.placement: Placement | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Let something run until the world ends."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
