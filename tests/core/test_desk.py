"""The desk: what is left behind when a person leaves while connections hang."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cockpit.config import load
from cockpit.connect.role import Role
from cockpit.desk import Desk
from cockpit.runbooks.library import library
from cockpit.triage.registry import registry
from tests.core import records

CONFIG = """
environment = "test"
[[target]]
kind = "endpoint"
name = "front"
url = "http://127.0.0.1:9/"
"""


async def test_leaving_closes_the_journal_also_while_connections_hang(tmp_path: Path) -> None:
    file = tmp_path / "cockpit.toml"
    file.write_text(CONFIG)
    incident = records.opened(tmp_path)
    desk = Desk(
        load(file, registry()),
        incident,
        role=Role.TRIAGE,
        actor="ana",
        probes=registry(),
        library=library(),
    )

    async def hang() -> None:
        await asyncio.sleep(60)

    desk.connections.close = hang  # type: ignore[method-assign]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await desk.close()
    again = records.resumed(tmp_path)
    assert not again.watching
    again.close()
