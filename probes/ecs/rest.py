"""Findings about a service as a whole: that it goes away, that it comes to no rest."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import duration
from probes.began import TOLD
from probes.ecs.begun import first_event
from probes.ecs.model import Snapshot
from probes.ecs.settings import Settings
from probes.ecs.tasks import since_steady


def service_gone(snapshot: Snapshot) -> Iterator[Finding]:
    """The service is being deleted, or is gone: nothing keeps its tasks running.

    Nothing else is judged then. CloudTrail names the caller of DeleteService.
    """
    status = snapshot.service.status
    if status != "ACTIVE":
        yield Finding(
            "ECS_SERVICE_DRAINING_OR_GONE",
            Severity.CRITICAL,
            f"the service is {status}",
            evidence=(Evidence("status", status), Evidence("running", snapshot.running)),
            likely=("it was deleted",),
            next="find the caller of DeleteService in CloudTrail",
        )


def unsteady(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Events keep coming and none says that the service came to rest.

    Identical events are hidden for six hours, so silence proves nothing and is not judged.
    """
    newer = since_steady(snapshot)
    if not newer or snapshot.desired == 0:
        return
    lasted = (snapshot.at - newer[-1].at).total_seconds()
    quiet = (snapshot.at - newer[0].at).total_seconds()
    if lasted < settings.unsteady or quiet > settings.unsteady / 2 or len(newer) < 3:
        return
    yield Finding(
        "ECS_NO_STEADY_STATE",
        Severity.WARNING,
        f"no steady state for {duration(lasted)}: {newer[0].message}",
        evidence=(
            Evidence("unsteady for", lasted, "s", limit=settings.unsteady),
            Evidence("events", len(newer)),
            *(
                Evidence(f"event {number}", event.message)
                for number, event in enumerate(newer[:3], start=1)
            ),
        ),
        likely=("tasks start and stop again", "tasks cannot be placed"),
        next="read the events in order",
        began=first_event(snapshot, newer),
        resolution=TOLD,
    )
