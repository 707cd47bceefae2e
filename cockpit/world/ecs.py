"""The scheduler of the shop: services, deployments and tasks that move with time.

What ECS does in minutes takes seconds here. Counts, events, stop codes and texts are as ECS gives
them (API reference; catalogue, aws-edge-compute-network §2.3).
"""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import Protocol

from cockpit.world import layout
from cockpit.world.health import HealthOfTargets
from cockpit.world.layout import ServicePlan

_BOOT = 0.8
_STOPPING = 1.5
_KEPT = 3600.0
_PATIENCE = 40.0
_BACK_OFF = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
ALIVE = ("PROVISIONING", "PENDING", "ACTIVATING", "RUNNING")


class Apps(Protocol):
    """Who runs the program inside a task."""

    def start(self, task: Task) -> None:
        """Begin to listen at the task's address."""

    def stop(self, task: Task) -> None:
        """Be gone."""


@dataclass(slots=True)
class Task:
    """One task. Times are seconds since the epoch, 0 for not yet."""

    service: str
    version: int
    deployment: str
    slot: int
    address: str
    zone: str
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    status: str = "PENDING"
    created: float = field(default_factory=time.time)
    activated: float = 0.0
    started: float = 0.0
    stopping: float = 0.0
    stopped: float = 0.0
    unwell: float = 0.0
    """Since when its target is not healthy."""
    stop_code: str = ""
    reason: str = ""
    exit_code: int | None = None

    @property
    def arn(self) -> str:
        """The task's ARN."""
        return f"arn:aws:ecs:{layout.REGION}:{layout.ACCOUNT}:task/{layout.CLUSTER}/{self.id}"


@dataclass(slots=True)
class PauseHook:
    """A pause hook of a deployment. `expires` in seconds since the epoch."""

    expires: float
    then: str = "ROLLBACK"
    status: str = "AWAITING_ACTION"
    id: str = field(default_factory=lambda: secrets.token_hex(16))


@dataclass(slots=True)
class Rollout:
    """One deployment of a service; `failed` counts failures in a row."""

    version: int
    status: str = "PRIMARY"
    rollout: str = "IN_PROGRESS"
    reason: str = ""
    created: float = field(default_factory=time.time)
    updated: float = field(default_factory=time.time)
    finished: float = 0.0
    failed: int = 0
    next_start: float = 0.0
    pause: PauseHook | None = None
    """Where it waits for a yes: none of its tasks is started before."""
    completed: bool = False
    """Whether it once came to its end."""
    replaces: tuple[Rollout, ...] = ()
    """What ran when it began, the one that it was to replace first."""
    back_to: Rollout | None = None
    """Where it was stopped to go back to."""
    id: str = field(default_factory=lambda: f"ecs-svc/{secrets.randbelow(10**19):019d}")

    def turn(self, rollout: str, reason: str) -> None:
        """Enter a rollout state."""
        if rollout != self.rollout:
            self.rollout, self.reason, self.updated = rollout, reason, time.time()
            self.completed = self.completed or rollout == "COMPLETED"


@dataclass(slots=True)
class HistoryLine:
    """One line of a service's history."""

    at: float
    text: str
    id: str = field(default_factory=lambda: secrets.token_hex(16))


@dataclass(slots=True)
class RunningService:
    """A service: what it shall be, and what it is."""

    plan: ServicePlan
    desired: int
    deployments: list[Rollout]
    tasks: list[Task] = field(default_factory=list)
    events: list[HistoryLine] = field(default_factory=list)
    history: list[Rollout] = field(default_factory=list)
    """Deployments that are over, newest first."""
    minimum: int = 50
    maximum: int = 200
    grace: int = 30
    created: float = field(default_factory=lambda: time.time() - 200 * 86400)
    controller: str = "ECS"
    """Or CODE_DEPLOY: then its deployments are task sets, whose traffic has moved already."""
    kills: bool = True
    """Whether tasks that stay unhealthy are replaced."""
    patient: bool = False
    """Whether a new task is only taken for running once its target is healthy."""

    @property
    def primary(self) -> Rollout:
        """The deployment that the service moves towards."""
        return self.deployments[0]

    def say(self, text: str, at: float | None = None) -> None:
        """Add an event, newest first; ECS keeps a hundred."""
        event = HistoryLine(at or time.time(), f"(service {self.plan.name}) {text}")
        self.events = [event, *self.events][:100]

    def count(self, *states: str, deployment: str = "") -> int:
        """Tasks in one of the states, of one deployment or of all."""
        return sum(
            task.status in states and (not deployment or task.deployment == deployment)
            for task in self.tasks
        )


