"""Counters of a real server as rates: a reset and a restart leave a gap and never a jump."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cockpit.triage.probe import Seen
from cockpit.world.servers import valkey
from screens.app import CockpitApp
from tests.screens.conftest import settle, text
from tests.screens.live import Seat, seated

REDIS = """
[[target]]
kind = "redis"
name = "sessions"
host = "127.0.0.1"
port = {port}
tls = false
"""
MOST = 50_000
"""Commands a second that one client of this test can never send."""


@pytest.fixture
def base() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="cockpit-trends-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def commands(seat: Seat) -> tuple[float, ...]:
    return seat.desk.board.trends.get(("sessions", "redis.health", "commands"), ())


def looks(seat: Seat) -> int:
    reading = seat.desk.board.readings.get(("sessions", "redis.health"))  # type: ignore[call-overload]
    return 0 if reading is None else int(reading.at.timestamp() * 1000)


async def looked(seat: Seat, port: int, times: int = 1) -> None:
    """Some traffic, then a look that ended well."""
    for _ in range(times):
        for _ in range(20):
            await asyncio.to_thread(valkey.talk, port, "SET", "key", "value")
        before = looks(seat)

        def seen(before: int = before) -> bool:
            reading = seat.desk.board.readings.get(("sessions", "redis.health"))  # type: ignore[call-overload]
            return looks(seat) > before and isinstance(reading.outcome, Seen)

        seat.desk.look_now("sessions")
        await seat.until(seen, "a look at the server")


async def test_a_reset_and_a_restart_leave_a_gap_and_never_a_jump(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = valkey.start(base / "one")
    try:
        async with seated(tmp_path, REDIS.format(port=server.port), monkeypatch) as seat:
            await seat.until(lambda: looks(seat) > 0, "the first look")
            await looked(seat, server.port, 3)
            known = len(commands(seat))
            assert known >= 2
            valkey.talk(server.port, "CONFIG", "RESETSTAT")
            await looked(seat, server.port, 2)
            port = server.port
            server.stop()
            server = valkey.start(base / "two", port=port)
            await looked(seat, server.port, 3)
            rates = commands(seat)
            assert len(rates) > known, "it goes on after the gap"
            assert all(0 <= rate < MOST for rate in rates), rates
            for key, values in seat.desk.board.trends.items():
                assert all(value >= 0 for value in values), (key, values)
            app = seat.pilot.app
            assert isinstance(app, CockpitApp)
            app.open_target("sessions")
            await settle(seat.pilot)
            told = text(seat.pilot)
            assert "─ Trends" in told or "─ What would help" in told
            assert " -" not in told.split("─ Trends")[-1]
    finally:
        server.stop()
