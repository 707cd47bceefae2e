"""Rules that mute alarms: which, and until when.

Source: CloudWatch `ListAlarmMuteRules` and `GetAlarmMuteRule` (2025-12). The list tells no alarms,
so each active rule is read.
"""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cockpit.connect.aws.answer import answer_into, answers_into
from cockpit.connect.session import AwsReads
from cockpit.errors import BlindError, Reason
from probes.alarms.answers import MuteRule, MuteRuleSummary
from probes.alarms.model import Mute

_MOST = 40
"""Active rules that are read: each is a call."""
_SUMMARIES = "AlarmMuteRuleSummaries"
_ONCE = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?)\)")
_SPAN = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?)?")


async def mutes(aws: AwsReads) -> tuple[Mute, ...]:
    """Every rule that mutes now. Raises `BlindError`, also when there are more than can be read."""
    names = await _active(aws)
    if len(names) > _MOST:
        raise BlindError(Reason.UNREADABLE, f"{len(names)} mute rules are active")
    return tuple(await asyncio.gather(*(_rule(aws, name) for name in names)))


async def _active(aws: AwsReads) -> list[str]:
    rows = await aws.pages("cloudwatch", "ListAlarmMuteRules", key=_SUMMARIES, Statuses=["ACTIVE"])
    # asked for again here: what AWS calls active tomorrow must not mute our alarms today
    rules = answers_into(rows, MuteRuleSummary)
    return [rule.name for rule in rules if rule.status == "ACTIVE"]


async def _rule(aws: AwsReads, name: str) -> Mute:
    answer = await aws.read("cloudwatch", "GetAlarmMuteRule", AlarmMuteRuleName=name)
    rule = answer_into(answer, MuteRule)
    schedule = rule.rule.schedule
    return Mute(
        rule=rule.name or name,
        alarms=rule.mute_targets.alarm_names,
        until=ends(rule),
        schedule=f"{schedule.expression} for {schedule.duration}",
    )


def ends(rule: MuteRule) -> datetime | None:
    """When a rule that mutes now stops to: of one that comes again only its last day is known."""
    schedule = rule.rule.schedule
    once, span = _ONCE.fullmatch(schedule.expression), _SPAN.fullmatch(schedule.duration)
    if once is None or span is None:
        return None
    days, hours, minutes = (int(each or 0) for each in span.groups())
    try:
        zone = ZoneInfo(schedule.timezone) if schedule.timezone else UTC
        start = datetime.fromisoformat(once[1]).replace(tzinfo=zone).astimezone(UTC)
    except (ZoneInfoNotFoundError, ValueError):
        return None
    end = start + timedelta(days=days, hours=hours, minutes=minutes)
    return min(end, rule.expire_date) if rule.expire_date else end
