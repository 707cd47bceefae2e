"""Reads that a look can do without."""

from __future__ import annotations

import asyncio
import gc

import pytest

from cockpit.errors import BlindError, Reason
from probes.answers import Gap, attempt


async def _denied() -> int:
    raise BlindError(Reason.DENIED, "no")


async def _nine() -> int:
    await asyncio.sleep(0)
    return 9


async def test_an_answer_is_given_and_a_failure_is_a_gap() -> None:
    gaps: list[Gap] = []
    one, two = await asyncio.gather(
        attempt(gaps, "one", _nine(), otherwise=0), attempt(gaps, "two", _denied(), otherwise=3)
    )
    assert one == 9
    assert two == 3
    assert [(gap.what, gap.reason) for gap in gaps] == [("two", "denied")]


@pytest.mark.filterwarnings("error")
async def test_a_look_that_is_ended_before_its_reads_began_leaves_none_that_python_warns_of() -> (
    None
):
    async def look() -> None:
        await asyncio.gather(*[attempt([], "part", _nine(), otherwise=0) for _ in range(3)])

    looking = asyncio.create_task(look())
    await asyncio.sleep(0)  # its reads are tasks now, and none has run
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    gc.collect()
