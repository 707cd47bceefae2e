"""CloudTrail's events are others' text: what of them cannot be read is left out, and no look fails."""

from __future__ import annotations

from typing import Any

import pytest

from cockpit.errors import BlindError, Reason
from probes.answers import Gap
from probes.trail import event_of, pages, recorded
from tests.probes.fake_aws import AT, FakeAws


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(None, id="none"),
        pytest.param("", id="empty"),
        pytest.param("{", id="cut off"),
        pytest.param("[1]", id="a list"),
        pytest.param("[" * 100_000, id="deeper than Python reads"),
    ],
)
async def test_an_event_whose_json_cannot_be_read_tells_its_own_words(text: str | None) -> None:
    row = {
        "EventId": "1",
        "EventName": "UpdateAlias20150331",
        "EventTime": AT,
        "Username": "anna",
        "CloudTrailEvent": text,
    }
    assert (event_of(row).name, event_of(row).actor) == ("UpdateAlias", "anna")
    aws = FakeAws({"cloudtrail.LookupEvents": {"Events": [row]}})
    (call,) = await recorded(aws, "UpdateAlias20150331", start=AT)
    assert (call.name, call.actor, call.event) == ("UpdateAlias20150331", "anna", {})


async def test_a_later_page_that_fails_is_a_gap_that_says_what_to_do() -> None:
    def second_fails(**asked: Any) -> dict[str, Any]:
        if "NextToken" in asked:
            raise BlindError(Reason.THROTTLED, "two calls a second", hint="look again later")
        return {"Events": [], "NextToken": "2"}

    gaps: list[Gap] = []
    aws = FakeAws({"cloudtrail.LookupEvents": second_fails})
    await pages(aws, ("EventName", "RunTask"), lambda _: None, start=AT, end=AT, gaps=gaps)
    assert [(gap.what, gap.hint) for gap in gaps] == [("CloudTrail", "look again later")]
