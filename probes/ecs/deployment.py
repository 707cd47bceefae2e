"""A service deployment as ECS keeps it: what it brings, how far it is, what it replaces.

Source: Amazon ECS API reference (`DescribeServiceDeployments`, `DescribeServiceRevisions`). Unlike
the `deployments` of a service, these stay when they are over, and name the revisions they replaced.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

ENDED = frozenset({"SUCCESSFUL", "STOPPED", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED"})
"""States of a deployment that is over; one that we do not know is not."""

PAUSE = "a pause"
_CANARY = (5.0, 600.0)
_LINEAR = (10.0, 360.0)
"""Percent and seconds of a step, where the configuration does not say (API reference)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleHook:
    """What is asked at some stages before a deployment goes on."""

    target: str
    """The ARN of a function; empty for a pause, which waits for a person."""
    stages: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The function's name, or `a pause`."""
        return self.target.rpartition(":")[2] or PAUSE


@dataclass(frozen=True, slots=True, kw_only=True)
class HookRun:
    """A hook that a deployment asks now, or asked."""

    id: str
    """What `ecs.ContinueServiceDeployment` calls it."""
    status: str
    """AWAITING_ACTION, IN_PROGRESS, SUCCEEDED, FAILED or TIMED_OUT: as AWS says it."""
    target: str = ""
    """The ARN of a function; empty for a pause."""
    expires_at: datetime | None = None
    timeout_action: str = ""
    """What ECS does then: CONTINUE or ROLLBACK."""

    @property
    def name(self) -> str:
        """The function's name, or `a pause`."""
        return self.target.rpartition(":")[2] or PAUSE

    @property
    def asking(self) -> bool:
        """The deployment waits for its answer."""
        return self.status in {"AWAITING_ACTION", "IN_PROGRESS"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentStrategy:
    """How a release goes out, and where it waits because it was told to. Times are seconds."""

    name: str = "ROLLING"
    """ROLLING, BLUE_GREEN, CANARY or LINEAR; others as AWS says them."""
    bake: float = 0
    """How long both revisions stay after all traffic was shifted."""
    step_percent: float | None = None
    step_bake: float | None = None
    """Of each step of CANARY and LINEAR; None: AWS's default."""
    hooks: tuple[LifecycleHook, ...] = ()
    alarms: tuple[str, ...] = ()
    """Alarms that end it when they ring; empty when they are not watched."""

    @property
    def planned(self) -> float:
        """Seconds that it waits as it was told to, without hooks."""
        if self.name == "CANARY":
            return self.bake + (_CANARY[1] if self.step_bake is None else self.step_bake)
        if self.name == "LINEAR":
            percent, wait = self.step_percent or _LINEAR[0], self.step_bake
            steps = math.ceil(100 / percent) - 1
            return self.bake + steps * (_LINEAR[1] if wait is None else wait)
        return self.bake

    @property
    def pauses(self) -> bool:
        """It waits for a person at some stage, and nobody knows for how long."""
        return any(hook.name == PAUSE for hook in self.hooks)

    def hooks_at(self, stage: str) -> tuple[str, ...]:
        """What is asked at a stage, by name."""
        return tuple(hook.name for hook in self.hooks if stage in hook.stages)


ROLLING = DeploymentStrategy()
"""What ECS does where nothing else is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionShare:
    """One of the revisions that a deployment replaces."""

    task_definition: str
    """Empty: the revision could not be read."""
    running: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDeployment:
    """One deployment, under way or over."""

    arn: str
    status: str
    """PENDING, IN_PROGRESS, SUCCESSFUL, STOPPED, ROLLBACK_FAILED, …: as AWS says it."""
    reason: str = ""
    task_definition: str = ""
    """What it brings; empty: the revision could not be read."""
    sources: tuple[RevisionShare, ...] = ()
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    stage: str = ""
    """PRE_SCALE_UP, …, BAKE_TIME, CLEAN_UP; empty: AWS does not say."""
    weight: float | None = None
    """Percent of the production traffic that it shall have; None: AWS does not say."""
    hooks: tuple[HookRun, ...] = ()
    """Those that were asked; empty also where AWS does not say."""
    strategy: DeploymentStrategy | None = None
    """None: not read."""
    failures: int = 0
    threshold: int | None = None
    """At how many failures the circuit breaker ends it; None: it is off, or does not say."""
    ringing: tuple[str, ...] = ()
    """Alarms that rang meanwhile."""
    rollback_reason: str = ""
    rollback_at: datetime | None = None
    rollback_to: str = ""
    """The task definition that it goes back to; empty: it does not, or AWS does not say."""

    @property
    def asked(self) -> tuple[str, ...]:
        """The hooks whose answer it waits for, by name; where AWS says no more, the stage's."""
        if self.hooks:
            return tuple(hook.name for hook in self.hooks if hook.asking)
        return (self.strategy or ROLLING).hooks_at(self.stage)

    @property
    def paused(self) -> HookRun | None:
        """The pause that a person has to end; None: there is none."""
        waiting = (hook for hook in self.hooks if hook.status == "AWAITING_ACTION")
        return next(waiting, None)

    @property
    def rolling_back(self) -> bool:
        """It goes back to what was before."""
        return self.status in {"ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS"}

    @property
    def open(self) -> bool:
        """It has not ended."""
        return self.status not in ENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeDeployment:
    """A deployment of CodeDeploy, which puts a second task set (green) beside the first (blue)."""

    id: str
    status: str
    """Created, Queued, InProgress, Ready, Baking, Succeeded, Failed or Stopped: as AWS says it."""
    application: str = ""
    group: str = ""
    reason: str = ""
    """Why it failed or was stopped; empty otherwise."""
    created_at: datetime | None = None
    brings_set: str = ""
    """The id of the green task set; empty: CodeDeploy names none, or it is over."""
    brings: str = ""
    """The task definition of the green task set; empty when it is not among the service's."""
    replaces: str = ""
    """That of the blue one: where a rollback goes."""
    replaces_running: int = 0
    """Tasks of the blue one that run, as ECS counts them."""
    weight: float | None = None
    """Percent of the production traffic that green has; None: CodeDeploy does not say."""
    goes_back: bool = False
    """It is the rollback of another one itself."""

    @property
    def open(self) -> bool:
        """It has not ended."""
        return self.status not in {"Succeeded", "Failed", "Stopped"}
