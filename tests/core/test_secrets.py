"""Secrets by reference: programs that are slow, hang or cannot start."""

from __future__ import annotations

import asyncio
import shlex
import sys
import tracemalloc
from pathlib import Path

import pytest

from cockpit.connect import secrets
from cockpit.connect.secrets import resolve_async
from cockpit.errors import BlindError, Reason
from tests.patience import at_most


def program(code: str) -> str:
    return f"command:{shlex.join([sys.executable, '-c', code])}"


async def test_a_program_slower_than_a_look_is_not_started_again_and_is_read_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "_COMMAND_TIMEOUT", at_most(15))
    starts, may = tmp_path / "starts", tmp_path / "may"
    slow = program(
        f"import os, time; open({str(starts)!r}, 'a').write('x')\n"
        f"while not os.path.exists({str(may)!r}): time.sleep(.02)\n"
        "print('s3cret-slow')"
    )
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await resolve_async(slow)
    may.touch()
    assert await resolve_async(slow) == "s3cret-slow"
    assert await resolve_async(slow) == "s3cret-slow"
    assert starts.read_text() == "x"


@pytest.mark.parametrize(
    "code", ["import time; time.sleep(600)", "while True: print('x' * 2**20)"], ids=["mute", "loud"]
)
async def test_a_program_that_hangs_is_ended_at_its_time(
    code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "_COMMAND_TIMEOUT", 0.2)
    with pytest.raises(BlindError, match="did not end") as raised:
        async with asyncio.timeout(at_most(15)):
            await resolve_async(program(code))
    assert raised.value.reason is Reason.MISCONFIGURED


async def test_of_a_program_that_prints_without_end_only_the_beginning_is_kept() -> None:
    flood = program("import sys; print('s3cret')\nfor _ in range(64): print('x' * 2**20)")
    tracemalloc.start()
    try:
        assert await resolve_async(flood) == "s3cret"
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


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
