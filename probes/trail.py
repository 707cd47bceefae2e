"""CloudTrail as every family reads it: `LookupEvents`, newest first, and an event as written down.

Source: CloudTrail User Guide (the form of an event; `LookupEvents` takes one attribute, gives 50 a
page, and two calls a second for an account and region; Lambda's names carry the date of its API).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cockpit.connect.aws.answer import Answer, GivenText, answer_into
from cockpit.connect.session import AwsReads
from cockpit.errors import BlindError, Reason
from cockpit.text import SafeText, visible
from cockpit.triage.changes import PERSON, PIPELINE, ROOT, SERVICE
from probes.answers import Gap, gap_of

LATE = timedelta(minutes=15)
"""CloudTrail delivers an event within about five, at most about 15 minutes (its user guide)."""
OVERLAP = LATE + timedelta(minutes=1)
"""What is asked for again: events may have come since, between those that are known."""
_PAGE = 50
_PAGES = 6
_DEEPEST = 12
_LONGEST = 20_000
_CLIENTS = {
    "elasticloadbalancing": "elbv2",
    "monitoring": "cloudwatch",
    "states": "stepfunctions",
}
_DATED = re.compile(r"(\d{8}|\d{4}_\d{2}_\d{2})(v\d+)?$")
_DENIED = ("AccessDenied", "UnauthorizedOperation")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiEvent:
    """One call that CloudTrail wrote down. Secrets in its parameters are masked already."""

    id: str
    at: datetime
    service: str
    """`ecs`, `ec2`, `elbv2`: as the client is called."""
    name: str
    """`UpdateService`; without the date that Lambda's events carry."""
    reads: bool = False
    """It changes nothing."""
    actor: str = ""
    by: str = ""
    """`person`, `pipeline`, `root`, `service`; empty: it does not say."""
    address: str = ""
    agent: str = ""
    error: str = ""
    """The error code; empty: it went through."""
    message: str = ""
    resources: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    answer: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    """What a service adds, such as whether a login had a second factor."""
    identity: str = ""
    """`IAMUser`, `AssumedRole`, `Root`, …: as CloudTrail says it."""

    @property
    def call(self) -> str:
        """`ecs.UpdateService`."""
        return f"{self.service}.{self.name}"


def is_denied(event: ApiEvent) -> bool:
    """A right was missing."""
    return any(word in event.error for word in _DENIED)


async def lookup(
    aws: AwsReads,
    attribute: tuple[str, str],
    *,
    start: datetime,
    end: datetime,
    **token: object,
) -> Mapping[str, object]:
    """One page, newest first."""
    key, value = attribute
    return await aws.read(
        "cloudtrail",
        "LookupEvents",
        expect="Events",
        LookupAttributes=[{"AttributeKey": key, "AttributeValue": value}],
        StartTime=start,
        EndTime=end,
        MaxResults=_PAGE,
        **token,
    )


async def pages(
    aws: AwsReads,
    attribute: tuple[str, str],
    keep: Callable[[list[ApiEvent]], None],
    *,
    start: datetime,
    end: datetime,
    gaps: list[Gap],
) -> datetime:
    """Hand on each of the newest six pages; gives from when on everything was read.

    Raises `BlindError` when nothing came; a later page that fails is told in `gaps`.
    """
    token: dict[str, object] = {}
    oldest = end
    for page in range(_PAGES):
        try:
            answer = await lookup(aws, attribute, start=start, end=end, **token)
        except BlindError as error:
            if not page:
                raise
            gaps.append(gap_of("CloudTrail", error))
            return oldest
        found = events_of(answer)
        keep(found)
        oldest = min([oldest, *(event.at for event in found)])
        following = answer.get("NextToken")
        if not following:
            return start
        token = {"NextToken": following}
    return oldest


def events_of(answer: Mapping[str, object]) -> list[ApiEvent]:
    """The events of a page."""
    rows = answer.get("Events")
    return [event_of(row) for row in rows] if isinstance(rows, list) else []


class RecordedCallRow(Answer, frozen=True):
    """What stands beside the call's own JSON."""

    of = "cloudtrail.Event"

    event_time: datetime
    event_name: SafeText = ""
    username: SafeText = ""


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """A call with its own JSON as CloudTrail holds it, secrets masked: what is put back is taken
    from there, letter by letter. It may be hostile text.
    """

    at: datetime
    name: str
    actor: str
    event: Mapping[str, object]


async def recorded(aws: AwsReads, *names: str, start: datetime) -> list[RecordedCall]:
    """The newest fifty of each of these calls in the place since `start`, newest first.

    Asked by the call's name: by a resource's, the page would be full of our own reads. Raises
    `BlindError`.
    """
    found = []
    for name in names:
        answer = await aws.read(
            "cloudtrail",
            "LookupEvents",
            expect="Events",
            LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": name}],
            StartTime=start,
            MaxResults=_PAGE,
        )
        rows = answer["Events"]
        if not isinstance(rows, list):
            raise BlindError(Reason.UNREADABLE, "the events of CloudTrail are no list")
        for row in rows:
            told = answer_into(row, RecordedCallRow)
            found.append(RecordedCall(told.event_time, told.event_name, told.username, _json(row)))
    return sorted(found, key=lambda call: call.at, reverse=True)


