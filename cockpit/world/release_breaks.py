"""Faults of releases and of tasks, put into the services of the shop."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from cockpit.world.ecs import PauseHook

if TYPE_CHECKING:
    from cockpit.world.stage import Stage

Parameters = Mapping[str, Any]
Break = Callable[[Parameters], Awaitable[None]]


class ReleaseBreaks:
    """What a release or a person did to tasks. Nothing here mends itself."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.kinds: dict[str, Break] = {"ended": self._ended, "pause": self._pause}

    async def _ended(self, asked: Parameters) -> None:
        """So many `times` a task of a `service` ended, one `every` seconds, the last one `ago`:
        with an `exit_code`, and the `code` and `reason` of ECS. Each was replaced by one that is
        well.
        """
        cluster = self._stage.cluster
        service = cluster.services[asked["service"]]
        newest = time.time() - float(asked["ago"])
        with cluster.lock:
            for number in range(int(asked["times"])):
                at = newest - number * float(asked["every"])
                task = cluster.add_task(service, service.primary)
                task.created = task.activated = at - float(asked["every"]) - 12
                task.started = task.created + 8
                task.status, task.stopping, task.stopped = "STOPPED", at - 2, at
                task.stop_code, task.reason = asked["code"], asked["reason"]
                task.exit_code = int(asked["exit_code"])
                self._stage.fleet.stop(task)
                self._stage.health.forget(service.plan.group_arn, task.address)
                service.say(f"has started 1 tasks: (task {task.id}).", task.created)

    async def _pause(self, asked: Parameters) -> None:
        """A release of `version` waits for a yes, and takes itself back `left` seconds from now."""
        cluster = self._stage.cluster
        with cluster.lock:
            cluster.versions[asked["service"]] = int(asked["version"])
            begun = time.time() - float(asked["ago"])
            service = cluster.update(asked["service"], version=int(asked["version"]), at=begun)
            service.primary.pause = PauseHook(expires=time.time() + float(asked["left"]))
