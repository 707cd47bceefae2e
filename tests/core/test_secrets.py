"""Secrets by reference: programs that are slow, hang or cannot start."""

from __future__ import annotations

import asyncio
import shlex
import sys
import time
from pathlib import Path

import pytest

from cockpit.connect import secrets
from cockpit.connect.secrets import resolve_async
from cockpit.errors import BlindError, Reason


def program(code: str) -> str:
    return f"command:{shlex.join([sys.executable, '-c', code])}"


async def test_a_program_slower_than_a_look_is_not_started_again_and_is_read_by_the_next(
    tmp_path: Path,
) -> None:
    starts = tmp_path / "starts"
    slow = program(
        f"import time; open({str(starts)!r}, 'a').write('x'); time.sleep(.5); print('s3cret-slow')"
    )
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await resolve_async(slow)
    assert await resolve_async(slow) == "s3cret-slow"
    assert await resolve_async(slow) == "s3cret-slow"
    assert starts.read_text() == "x"


async def test_a_program_that_hangs_is_ended_at_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "_COMMAND_TIMEOUT", 0.2)
    started = time.monotonic()
    with pytest.raises(BlindError, match="did not end") as raised:
        await resolve_async(program("import time; time.sleep(60)"))
    assert raised.value.reason is Reason.MISCONFIGURED
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        pytest.param("command:pass show 'x", "cannot be read", id="a quotation without its end"),
        pytest.param("command:", "is empty", id="nothing"),
        pytest.param("command:/nowhere/pass", "did not start", id="no such program"),
        pytest.param(program("raise SystemExit(3)"), "ended with 3", id="it failed"),
    ],
)
async def test_a_program_that_gives_no_secret_is_a_wrong_setting(reference: str, said: str) -> None:
    for _ in range(2):
        with pytest.raises(BlindError, match=said) as raised:
            await resolve_async(reference)
        assert raised.value.reason is Reason.MISCONFIGURED
