"""What a stage serves, since when, and whether it could be deployed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import duration
from probes.api_gateway.answers import age
from probes.api_gateway.model import ApiIntegration, IntegrationChange, Snapshot
from probes.api_gateway.reach import unknown
from probes.api_gateway.settings import Settings
from probes.began import TOLD, told
from probes.metrics import Rate

_CHANGES_KEPT = 3600.0
"""Seconds for which an edit goes on being told."""
_MOST = 20
_CACHES = frozenset(
    ["CREATE_IN_PROGRESS", "AVAILABLE", "DELETE_IN_PROGRESS", "NOT_AVAILABLE", "FLUSH_IN_PROGRESS"]
)


def deployment(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """What the stage serves, and whether it could be deployed.

    APIGW_NOT_DEPLOYED: The stage has no deployment: every request gets a 403 or 404.

    APIGW_DEPLOY_FAILED: The newest deployment failed. The stage goes on serving the one before.
    """
    if not snapshot.deployment and not snapshot.auto_deploy:
        yield Finding(
            "APIGW_NOT_DEPLOYED",
            Severity.CRITICAL,
            f"stage {snapshot.stage} has no deployment: it answers nothing",
            evidence=(Evidence("deployments of the API", len(snapshot.deployments)),),
            likely=("somebody took it away", "a stage that was never deployed to"),
            next="who changed the stage last?",
        )
    newest = snapshot.deployments[0] if snapshot.deployments else None
    failed = newest is not None and newest.status == "FAILED"
    if (
        snapshot.deploy_message.lower().startswith(("deployment attempt failed", "failed"))
        or failed
    ):
        said = snapshot.deploy_message or (newest.message if newest else "")
        yield Finding(
            "APIGW_DEPLOY_FAILED",
            Severity.WARNING,
            f"the newest deployment failed{f': {said}' if said else ''}",
            evidence=(
                Evidence("deployment", newest.id if newest else None),
                Evidence("served", snapshot.deployment or None),
            ),
            likely=("a route or an integration that AWS does not take",),
            next="the stage serves the deployment from before: mend what is named",
        )
    if newest is not None and newest.status not in {"", "PENDING", "FAILED", "DEPLOYED"}:
        yield unknown("the newest deployment", newest.status, (Evidence("id", newest.id),))
    if snapshot.cache and snapshot.cache not in _CACHES:
        yield unknown("the stage's cache", snapshot.cache, ())


def changed(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The stage serves what was deployed within the hour.

    APIGW_DEPLOYED_RECENTLY: A suspect for what began after it; a warning when 5xx began within ten
    minutes of it. Of a canary the share is told.
    """
    since = snapshot.served_since
    old = age(snapshot)
    if since is None or old is None or not 0 <= old < settings.recent:
        return
    before, after = _around(snapshot, settings)
    worse = (
        after.enough(settings.few_requests)
        and (settings.errors.grade(after.share) is not None)
        and (before.share is None or (after.share or 0) >= 3 * before.share)
    )
    made = snapshot.deployed
    canary = f", and a canary gets {snapshot.canary_percent:g}%" if snapshot.canary_percent else ""
    yield Finding(
        "APIGW_DEPLOYED_RECENTLY",
        Severity.WARNING if worse else Severity.INFO,
        f"stage {snapshot.stage} serves deployment {snapshot.deployment} since {duration(old)}"
        f"{canary}{', and 5xx began after it' if worse else ''}",
        evidence=(
            Evidence("deployment", snapshot.deployment),
            Evidence("description", (made.description if made else "") or None),
            Evidence("before", snapshot.previous_deployment or None),
            Evidence("5xx after it", after.share, "share"),
            Evidence("5xx before it", before.share, "share"),
        ),
        against=() if worse else ("no more 5xx than before it, so far as metrics tell",),
        next="go back to the deployment that served before"
        if worse
        else "did what is wrong begin after it?",
        began=told(since, snapshot.at),
        resolution=TOLD,
    )


def _around(snapshot: Snapshot, settings: Settings) -> tuple[Rate, Rate]:
    """5xx of the minutes before and after it began to serve."""
    since = snapshot.served_since
    assert since is not None
    span = settings.after_deployment
    found = []
    for first, last in ((-span, 0.0), (60.0, 60.0 + span)):
        sums = [
            sum(
                value
                for moment, value in zip(series.times, series.values, strict=False)
                if first <= (moment - since).total_seconds() < last
            )
            for series in (snapshot.errors, snapshot.requests)
        ]
        found.append(Rate(sums[0], sums[1]))
    return found[0], found[1]


def integrations(snapshot: Snapshot, _: Settings) -> Iterator[Finding]:
    """What answers a route was edited while we looked: its type, address or time limit.

    A stage of a REST API serves the edit once it is deployed; one that deploys by itself at once.
    """
    at_once = snapshot.auto_deploy
    for each in snapshot.integration_changes:
        yield Finding(
            "APIGW_INTEGRATION_CHANGED",
            Severity.WARNING,
            f"what answers {each.route} was changed",
            subject=each.route,
            evidence=(
                Evidence("before", each.before),
                Evidence("now", each.after),
                Evidence("noticed", (snapshot.at - each.at).total_seconds(), "s ago"),
            ),
            against=() if at_once else ("it is served only once it is deployed to the stage",),
            next="who edited it, and did what is wrong begin after it?",
        )


def edited(before: Snapshot, now: Snapshot) -> Snapshot:
    """The later look with what was changed between the two, and in the hour before."""
    kept = tuple(
        each
        for each in before.integration_changes
        if (now.at - each.at).total_seconds() < _CHANGES_KEPT
    )
    old = before.last_integrations
    if old is None:
        old = before.integrations
    if now.integrations is None:
        return replace(now, last_integrations=old, integration_changes=kept)
    was = {each.route: _told(each) for each in old or ()} if old is not None else {}
    is_ = {each.route: _told(each) for each in now.integrations}
    fresh = tuple(
        IntegrationChange(
            at=now.at,
            route=route,
            before=was.get(route, "nothing"),
            after=is_.get(route, "nothing"),
        )
        for route in sorted(was.keys() | is_.keys())
        if old is not None and was.get(route) != is_.get(route)
    )
    again = {each.route for each in fresh}
    kept = tuple(each for each in kept if each.route not in again)
    return replace(
        now,
        last_integrations=now.integrations,
        integration_changes=(*fresh[:_MOST], *kept)[:_MOST],
    )


def _told(each: ApiIntegration) -> str:
    limit = "" if each.timeout is None else f", at most {duration(each.timeout)}"
    return f"{each.type} {each.function or each.uri}{limit}"
