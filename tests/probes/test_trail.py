"""CloudTrail's events are others' text: what of them cannot be read is left out, and no look fails."""

from __future__ import annotations

import pytest

from probes.trail import event_of, recorded
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