def client_of(source: str) -> str:
    """`ecs.amazonaws.com` → `ecs`; what clients call otherwise by their name."""
    name = source.partition(".")[0]
    return _CLIENTS.get(name, name)


def plain(name: str) -> str:
    """`UpdateFunctionCode20150331v2` → `UpdateFunctionCode`."""
    return _DATED.sub("", name)


class TrailResourceRow(Answer, frozen=True):
    """What a call was about."""

    resource_type: SafeText = ""
    resource_name: SafeText = ""


class TrailEventRow(Answer, frozen=True):
    """One event of `LookupEvents`; the call itself is JSON in a text of its own."""

    of = "cloudtrail.Event"

    event_id: GivenText
    event_name: GivenText
    event_time: datetime
    event_source: SafeText = ""
    username: SafeText = ""
    read_only: SafeText = ""
    resources: tuple[TrailResourceRow, ...] = ()


def event_of(row: object) -> ApiEvent:
    """One row of `LookupEvents`, with what stands in the call's own JSON."""
    told = answer_into(row, TrailEventRow)
    call = _call(row)
    identity = _structure(call.get("userIdentity"))
    return ApiEvent(
        id=told.event_id,
        at=told.event_time,
        service=client_of(told.event_source),
        name=plain(told.event_name),
        reads=told.read_only.lower() == "true",
        actor=_actor(told.username, identity),
        by=_by(identity, call),
        address=_word(call.get("sourceIPAddress")),
        agent=_word(call.get("userAgent")),
        error=_word(call.get("errorCode")),
        message=_word(call.get("errorMessage")),
        resources=tuple(each.resource_name for each in told.resources if each.resource_name),
        parameters=_structure(call.get("requestParameters")),
        answer=_structure(call.get("responseElements")),
        extra=_structure(call.get("additionalEventData")),
        identity=_word(identity.get("type")),
    )


def _json(row: object) -> Mapping[str, object]:
    """The event's own JSON; empty when it is none: then only the row's own words are told."""
    raw = row.get("CloudTrailEvent") if isinstance(row, Mapping) else None
    try:
        found = json.loads(raw) if isinstance(raw, str) else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _call(row: object) -> Mapping[str, object]:
    """The same, harmless."""
    cleaned = _clean(_json(row), 0)
    return cleaned if isinstance(cleaned, Mapping) else {}


def _clean(value: object, depth: int) -> object:
    """Text harmless, names with a small first letter, and EC2's `{items: […]}` as the list."""
    if depth > _DEEPEST:
        return None
    if isinstance(value, str):
        return visible(value, _LONGEST)
    if isinstance(value, list):
        return [_clean(each, depth + 1) for each in value]
    if isinstance(value, dict):
        if set(value) == {"items"} and isinstance(value["items"], list):
            return [_clean(each, depth + 1) for each in value["items"]]
        policy = "Statement" in value  # a document's names are its own
        return {
            (name if policy else _small(name)): _policy(each) if policy else _clean(each, depth + 1)
            for name, each in value.items()
        }
    return value


def _policy(value: object) -> object:
    if isinstance(value, str):
        return visible(value, _LONGEST)
    if isinstance(value, list):
        return [_policy(each) for each in value]
    if isinstance(value, dict):
        return {visible(str(name), 200): _policy(each) for name, each in value.items()}
    return value


def _small(name: str) -> str:
    shown = visible(name, 200)
    return shown[:1].lower() + shown[1:]


def _structure(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _word(value: object) -> str:
    return value[:200] if isinstance(value, str) else ""


def _issuer(identity: Mapping[str, object]) -> str:
    context = _structure(identity.get("sessionContext"))
    return _word(_structure(context.get("sessionIssuer")).get("userName"))


def _actor(username: str, identity: Mapping[str, object]) -> str:
    """`alice`, `alice as Admin`, `root`, `autoscaling.amazonaws.com`."""
    if _word(identity.get("type")) == "Root":
        return "root"
    invoked = _word(identity.get("invokedBy"))
    name = username or _word(identity.get("userName")) or invoked
    role = _issuer(identity)
    return f"{name} as {role}" if role and name and role != name else name or role


def _by(identity: Mapping[str, object], call: Mapping[str, object]) -> str:
    kind, role = _word(identity.get("type")), _issuer(identity)
    if kind == "Root":
        return ROOT
    invoked = _word(identity.get("invokedBy"))
    if kind == "AWSService" or role.startswith("AWSServiceRole") or ".amazonaws.com" in invoked:
        return SERVICE
    agent = _word(call.get("userAgent"))
    console = str(call.get("sessionCredentialFromConsole", "")).lower() == "true"
    if console or "console.amazonaws.com" in agent or "AWSConsole" in agent:
        return PERSON
    if role.startswith("AWSReservedSSO_"):
        return PERSON
    return PIPELINE if kind == "AssumedRole" else ""
