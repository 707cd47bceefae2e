"""One feed out of many sources: joined to targets, merged where two sources tell of one event.

The services' own histories are minutes fresher than CloudTrail, and CloudTrail has the actor: what
both tell of one resource within two minutes is one change (catalogue B §6.1).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from datetime import datetime, timedelta

from cockpit.triage.board import Board
from cockpit.triage.changes import Change
from cockpit.triage.probe import Seen
from cockpit.triage.registry import kinds
from cockpit.triage.target import Target

TOGETHER = timedelta(seconds=120)
"""How far apart two sources may put one event."""
_SAME = timedelta(seconds=2)
"""How far apart two readings of one history may put an event."""
_ALSO: Mapping[str, frozenset[str]] = {
    "rds.restart": frozenset({"rds.failover"}),
    "rds.configuration": frozenset({"rds.restart", "rds.storage"}),
    "elasticache.configuration": frozenset({"elasticache.event", "elasticache.replacement"}),
    "elasticache.failover": frozenset({"elasticache.event"}),
    "lambda.code": frozenset({"lambda.version", "lambda.configuration"}),
    "lambda.configuration": frozenset({"lambda.version", "lambda.code"}),
    "autoscaling.refresh": frozenset({"asg.refresh"}),
    "s3.policy": frozenset({"s3.access"}),
    "ec2.instance": frozenset({"ec2.start", "ec2.stop"}),
}
"""A call's kind → further kinds by which the service's own history tells of it."""
_OF_KIND: Mapping[str, frozenset[str]] = {
    "ecs": frozenset({"ecs_service", "ecs_cluster"}),
    "elbv2": frozenset({"alb", "nlb", "target_group"}),
    "rds": frozenset({"rds"}),
    "elasticache": frozenset({"elasticache"}),
    "dynamodb": frozenset({"dynamodb_table"}),
    "lambda": frozenset({"lambda_function"}),
    "apigateway": frozenset({"api_gateway"}),
    "cloudfront": frozenset({"cloudfront"}),
    "s3": frozenset({"s3_bucket"}),
    "autoscaling": frozenset({"autoscaling_group"}),
    "application-autoscaling": frozenset({"ecs_service", "dynamodb_table"}),
    "codedeploy": frozenset({"ecs_service", "lambda_function", "autoscaling_group"}),
    "athena": frozenset({"athena_workgroup"}),
    "sns": frozenset({"sns_topic"}),
    "sqs": frozenset({"sqs_queue"}),
    "kinesis": frozenset({"kinesis_stream"}),
    "stepfunctions": frozenset({"state_machine"}),
    "logs": frozenset({"log_group"}),
    "ec2": frozenset({"vpc_path", "ec2_instance"}),
    "iam": frozenset({"iam_principal"}),
    "wafv2": frozenset({"waf_acl"}),
}
"""A change's service → the kinds of targets that it changes."""
_SHORTEST = 5
"""Letters of a name that is looked for in what other probes read."""


class ResourceNames:
    """Which target a resource of a place is. Worked out once for a configuration."""

    def __init__(self, targets: Iterable[Target]) -> None:
        self._known: dict[tuple[str, str, str], str] = {}
        for target in targets:
            place = _place(target)
            for name in set(_names(target.settings)):
                name = _function(name) if target.kind == "lambda_function" else name
                self._known.setdefault((place, target.kind, name), target.name)

    def join(self, change: Change, feed: Target) -> Change:
        """The change with the target that it is about, when one of the feed's place has its name;
        a change that has a target already, and one without a resource, as it is.
        """
        if change.target or not change.resource:
            return change
        kinds = _OF_KIND.get(change.kind.partition(".")[0], frozenset())
        of_lambda = change.kind.startswith("lambda.")
        name = _function(change.resource) if of_lambda else _tail(change.resource)
        place = _place(feed)
        found = (self._known.get((place, kind, name)) for kind in sorted(kinds))
        return replace(change, target=next(filter(None, found), ""))


def _place(target: Target) -> str:
    return str(getattr(target.settings, "aws", ""))


def _names(settings: object) -> Iterator[str]:
    """Every name in the settings but where it is and how it is looked at."""
    if not is_dataclass(settings):
        return
    for each in fields(settings):
        value = getattr(settings, each.name)
        if each.name == "id" and value.startswith("arn:aws:lambda:"):
            yield value
        elif each.name in {"id", "instance", "interface", "security_group", "subnet"} and value:
            yield _tail(value)
        elif is_dataclass(value):
            yield from _names(value)


