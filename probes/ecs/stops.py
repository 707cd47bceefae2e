"""Why a task stopped, sorted into the few kinds that can be acted on.

Source: ECS Developer Guide, "Stopped tasks error messages". What a text means is for
`probes.ecs.failure`; the raw text stays as evidence.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from probes.ecs.failure import Failure, failure_of
from probes.ecs.model import Stop, TaskDefinition, name_of
from probes.ecs.phrases import Cause, Resource

SIGKILL = 137
SIGTERM = 143

_EXITED = "EssentialContainerExited"
_FAILED_TO_START = "TaskFailedToStart"
_RETIRED = frozenset({"TerminationNotice", "InfrastructureHealth"})
_PERSON = "UserInitiated"
_SPOT = "SpotInterruption"
_SCHEDULER = "ServiceSchedulerInitiated"
_LISTED = frozenset({_FAILED_TO_START, _EXITED, _PERSON, _SPOT, _SCHEDULER, *_RETIRED, ""})
_BY_ITSELF = frozenset({_FAILED_TO_START, _EXITED, ""})
"""Stop codes of tasks that ended by themselves: with others, the text tells who ended them."""

_PULL_KINDS = {
    Cause.THROTTLED: "rate limit",
    Cause.MISSING: "image missing",
    Cause.MISSING_OR_DENIED: "image missing or access",
    Cause.DENIED: "access",
    Cause.TIMEOUT: "network",
    Cause.UNKNOWN: "other",
}
_SET_UP_KINDS = {
    Resource.SECRET: "secrets",
    Resource.PARAMETER: "secrets",
    Resource.SECRET_OR_REGISTRY: "secrets",
    Resource.FILE_SYSTEM: "efs",
    Resource.UNKNOWN: "other",
}
_PLACEMENT_KINDS = {
    Cause.ADDRESSES: "subnet addresses",
    Cause.CAPACITY: "capacity",
    Cause.QUOTA: "quota",
    Cause.AGENT: "agent",
}

EXIT_CODES = {
    0: "ended by itself, which a service never should",
    1: "application error",
    2: "application error",
    126: "entry point cannot be run",
    127: "entry point not found",
    SIGKILL: "killed (SIGKILL)",
    139: "segmentation fault",
    SIGTERM: "asked to stop (SIGTERM)",
    255: "unknown, or the host",
}


def texts(stop: Stop) -> Iterable[str]:
    """Every reason that the task and its containers give, the task's first."""
    yield stop.reason
    yield from (container.reason for container in stop.containers)


def reason(stop: Stop) -> str:
    """The most telling text: a container's own when the task's only says that it did not start."""
    told = [each for each in texts(stop) if each]
    if not told:
        return stop.stop_code or "no reason given"
    first, own = told[0], told[1:]
    meaning = failure_of(first)
    if not own or meaning.telling or stop.stop_code not in _BY_ITSELF:
        return first
    said_nothing = meaning.cause in {Cause.EXITED, Cause.NOT_STARTED}
    telling = (each for each in own if failure_of(each).telling)
    return next(telling, own[0] if said_nothing else first)


def failure(stop: Stop) -> Failure:
    """What the most telling text means."""
    return failure_of(reason(stop))


def within(stops: Iterable[Stop], at: datetime, seconds: float) -> tuple[Stop, ...]:
    """The stops of the last `seconds` before the look."""
    start = at - timedelta(seconds=seconds)
    return tuple(stop for stop in stops if stop.stopped_at >= start)


def pull_failure(stop: Stop) -> str:
    """What kept the image from being pulled; empty when that is not why it stopped."""
    told = failure(stop)
    if stop.stop_code not in _BY_ITSELF or not told.pulling:
        return ""
    return _PULL_KINDS.get(told.cause, told.cause.value)


def init_failure(stop: Stop) -> str:
    """Which resource could not be set up before the start; empty when that is not it."""
    told = failure(stop)
    if stop.stop_code not in _BY_ITSELF or not told.setting_up:
        return ""
    return _SET_UP_KINDS.get(told.resource, told.resource.value)


def killed_by_checks(stop: Stop) -> bool:
    """The load balancer's or the container's health check ended it."""
    return Cause.HEALTH_CHECK in _causes(stop)


def _causes(stop: Stop) -> set[Cause]:
    """The causes that AWS tells; what a person wrote who stopped the task is no sign of any."""
    told = texts(replace(stop, reason="") if stopped_by_user(stop) else stop)
    return {failure_of(each).cause for each in told}


def placement_failure(stop: Stop) -> str:
    """What there was too little of to place the task; empty when that is not why it stopped."""
    told = failure_of(stop.reason)
    if stop.stop_code not in {_FAILED_TO_START, ""}:
        return ""
    if told.resource is Resource.INTERFACE and not told.setting_up:
        return _PLACEMENT_KINDS.get(told.cause, "network interface")
    return _PLACEMENT_KINDS.get(told.cause, "")


def out_of_memory(stop: Stop) -> bool:
    """The kernel killed a container for its memory.

    Told by the reason; or by exit code 137 when nobody asked the task to stop. A container that
    was killed because *another* one ended (its code is something else) is no sign of it, and 137
    after a stop by the scheduler or a person only means that it did not end in its 30 seconds.
    """
    if Cause.MEMORY in _causes(stop):
        return True
    if stop.stop_code != _EXITED or killed_by_checks(stop):
        return False
    codes = {each.exit_code for each in stop.containers}
    return SIGKILL in codes and codes <= {SIGKILL, SIGTERM, None}


