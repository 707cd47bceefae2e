"""A replica that is cut off at the end of each full copy, for real, and begins anew for ever."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cockpit.triage.engine import Look, judged
from cockpit.triage.registry import registry
from cockpit.world.servers import valkey
from tests.servers.private import (
    REDIS_BINARIES,
    codes,
    redis_settings,
    session_for,
    target,
    until,
)

pytestmark = pytest.mark.servers

KIB = 2**10


@pytest.mark.parametrize("binary", REDIS_BINARIES)
async def test_full_syncs_in_a_loop_name_the_limit_of_the_replicas_buffer(
    binary: Path, folder: Path
) -> None:
    """Each copy takes as long as its keys are slow, and the writes that come meanwhile are more
    than the primary keeps for a replica.
    """
    primary = valkey.start(
        folder / "p", binary=binary,
        settings={
            "repl-backlog-size": "16kb", "client-output-buffer-limit": "replica 64kb 64kb 0",
            "enable-debug-command": "local", "rdb-key-save-delay": 2000,
            "repl-diskless-sync-delay": 0,
        },
    )  # fmt: skip
    primary.send("DEBUG", "POPULATE", 100)
    replica = valkey.start(
        folder / "r", binary=binary, settings={"replicaof": f"127.0.0.1 {primary.port}"}
    )
    found = registry()["redis.performance"]
    to = target(redis_settings(primary))
    since = found.since
    assert since is not None
    try:
        async with session_for(to.settings) as session:
            now = await found.collect(session, to)

            async def looked() -> dict[str, str]:
                nonlocal now
                for number in range(4):
                    await asyncio.to_thread(primary.send, "SET", f"a{number}", "x" * 64 * KIB)
                now = since(now, await found.collect(session, to))
                return codes(judged(Look(to, found, found.settings), now))

            await until(looked, lambda seen: seen.get("RD_REPL_FULL_SYNC") == "high")
    finally:
        replica.stop()
        primary.stop()
    loop = next(
        each for each in found.diagnose(now, found.settings) if each.code == "RD_REPL_FULL_SYNC"
    )

    assert "a loop" in loop.summary
    assert "client-output-buffer-limit" in loop.likely[0]
