"""Whether Contributor Insights tells the keys of what is throttled. The keys are not read here.

Source: DynamoDB API reference, `DescribeContributorInsights`: a call for a table and for each of
its indexes, asked only while something of it is throttled. The keys themselves are the customers'
(CloudWatch `GetInsightRuleReport`), so a person reads them where they stand.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from msgspec import field

from cockpit.connect.aws.answer import Answer, answer_into
from cockpit.connect.session import AwsReads
from cockpit.text import SafeText
from probes.dynamodb.model import Insights, Snapshot, throttled

_MOST = 5
"""Indexes that are asked for, the table itself among them."""


class InsightsRow(Answer, frozen=True):
    """The answer of `DescribeContributorInsights`."""

    of = "dynamodb.DescribeContributorInsightsOutput"
    status: SafeText = field(name="ContributorInsightsStatus", default="")
    mode: SafeText = field(name="ContributorInsightsMode", default="")
    rules: tuple[SafeText, ...] = field(name="ContributorInsightsRuleList", default=())


async def with_insights(aws: AwsReads, look: Snapshot) -> Snapshot:
    """The lanes that are throttled with what is told of their keys. Raises `BlindError`."""
    hurt = dict.fromkeys(lane.index for lane in look.lanes if throttled(lane, look.at))
    asked = list(hurt)[:_MOST]
    found = await asyncio.gather(*(_insights(aws, look.table, index) for index in asked))
    known = dict(zip(asked, found, strict=True))
    lanes = tuple(
        replace(lane, insights=known.get(lane.index)) if throttled(lane, look.at) else lane
        for lane in look.lanes
    )
    return replace(look, lanes=lanes)


async def _insights(aws: AwsReads, table: str, index: str) -> Insights:
    of = {"IndexName": index} if index else {}
    answer = await aws.read(
        "dynamodb",
        "DescribeContributorInsights",
        expect="ContributorInsightsStatus",
        TableName=table,
        **of,
    )
    row = answer_into(answer, InsightsRow)
    return Insights(status=row.status.upper(), mode=row.mode.upper(), rules=row.rules)
