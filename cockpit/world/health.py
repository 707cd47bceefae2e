"""Health of targets, really checked: path, port and matcher of the target group, over HTTP.

A group's interval of many seconds is shortened to one, so that a demo shows changes soon; counts of
successes and failures in a row are the group's own. States and reasons are ELB's (API reference,
`HealthOfTargets`).
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from cockpit.world.protocol import Refusal

_PACE = 1.0
_LIMIT = 2.0
_DRAINING = 4.0
Directory = Callable[[str, int], int | None]
"""Address and port of a target in the VPC → its port on 127.0.0.1; None: nobody is there."""


@dataclass(slots=True)
class GroupCheck:
    """How a group's targets are checked."""

    path: str = "/"
    codes: str = "200"
    timeout: float = 5.0
    healthy: int = 2
    unhealthy: int = 2

    def matches(self, status: int) -> bool:
        """Whether the matcher (`200`, `200,204`, `200-299`) takes the status."""
        for part in self.codes.split(","):
            low, _, high = part.strip().partition("-")
            if low.isdigit() and int(low) <= status <= int(high or low):
                return True
        return False


@dataclass(slots=True)
class RegisteredTarget:
    """One registered address and port, and what its checks said."""

    id: str
    port: int
    zone: str
    state: str = "initial"
    reason: str = "Elb.RegistrationInProgress"
    description: str = "Target registration is in progress"
    passed: int = 0
    failed: int = 0
    since: float = field(default_factory=time.time)

    def turn(self, state: str, reason: str = "", description: str = "") -> None:
        """Enter a state."""
        if state != self.state:
            self.since = time.time()
        self.state, self.reason, self.description = state, reason, description


@dataclass(slots=True)
class CheckedGroup:
    """A target group: how it checks, whom, and with which port by default."""

    arn: str
    port: int
    check: GroupCheck = field(default_factory=GroupCheck)
    targets: dict[tuple[str, int], RegisteredTarget] = field(default_factory=dict)

    def count(self, *states: str) -> int:
        """How many targets are in one of the states."""
        return sum(target.state in states for target in self.targets.values())


