"""Lambda: functions that changed lately, what is another now, aliases that split their calls."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from cockpit.connect.aws.answer import answer_into, answers_into
from cockpit.connect.session import AwsReads
from cockpit.triage.changes import PIPELINE
from probes.changes import lines
from probes.changes.aliases import errors_of
from probes.changes.function_answers import ChangedAliasRow, ChangedFunctionRow
from probes.changes.model import Happening, RolloutState, SplitAlias

_READ = 6
"""Of how many functions that changed last versions and aliases are read."""


async def functions(
    aws: AwsReads, start: datetime
) -> tuple[tuple[Happening, ...], tuple[RolloutState, ...], tuple[SplitAlias, ...]]:
    """What changed since then. `ListFunctions` tells the last change of each, and nothing more."""
    rows = await aws.pages("lambda", "ListFunctions", key="Functions", most=5000)
    recent = [
        (changed, row)
        for row in answers_into(rows, ChangedFunctionRow)
        if (changed := _time(row.last_modified)) is not None and changed >= start
    ]
    recent.sort(key=lambda pair: pair[0], reverse=True)
    found = await asyncio.gather(*(_one(aws, at, row) for at, row in recent[:_READ]))
    told = [happening for happening, _, _ in found]
    told += [_happening(at, row, ()) for at, row in recent[_READ:]]
    aliases = [alias for _, _, several in found for alias in several]
    judged = await errors_of(aws, aliases)
    return tuple(told), tuple(rollout for _, rollout, _ in found), judged


async def _one(
    aws: AwsReads, at: datetime, row: ChangedFunctionRow
) -> tuple[Happening, RolloutState, tuple[SplitAlias, ...]]:
    name = row.function_name
    configuration, versions, aliases = await asyncio.gather(
        aws.read("lambda", "GetFunctionConfiguration", expect="FunctionName", FunctionName=name),
        aws.pages("lambda", "ListVersionsByFunction", key="Versions", FunctionName=name),
        aws.pages("lambda", "ListAliases", key="Aliases", FunctionName=name),
    )
    now = answer_into(configuration, ChangedFunctionRow)
    published = sorted(
        (each for each in answers_into(versions, ChangedFunctionRow) if each.version.isdigit()),
        key=lambda each: int(each.version),
    )
    split = [
        SplitAlias(
            function=name,
            name=each.name,
            version=each.function_version,
            weights=tuple(sorted(each.routing_config.additional_version_weights.items())),
        )
        for each in answers_into(aliases, ChangedAliasRow)
        if each.routing_config.additional_version_weights
    ]
    rollout = RolloutState(
        kind="lambda.code",
        name=name,
        status=now.last_update_status,
        began=at,
        reason=now.last_update_status_reason or now.last_update_status_reason_code,
    )
    return _happening(at, row, _difference(now, published)), rollout, tuple(split)


def _difference(
    now: ChangedFunctionRow, published: Sequence[ChangedFunctionRow]
) -> tuple[str, ...]:
    """`$LATEST` against the newest version; where that is the same, the two newest versions."""
    if not published:
        return ("no version was published: what it was before is not known",)
    newest = published[-1]
    told = lines.settings(_settings(newest), _settings(now))
    if told:
        return (f"$LATEST against version {newest.version}:", *told)
    if len(published) < 2:
        return ()
    before = published[-2]
    told = lines.settings(_settings(before), _settings(newest))
    return (f"version {newest.version} against {before.version}:", *told) if told else ()


def _settings(row: ChangedFunctionRow) -> Mapping[str, object]:
    return {
        "code": row.code_sha256[:12],
        "timeout": row.timeout,
        "memory": row.memory_size,
        "role": row.role,
        "runtime": row.runtime,
        "handler": row.handler,
        "layers": ", ".join(each.arn.split(":", 5)[-1] for each in row.layers),
        "subnets": ", ".join(sorted(row.vpc_config.subnet_ids)),
        "security groups": ", ".join(sorted(row.vpc_config.security_group_ids)),
        "variables": ", ".join(sorted(row.environment.variables)),
    }


def _happening(at: datetime, row: ChangedFunctionRow, details: tuple[str, ...]) -> Happening:
    code = not details or any(each.startswith("code:") for each in details)
    return Happening(
        at=at,
        kind="lambda.code" if code else "lambda.configuration",
        resource=row.function_name,
        summary=f"function {row.function_name} changed"
        + (f": {details[1]}" if len(details) > 1 else ""),
        source="lambda.ListFunctions",
        by=PIPELINE,
        details=details,
    )


def _time(text: str) -> datetime | None:
    """`2026-11-21T02:35:12.000+0000`, which is how Lambda writes it."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