def crashed(stop: Stop) -> bool:
    """It ended, or failed to start, by its own doing: neither asked to nor killed by a check."""
    if pull_failure(stop) or init_failure(stop) or killed_by_checks(stop):
        return False
    if stop.stop_code == _FAILED_TO_START:
        return any(failure_of(each).starting for each in texts(stop))
    if stop.stop_code != _EXITED:
        return False
    codes = [each.exit_code for each in stop.containers if each.exit_code is not None]
    return not codes or any(code != SIGTERM for code in codes)


def stopped_by_user(stop: Stop) -> bool:
    """A person, or a chaos experiment, called `StopTask`."""
    return stop.stop_code == _PERSON


def interrupted(stop: Stop) -> bool:
    """AWS took the Spot capacity back."""
    return stop.stop_code == _SPOT


def normal(stop: Stop) -> bool:
    """A stop that the scheduler or AWS maintenance made: a roll-out, a scale-in, a retirement."""
    if killed_by_checks(stop):
        return False
    return stop.stop_code == _SCHEDULER or stop.stop_code in _RETIRED


def retired(stop: Stop) -> bool:
    """AWS ended it: maintenance beneath, or a host that was not well."""
    return stop.stop_code in _RETIRED and not killed_by_checks(stop)


def unlisted(stop: Stop) -> bool:
    """It ended with a code that AWS did not document when this was written."""
    return stop.stop_code not in _LISTED and not (killed_by_checks(stop) or out_of_memory(stop))


def start_failure(stop: Stop) -> bool:
    """It did not start, and for none of the reasons that are told by a finding of their own."""
    if stop.stop_code != _FAILED_TO_START or killed_by_checks(stop) or out_of_memory(stop):
        return False
    known = pull_failure(stop) or init_failure(stop) or placement_failure(stop) or crashed(stop)
    return not known


def exit_codes(stops: Iterable[Stop]) -> str:
    """`1 ×5 (application error), 137 ×1 (killed (SIGKILL))`, the most frequent first."""
    tally: dict[int, int] = {}
    for stop in stops:
        for container in stop.containers:
            if container.exit_code is not None:
                tally[container.exit_code] = tally.get(container.exit_code, 0) + 1
    ordered = sorted(tally.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(
        f"{code} ×{times}" + (f" ({EXIT_CODES[code]})" if code in EXIT_CODES else "")
        for code, times in ordered
    )


def differences(before: TaskDefinition, after: TaskDefinition) -> tuple[tuple[str, str, str], ...]:
    """(what, before, after) of two revisions; environment and secrets by name only.

    A value that changed under the same name cannot be seen, since values are never read.
    """
    found = [
        ("task cpu", before.cpu, after.cpu),
        ("task memory", before.memory, after.memory),
        ("task role", name_of(before.task_role), name_of(after.task_role)),
        ("execution role", name_of(before.execution_role), name_of(after.execution_role)),
    ]
    old = {each.name: each for each in before.containers}
    new = {each.name: each for each in after.containers}
    for name in sorted(old.keys() | new.keys()):
        was, now = old.get(name), new.get(name)
        if was is None or now is None:
            found.append((f"{name}", "absent" if was is None else "there", _there(now is None)))
            continue
        found += [
            (f"{name} image", was.image, now.image),
            (f"{name} cpu", _shown(was.cpu), _shown(now.cpu)),
            (f"{name} memory", _shown(was.memory), _shown(now.memory)),
            (f"{name} health check", was.health_check, now.health_check),
            (f"{name} environment", *_only(was.environment, now.environment)),
            (f"{name} secrets", *_only(was.secrets, now.secrets)),
        ]
    return tuple(each for each in found if each[1] != each[2])


def difference_text(changes: Iterable[tuple[str, str, str]]) -> str:
    """`web image :1.8 → :1.9; web environment without PAYMENT_URL`, for one line."""
    return "; ".join(_one(what, before, after) for what, before, after in changes)


def _one(what: str, before: str, after: str) -> str:
    if what.endswith((" environment", " secrets")):
        parts = [f"without {before}"] if before else []
        parts += [f"with new {after}"] if after else []
        return f"{what} {' and '.join(parts)}"
    if what.endswith(" image"):
        return f"{what} {short_image(before, after)} → {short_image(after, before)}"
    return f"{what} {before or 'not set'} → {after or 'not set'}"


def short_image(image: str, other: str = "") -> str:
    """The image without its registry; only the tag when `other` is the same repository."""
    short = name_of(image)
    same = short.partition(":")[0] == name_of(other).partition(":")[0]
    return ":" + short.partition(":")[2] if same and ":" in short else short


def _only(before: tuple[str, ...], after: tuple[str, ...]) -> tuple[str, str]:
    gone = sorted(set(before) - set(after))
    came = sorted(set(after) - set(before))
    return ", ".join(gone), ", ".join(came)


def _shown(value: int | None) -> str:
    return "" if value is None else str(value)


def _there(gone: bool) -> str:
    return "absent" if gone else "there"