class HealthOfTargets:
    """All target groups. Answers come from any thread, checks from the world's loop."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._groups: dict[str, CheckedGroup] = {}
        self._lock = threading.RLock()

    def add(self, group: CheckedGroup) -> None:
        """Enter a group."""
        with self._lock:
            self._groups[group.arn] = group

    def group(self, arn: str) -> CheckedGroup:
        """A group by its ARN. Raises `Refusal` as ELB does."""
        with self._lock:
            if arn not in self._groups:
                raise Refusal("TargetGroupNotFound", f"Target group '{arn}' not found")
            return self._groups[arn]

    def groups(self) -> tuple[CheckedGroup, ...]:
        """Every group."""
        with self._lock:
            return tuple(self._groups.values())

    def register(
        self, arn: str, id_: str, *, port: int = 0, zone: str = "", well: bool = False
    ) -> None:
        """Register a target; `well`: as one that has been healthy for long."""
        with self._lock:
            group = self.group(arn)
            key = (id_, port or group.port)
            target = RegisteredTarget(id_, key[1], zone)
            if well:
                target.turn("healthy")
            group.targets = {**group.targets, key: group.targets.get(key, target)}

    def deregister(self, arn: str, id_: str, *, port: int = 0) -> None:
        """Begin to drain a target; it is gone a few seconds later."""
        with self._lock:
            group = self.group(arn)
            target = group.targets.get((id_, port or group.port))
            if target is not None:
                target.turn(
                    "draining",
                    "Target.DeregistrationInProgress",
                    "Target deregistration is in progress",
                )

    def forget(self, arn: str, id_: str) -> None:
        """A target is gone at once: its draining is long over."""
        with self._lock:
            group = self.group(arn)
            group.targets = {key: t for key, t in group.targets.items() if t.id != id_}

    def state(self, arn: str, id_: str) -> str:
        """The state of a target by its address; empty when it is not registered."""
        with self._lock:
            for target in self.group(arn).targets.values():
                if target.id == id_:
                    return target.state
        return ""

    def describe(self, arn: str, asked: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """`TargetHealthDescriptions` for the targets asked for, or for all."""
        with self._lock:
            group = self.group(arn)
            wanted = [(one["Id"], int(one.get("Port") or group.port)) for one in asked]
            keys = wanted or sorted(group.targets)
            return [_description(group, key) for key in keys]

    async def run(self) -> None:
        """Check every target once a second, until cancelled."""
        while True:
            begun = time.monotonic()
            await asyncio.gather(*(self._look(group) for group in self.groups()))
            await asyncio.sleep(max(0.05, _PACE - (time.monotonic() - begun)))

    async def _look(self, group: CheckedGroup) -> None:
        self._forget_drained(group)
        targets = [t for t in group.targets.values() if t.state != "draining"]
        results = await asyncio.gather(*(self._ask(group, target) for target in targets))
        with self._lock:
            for target, result in zip(targets, results, strict=True):
                if target.state != "draining":
                    _judge(group.check, target, result)

    def _forget_drained(self, group: CheckedGroup) -> None:
        with self._lock:
            group.targets = {
                key: target
                for key, target in group.targets.items()
                if target.state != "draining" or time.time() - target.since < _DRAINING
            }

    async def _ask(self, group: CheckedGroup, target: RegisteredTarget) -> int | str:
        """The status that the target answered with, or the reason code of a failure."""
        port = self._directory(target.id, target.port)
        if port is None:
            return "Target.FailedHealthChecks"
        try:
            async with asyncio.timeout(min(group.check.timeout, _LIMIT)):
                return await status_of(port, group.check.path)
        except TimeoutError:
            return "Target.Timeout"
        except (OSError, ValueError, EOFError):
            return "Target.FailedHealthChecks"


async def status_of(port: int, path: str) -> int:
    """The status of a GET on 127.0.0.1. Raises `OSError`, `ValueError` for what is not HTTP."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: ELB-HealthChecker/2.0\r\n"
        writer.write(request.encode() + b"Connection: close\r\n\r\n")
        line = await reader.readline()
        return int(line.split(b" ", 2)[1]) if line.startswith(b"HTTP/") else _not_http()
    except IndexError:
        return _not_http()
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _not_http() -> int:
    raise ValueError("not HTTP")


def _judge(check: GroupCheck, target: RegisteredTarget, result: int | str) -> None:
    if isinstance(result, int) and check.matches(result):
        target.passed, target.failed = target.passed + 1, 0
        if target.passed >= (1 if target.state == "initial" else check.healthy):
            target.turn("healthy")
        return
    target.passed, target.failed = 0, target.failed + 1
    if target.failed < check.unhealthy and target.state != "unhealthy":
        return
    if isinstance(result, int):
        text = f"Health checks failed with these codes: [{result}]"
        target.turn("unhealthy", "Target.ResponseCodeMismatch", text)
    elif result == "Target.Timeout":
        target.turn("unhealthy", result, "Request timed out")
    else:
        target.turn("unhealthy", result, "Health checks failed")


def _description(group: CheckedGroup, key: tuple[str, int]) -> dict[str, Any]:
    target = group.targets.get(key)
    if target is None:
        return {
            "Target": {"Id": key[0], "Port": key[1]},
            "TargetHealth": {
                "State": "unused",
                "Reason": "Target.NotRegistered",
                "Description": "Target is not registered to the target group",
            },
        }
    health = {"State": target.state}
    if target.reason:
        health |= {"Reason": target.reason, "Description": target.description}
    place = {"Id": target.id, "Port": target.port, "AvailabilityZone": target.zone}
    return {"Target": place, "HealthCheckPort": str(target.port), "TargetHealth": health}
