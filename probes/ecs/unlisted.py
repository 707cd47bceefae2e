"""Findings about tasks that no list explains, in AWS's words; and those that it calls sick.

Source: ECS Developer Guide, "Stopped tasks error messages". The list grows, so what is not known is
told as itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import count
from probes.began import TOLD
from probes.ecs import stops
from probes.ecs.begun import first_stop
from probes.ecs.model import Snapshot, Stop, name_of
from probes.ecs.settings import Settings
from probes.ecs.starts import holds_up
from probes.ecs.tasks import by_definition, changed, floor, of_today, span


def not_started(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Tasks did not start, for a reason that is none of the known ones.

    AWS's words stand in the summary. What runs goes on; nothing can be replaced or added while
    every start fails. Critical when a deployment waits for it, or too few tasks run.
    """
    recent = of_today(snapshot, settings.start_window)
    failed = [stop for stop in recent if stops.start_failure(stop)]
    for definition, group in by_definition(failed).items():
        severity = settings.not_started.grade(len(group))
        if severity is None:
            continue
        if not (holds_up(snapshot, definition) or snapshot.running < floor(snapshot)):
            severity = min(severity, Severity.WARNING)
        name = name_of(definition)
        yield Finding(
            "ECS_TASK_NOT_STARTED",
            severity,
            f"{count(len(group), 'task')} of {name} did not start: {stops.reason(group[0])}",
            subject=name,
            evidence=(
                Evidence("did not start", len(group), limit=settings.not_started.first),
                *_reasons(group),
                Evidence("running", snapshot.running, limit=snapshot.desired),
                *changed(snapshot, definition),
            ),
            likely=("what the reason names: its words are AWS's own",),
            next="read the reason; look for it at AWS Health and in the newest events",
            began=first_stop(snapshot, stops.start_failure, definition=definition),
            resolution=TOLD,
        )


def _reasons(group: list[Stop]) -> Iterator[Evidence]:
    """The three most frequent texts; one alone stands in the summary already."""
    texts = Counter(map(stops.reason, group)).most_common(3)
    for number, (text, times) in enumerate(texts if len(texts) > 1 else (), 1):
        yield Evidence(f"reason {number}", f"{text} ×{times}")


def retired(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """AWS ended tasks: it retires them, or their host was not well.

    The service replaces them. It matters when the replacements do not run, or when it is a large
    share of the service. AWS Health tells such retirements days before.
    """
    recent = stops.within(snapshot.stopped, snapshot.at, settings.retired_window)
    found = [stop for stop in recent if stops.retired(stop)]
    severity = settings.retired_share.grade(len(found) / max(snapshot.desired, 1))
    if not found or severity is None:
        return
    if snapshot.running < floor(snapshot):
        severity = max(severity, Severity.WARNING)
    yield Finding(
        "ECS_TASKS_RETIRED",
        severity,
        f"AWS ended {count(len(found), 'task')} in {span(settings.retired_window)}: "
        f"{stops.reason(found[0])}",
        evidence=(
            Evidence("ended", len(found)),
            Evidence("desired", snapshot.desired),
            Evidence("running", snapshot.running),
            Evidence("stop code", ", ".join(dict.fromkeys(stop.stop_code for stop in found))),
        ),
        likely=("AWS retires tasks of an old platform version", "the host beneath was not well"),
        next="look at AWS Health, and whether the replacements run",
        began=first_stop(snapshot, stops.retired),
        resolution=TOLD,
    )


def ended_otherwise(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Tasks were stopped with a code that is not known here.

    It is told as AWS spells it; whether it does harm, the count of running tasks tells.
    """
    recent = stops.within(snapshot.stopped, snapshot.at, settings.start_window)
    groups: dict[str, list[Stop]] = {}
    for stop in recent:
        if stops.unlisted(stop):
            groups.setdefault(stop.stop_code, []).append(stop)
    for code, group in groups.items():
        yield Finding(
            "ECS_TASKS_ENDED_OTHERWISE",
            Severity.WARNING,
            f"{count(len(group), 'task')} stopped with the code {code}: {stops.reason(group[0])}",
            subject=code,
            evidence=(
                Evidence("stopped", len(group)),
                *_reasons(group),
                Evidence("running", snapshot.running, limit=snapshot.desired),
            ),
            next="read the reason; the code is newer than this list",
            began=first_stop(snapshot, stops.unlisted, code=code),
            resolution=TOLD,
        )


def unhealthy(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Running tasks fail the health check of their own container.

    ECS ends and replaces them, unless the deployment's percentages forbid it: then they stay.
    UNKNOWN (no check, or not yet judged) is not counted.
    """
    live = snapshot.tasks or ()
    sick = [task for task in live if task.health == "UNHEALTHY"]
    severity = settings.unhealthy_share.grade(len(sick) / len(live)) if sick else None
    if severity is None:
        return
    yield Finding(
        "ECS_TASKS_UNHEALTHY",
        severity,
        f"{len(sick)} of {count(len(live), 'running task')} are UNHEALTHY",
        evidence=(
            Evidence("UNHEALTHY", len(sick)),
            Evidence("running", len(live)),
            Evidence("share", len(sick) / len(live), "share", settings.unhealthy_share.first),
            Evidence("tasks", ", ".join(sorted(name_of(task.arn) for task in sick[:5]))),
        ),
        likely=(
            "the application hangs, or waits for what it needs",
            "the health check is wrong, or its time too short",
        ),
        next="read the log of one of them, then what its health check calls",
        fact=False,
    )