class EcsCluster:
    """Every service. Read from any thread under `lock`, moved by `tick` from the world's loop."""

    def __init__(self, health: HealthOfTargets, apps: Apps) -> None:
        self.lock = threading.RLock()
        self.services: dict[str, RunningService] = {}
        self.crashes: dict[tuple[str, int], int] = {}
        """Versions that end soon after their start, with the exit code."""
        self.versions: dict[str, int] = {}
        """The newest task definition of each family."""
        self._health = health
        self._apps = apps
        self._host = 16

    def open(self, plan: ServicePlan, age: float = 3 * 86400.0) -> RunningService:
        """A service that has run well for `age` seconds."""
        with self.lock:
            begun = time.time() - age
            deployment = Rollout(
                plan.version,
                rollout="COMPLETED",
                reason=f"ECS deployment {plan.version} completed.",
                completed=True,
                created=begun,
                updated=begun + 240,
                finished=begun + 240,
            )
            service = RunningService(plan, plan.desired, [deployment])
            self.services[plan.name] = service
            self.versions[plan.name] = plan.version
            for _ in range(plan.desired):
                task = self.add_task(service, deployment, well=True)
                task.created = task.activated = task.started = begun + 60
            service.say("has reached a steady state.", begun + 240)
            return service

    def add_task(self, service: RunningService, deployment: Rollout, *, well: bool = False) -> Task:
        """Place one task in the next free slot; `well`: it runs and is healthy already."""
        taken = {task.slot for task in service.tasks if task.status in ALIVE}
        slot = next(n for n in range(1, 1000) if n not in taken)
        zone = (slot - 1) % 2
        self._host += 1
        task = Task(
            service=service.plan.name,
            version=deployment.version,
            deployment=deployment.id,
            slot=slot,
            address=f"10.0.{11 + zone}.{self._host % 230 + 16}",
            zone=layout.ZONES[zone],
        )
        service.tasks.append(task)
        self._apps.start(task)
        if well:
            task.status = "RUNNING"
            self._health.register(service.plan.group_arn, task.address, zone=task.zone, well=True)
        return task

    def stop(
        self,
        service: RunningService,
        task: Task,
        *,
        code: str,
        reason: str,
        exit_code: int | None = 0,
    ) -> None:
        """Begin to stop a task."""
        if task.status not in ALIVE:
            return
        task.status = "DEACTIVATING"
        task.stopping = time.time()
        task.stop_code, task.reason, task.exit_code = code, reason, exit_code
        self._health.deregister(service.plan.group_arn, task.address)

    def update(
        self,
        name: str,
        *,
        version: int | None = None,
        desired: int | None = None,
        force: bool = False,
        at: float | None = None,
    ) -> RunningService:
        """What UpdateService does: scale, and deploy another version or the same one again."""
        with self.lock:
            service = self.services[name]
            if desired is not None:
                service.desired = desired
            if force or (version is not None and version != service.primary.version):
                before = service.primary
                before.status = "ACTIVE"
                now = at or time.time()
                fresh = Rollout(
                    version if version is not None else before.version, created=now, updated=now
                )
                fresh.reason = f"ECS deployment {fresh.id} in progress."
                fresh.replaces = tuple(service.deployments)
                service.deployments = [fresh, *service.deployments]
            return service

    def roll_back(self, service: RunningService) -> None:
        """What StopServiceDeployment does: what ran before the deployment is deployed again."""
        with self.lock:
            stopped = service.primary
            back = next(each for each in stopped.replaces if each.completed)
            stopped.status, stopped.back_to = "ACTIVE", back
            stopped.turn("FAILED", f"ECS deployment {stopped.id} was stopped.")
            back.status, back.next_start = "PRIMARY", 0.0
            back.turn("IN_PROGRESS", f"ECS deployment {back.id} rolling back to it.")
            service.deployments = [back, *(d for d in service.deployments if d is not back)]
            service.history = [d for d in service.history if d is not back]
            service.say(f"rolling back to deployment {back.id}.")

    def tick(self) -> None:
        """Let a moment pass for every service."""
        with self.lock:
            for service in self.services.values():
                for task in list(service.tasks):
                    self._move(service, task)
                self._replace_unwell(service)
                self._schedule(service)
                self._settle(service)
                self._forget(service)

    def _move(self, service: RunningService, task: Task) -> None:
        now = time.time()
        if task.status == "PENDING" and now - task.created >= _BOOT:
            task.status, task.activated = "ACTIVATING", now
            self._health.register(service.plan.group_arn, task.address, zone=task.zone)
            service.say(f"has started 1 tasks: (task {task.id}).")
        elif task.status == "ACTIVATING":
            self._activate(service, task, now)
        elif task.status == "RUNNING":
            self._crash(service, task, now)
        elif task.status == "DEACTIVATING" and now - task.stopping >= _STOPPING:
            task.status, task.stopped = "STOPPED", now
            self._apps.stop(task)

    def _activate(self, service: RunningService, task: Task, now: float) -> None:
        state = self._health.state(service.plan.group_arn, task.address)
        crashes = (service.plan.name, task.version) in self.crashes
        late = not service.patient and now - task.activated >= _PATIENCE
        if state == "healthy" or crashes or late:
            task.status, task.started = "RUNNING", now
            if state == "healthy":
                deployment = next((d for d in service.deployments if d.id == task.deployment), None)
                if deployment is not None:
                    deployment.failed = 0

    def _crash(self, service: RunningService, task: Task, now: float) -> None:
        code = self.crashes.get((service.plan.name, task.version))
        if code is None or now - task.started < _BOOT:
            return
        self.stop(
            service,
            task,
            code="EssentialContainerExited",
            reason="Essential container in task exited",
            exit_code=code,
        )
        for deployment in service.deployments:
            if deployment.id == task.deployment:
                deployment.failed += 1
                pause = _BACK_OFF[min(deployment.failed, len(_BACK_OFF) - 1)]
                deployment.next_start = now + pause
                if deployment.failed == 4:
                    service.say("is unable to consistently start tasks successfully.")

    def _replace_unwell(self, service: RunningService) -> None:
        """Replace a task whose target stays unhealthy, one at a time, as long as a few run."""
        now = time.time()
        for task in service.tasks:
            state = self._health.state(service.plan.group_arn, task.address)
            sick = task.status == "RUNNING" and state == "unhealthy"
            task.unwell = (task.unwell or now) if sick else 0.0
        if not service.kills or service.count("ACTIVATING", "PENDING", "DEACTIVATING"):
            return
        for task in service.tasks:
            if task.unwell and now - task.unwell >= _PATIENCE:
                self.fail_check(service, task)
                return

    def fail_check(self, service: RunningService, task: Task, at: float | None = None) -> None:
        """Stop a task for the checks of its load balancer."""
        group = service.plan.group_arn
        service.say(f"(task {task.id}) failed ELB health checks in (target-group {group}).", at)
        service.say(f"has stopped 1 running tasks: (task {task.id}).", at)
        self.stop(
            service,
            task,
            code="ServiceSchedulerInitiated",
            reason=f"Task failed ELB health checks in (target-group {group})",
            exit_code=143,
        )

    def _schedule(self, service: RunningService) -> None:
        primary = service.primary
        if primary.pause is not None and primary.pause.status == "AWAITING_ACTION":
            return
        now = time.time()
        mine = service.count(*ALIVE, deployment=primary.id)
        everyone = service.count(*ALIVE)
        room = service.desired * service.maximum // 100 - everyone
        if mine < service.desired and room > 0 and now >= primary.next_start:
            for _ in range(min(service.desired - mine, room, 3)):
                self.add_task(service, primary)
        if mine > service.desired:
            extra = [t for t in service.tasks if t.status in ALIVE][service.desired - mine :]
            for task in extra:
                self._scale_in(service, task, primary.id)
        self._retire(service)

    def _retire(self, service: RunningService) -> None:
        """Stop tasks of older deployments as new ones run, and down to the minimum at once."""
        primary = service.primary
        running = service.count("RUNNING")
        floor = -(-service.desired * service.minimum // 100)
        old = [t for t in service.tasks if t.status in ALIVE and t.deployment != primary.id]
        new = service.count("RUNNING", deployment=primary.id)
        if (service.plan.name, primary.version) in self.crashes:
            running, new = running - new, 0  # what is about to crash replaces nothing
        allowed = min(len(old), max(running - floor, 0) if old else 0)
        if new >= service.desired:
            allowed = len(old)
        for task in old[:allowed]:
            if task.status != "RUNNING" or running > floor or new >= service.desired:
                running -= task.status == "RUNNING"
                self._scale_in(service, task, primary.id)

    def _scale_in(self, service: RunningService, task: Task, deployment: str) -> None:
        self.stop(
            service,
            task,
            code="ServiceSchedulerInitiated",
            reason=f"Scaling activity initiated by (deployment {deployment})",
            exit_code=143,
        )

    def _settle(self, service: RunningService) -> None:
        primary = service.primary
        for deployment in service.deployments[1:]:
            if not service.count(*ALIVE, "DEACTIVATING", deployment=deployment.id):
                deployment.status, deployment.finished = "INACTIVE", time.time()
                service.deployments = [d for d in service.deployments if d is not deployment]
                service.history = [deployment, *service.history][:20]
        running = service.count("RUNNING", deployment=primary.id)
        alone = len(service.deployments) == 1
        settled = alone and running == service.desired == service.count(*ALIVE)
        if settled and primary.rollout != "COMPLETED":
            primary.turn("COMPLETED", f"ECS deployment {primary.id} completed.")
            primary.finished = time.time()
            service.say(f"(deployment {primary.id}) deployment completed.")
        newest = service.events[0].text if service.events else ""
        if settled and not newest.endswith("has reached a steady state."):
            service.say("has reached a steady state.")

    def _forget(self, service: RunningService) -> None:
        limit = time.time() - _KEPT
        service.tasks = [t for t in service.tasks if not t.stopped or t.stopped > limit]
