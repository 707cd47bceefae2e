"""What is asked only in trouble or after a release: integrations, links, lines, rights, history."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

from cockpit.connect.aws.answer import answer_into, answers_into
from cockpit.connect.session import AwsReads
from cockpit.errors import BlindError, Reason
from cockpit.text import visible
from probes.api_gateway import lines
from probes.api_gateway.model import (
    REST,
    ApiLink,
    Snapshot,
    StagePointed,
    hurts,
    is_young,
)
from probes.api_gateway.read import (
    http_integration,
    http_link,
    plan_of,
    pointed_in,
    rest_integrations,
    rest_link,
)
from probes.api_gateway.rights import lets_in
from probes.api_gateway.rows import (
    GatewayAccount,
    HttpIntegrationRow,
    HttpLinkRow,
    RestLinkRow,
    RestPathRow,
    UsagePlanRow,
)
from probes.log_lines import log_lines
from probes.metrics import settled, total
from probes.trail import recorded

_LINES = 200
_BACK = timedelta(minutes=10)
_DAY = 86400.0
_BUSY = 500.0
_FUNCTIONS = 5
_SLOW = 20.0


async def behind(aws: AwsReads, look: Snapshot) -> Snapshot:
    """The look with what answers its requests, in trouble and on its first day."""
    slow = (look.latency_p99 or 0) >= _SLOW
    if not hurts(look) and not slow and not is_young(look, _DAY):
        return look
    if look.protocol == REST:
        rows = await aws.pages(
            "apigateway",
            "GetResources",
            key="items",
            restApiId=look.id,
            embed=["methods"],
            limit=500,
        )
        found = tuple(rest_integrations(answers_into(rows, RestPathRow)))
    else:
        rows = await aws.pages("apigatewayv2", "GetIntegrations", key="Items", ApiId=look.id)
        found = tuple(map(http_integration, answers_into(rows, HttpIntegrationRow)))
    return replace(look, integrations=found)


async def linked(aws: AwsReads, look: Snapshot) -> tuple[ApiLink, ...]:
    """The VPC links that its integrations go through."""
    wanted = {each.link for each in look.integrations or () if each.link}
    if not wanted:
        return ()
    if look.protocol == REST:
        rows = await aws.pages("apigateway", "GetVpcLinks", key="items")
        known = tuple(map(rest_link, answers_into(rows, RestLinkRow)))
    else:
        rows = await aws.pages("apigatewayv2", "GetVpcLinks", key="Items")
        known = tuple(map(http_link, answers_into(rows, HttpLinkRow)))
    links = {each.id: each for each in known}
    gone = (ApiLink(id=each, name=each, status="DELETED") for each in sorted(wanted - set(links)))
    return (*(links[each] for each in sorted(wanted & set(links))), *gone)


async def limited(aws: AwsReads, look: Snapshot) -> Snapshot:
    """The look with the account's limit, when requests could come near it, and with the usage
    plans of the stage when clients are refused.
    """
    done = total(settled(look.requests, look.at))
    refused = total(settled(look.client_errors, look.at))
    if look.protocol != REST or (not refused and not (done and done / 300 >= _BUSY)):
        return look
    row = answer_into(await aws.read("apigateway", "GetAccount"), GatewayAccount)
    limits = row.throttle_settings
    look = replace(look, account_rate=limits.rate_limit, account_burst=limits.burst_limit)
    if not refused:
        return look
    rows = await aws.pages("apigateway", "GetUsagePlans", key="items", limit=500)
    here = (look.id, look.stage)
    plans = answers_into(rows, UsagePlanRow)
    mine = (p for p in plans if here in {(each.api_id, each.stage) for each in p.api_stages})
    return replace(look, plans=tuple(map(plan_of, mine)))


async def logged(aws: AwsReads, look: Snapshot) -> Snapshot:
    """The look with the answers 429 and 5xx of its access log, when there are any to explain."""
    wanted = lines.pattern(look.log_format)
    trouble = hurts(look) or total(settled(look.client_errors, look.at))
    if not look.log_group or not wanted or not trouble:
        return look
    start, end = look.at - _BACK, look.at
    found = await log_lines(
        aws, look.log_group, wanted, start=start, end=end, most=_LINES, into=lines.AccessLine
    )
    kinds = lines.answers_of(found, look.log_format)
    return replace(look, logs_read=True, lines=len(found), answers=kinds)


async def permitted(aws: AwsReads, look: Snapshot) -> Snapshot:
    """The look with the functions whose own policy does not let this API in.

    Asked while requests fail. One that is called with a role needs no such permission.
    """
    known = look.integrations or ()
    called = dict.fromkeys(each.function for each in known if each.function and not each.role)
    if not hurts(look) or not called:
        return look
    shut = [arn for arn in list(called)[:_FUNCTIONS] if not await _lets_in(aws, look, arn)]
    gone = tuple([arn for arn in shut if not await _is_there(aws, arn)])
    look = replace(look, gone=gone)
    shut = [arn for arn in shut if arn not in gone]
    if not shut:
        return look
    place = shut[0].split(":")
    source = f"arn:{place[1]}:execute-api:{place[3]}:{place[4]}:{look.id}/{look.stage}/*"
    name = re.sub(r"[^\w-]", "", f"cockpit-{look.id}-{look.stage}", flags=re.ASCII)
    return replace(look, forbidden=tuple(shut), source_arn=source, statement_id=name)


def _named(arn: str) -> dict[str, object]:
    parts = arn.split(":")
    asked: dict[str, object] = {"FunctionName": ":".join(parts[:7])}
    return asked | ({"Qualifier": parts[7]} if len(parts) > 7 else {})


async def _is_there(aws: AwsReads, arn: str) -> bool:
    """Whether it has only no policy: AWS answers the same for a function that was deleted."""
    try:
        await aws.read("lambda", "GetFunctionConfiguration", expect="FunctionName", **_named(arn))
    except BlindError as error:
        return error.reason is not Reason.MISSING
    return True


async def _lets_in(aws: AwsReads, look: Snapshot, arn: str) -> bool:
    try:
        answer = await aws.read("lambda", "GetPolicy", expect="Policy", **_named(arn))
    except BlindError as error:
        if error.reason is Reason.MISSING:  # no policy, or no such function: neither lets it in
            return False
        raise
    return lets_in(str(answer["Policy"]), look.id, look.stage)


async def pointed(aws: AwsReads, look: Snapshot) -> Snapshot:
    """The look with the deployment that the stage served before, by the stage's own history.

    Asked in trouble and after a release only: CloudTrail takes two questions a second. A list of
    deployments is no history of a stage: the API may have several, and a deployment needs none.
    """
    if look.auto_deploy or not (hurts(look) or is_young(look, _DAY) or look.canary_deployment):
        return look
    start = (look.at - timedelta(days=30)).replace(minute=0, second=0, microsecond=0)
    moves = [
        StagePointed(at=call.at, deployment=deployment, actor=call.actor)
        for call in await recorded(aws, "CreateDeployment", "UpdateStage", start=start)
        if (deployment := visible(pointed_in(call.event, look), 100))
    ]
    previous = previous_of(look, moves)
    known_by = "where CloudTrail says that the stage pointed before" if previous else ""
    return replace(
        look,
        pointed=tuple(moves[:10]),
        previous_deployment=previous,
        previous_known_by=known_by,
    )


def previous_of(look: Snapshot, moves: list[StagePointed]) -> str:
    """The deployment before the current one, out of moves that are newest first, if it is still
    there; empty: not known.

    When the current one had served before that one too, somebody went back to it already, and to go
    "back" once more would bring the bad one.
    """
    served = [each.deployment for each in moves]
    while served and served[0] == look.deployment:
        served.pop(0)
    if not served or look.deployment in served:
        return ""
    there = {each.id for each in look.deployments}
    return served[0] if served[0] in there else ""