def _function(name: str) -> str:
    """A function's name, of an ARN too, without the alias or version that it is looked at by: what
    is done to the function is done to them.
    """
    parts = name.split(":")
    return parts[6] if name.startswith("arn:") and len(parts) > 6 else parts[0]


def _tail(name: str) -> str:
    """The last part of an ARN; of a balancer's or target group's its name, which stands before."""
    if name.startswith("https://"):  # a queue goes by its URL
        return name.rpartition("/")[2]
    if not name.startswith("arn:"):
        return name
    resource = name.split(":", 5)[-1]
    parts = resource.split("/")
    if parts[0] in {"loadbalancer", "targetgroup", "listener"} and len(parts) > 2:
        return parts[-2]
    return parts[-1].rpartition(":")[2]


def merged(changes: Iterable[Change]) -> tuple[Change, ...]:
    """The changes, newest first, each event once, with every source that tells of it."""
    once: dict[Change, Change] = {}
    for each in changes:
        held = once.get(each)
        if held is None or len(each.details) > len(held.details):
            once[each] = each
    called = sorted((each for each in once.values() if each.call), key=lambda call: call.at)
    times = [each.at for each in called]
    joined: dict[Change, Change] = {each: each for each in called}
    alone = []
    for each in once.values():
        if each.call:
            continue
        first = bisect_left(times, each.at - TOGETHER)
        last = bisect_right(times, each.at + TOGETHER)
        near = [call for call in called[first:last] if _one_event(call, each)]
        if near:
            call = min(near, key=lambda call: abs(call.at - each.at))
            joined[call] = _together(joined[call], each)
        else:
            alone.append(each)
    found = [*joined.values(), *_paired(alone)]
    return tuple(sorted(found, key=lambda change: (change.at, change.summary), reverse=True))


def _paired(natives: list[Change]) -> list[Change]:
    """A feed and the target's own probe may read one history: what both tell is told once."""
    own = [each for each in natives if not each.resource]
    kept = list(own)
    for each in natives:
        if not each.resource:
            continue
        same = next((other for other in own if _one_history(each, other)), None)
        if same is None:
            kept.append(each)
        else:
            own.remove(same)
            kept[kept.index(same)] = replace(
                each, actor=each.actor or same.actor, own=each.own or same.own
            )
    return kept


def _one_history(one: Change, other: Change) -> bool:
    if not one.target or one.target != other.target or abs(one.at - other.at) > _SAME:
        return False
    services = {each.kind.partition(".")[0].replace("asg", "autoscaling") for each in (one, other)}
    return len(services) == 1


def _one_event(call: Change, native: Change) -> bool:
    if call.failed or native.kind not in {call.kind, *_ALSO.get(call.kind, ())}:
        return False
    if call.target or native.target:
        return call.target == native.target
    return bool(call.resource) and _tail(call.resource) == _tail(native.resource)


def _together(call: Change, native: Change) -> Change:
    """What the service says happened, and who asked for it."""
    told = native.summary if native.summary not in call.summary else ""
    summary = f"{call.summary} ({told})" if told else call.summary
    sources = dict.fromkeys([*call.source.split(" + "), native.source])
    exact = any("→" in line for line in call.details)
    details = call.details if exact or not native.details else native.details
    return replace(
        call,
        summary=summary,
        source=" + ".join(sources),
        details=details,
        own=call.own or native.own,
        late=min(call.late, native.late),
    )


def users(board: Board, names: Iterable[str]) -> Mapping[str, frozenset[str]]:
    """Resource → targets whose newest looks name it: a security group on a path, a role of a task.

    It tells what no graph has. A name that is short may be a part of anything: not looked for.
    """
    wanted = {name for name in names if len(name) >= _SHORTEST}
    found: dict[str, set[str]] = {}
    if not wanted:
        return {}
    # the rows of a database are many, and name nothing of AWS
    for reading in board.readings.values():
        kind = kinds().get(reading.kind)
        in_place = kind is not None and kind.place is not None and kind.name != "changes"
        if not in_place or not isinstance(reading.outcome, Seen):
            continue
        for text in set(_texts(reading.outcome.snapshot)):
            if text in wanted or (text.startswith("arn:") and _tail(text) in wanted):
                name = text if text in wanted else _tail(text)
                found.setdefault(name, set()).add(reading.target)
    return {name: frozenset(targets) for name, targets in found.items()}


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from _texts(each)
    elif is_dataclass(value) and not isinstance(value, type):
        for each_field in fields(value):
            yield from _texts(getattr(value, each_field.name))


def complete_until(changes: Sequence[Change], at: datetime) -> datetime:
    """Until when the latest source surely has told everything, at a moment."""
    return at - timedelta(seconds=max((change.late for change in changes), default=0.0))
