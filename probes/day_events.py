"""The events of a day, of the services that list those of the whole region in one answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

from cockpit import clock
from cockpit.connect.session import AwsReads
from cockpit.errors import ListTooLong

_DAY = 24 * 60
_STAYS_LONG = timedelta(minutes=10)
_LONG: WeakKeyDictionary[AwsReads, dict[str, datetime]] = WeakKeyDictionary()
"""Of each session the services with more events a day than are read, and when that was seen."""


async def day_of_events(
    aws: AwsReads, service: str, sources: Iterable[tuple[str, str]]
) -> Sequence[object]:
    """The region's list, which the looks at all targets share; where it is too long, what is told
    of each of the `sources` (name and SourceType) by itself: neighbours cost ours nothing.
    """
    long, moment = _LONG.setdefault(aws, {}), clock.now()
    if service not in long or moment - long[service] >= _STAYS_LONG:
        try:
            return await aws.pages(service, "DescribeEvents", key="Events", Duration=_DAY)
        except ListTooLong:
            long[service] = moment
    lists = await asyncio.gather(
        *(
            aws.pages(
                service,
                "DescribeEvents",
                key="Events",
                Duration=_DAY,
                SourceIdentifier=name,
                SourceType=kind,
            )
            for name, kind in sources
        )
    )
    return [event for own in lists for event in own]
