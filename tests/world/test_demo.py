"""What the demo says where a server that it could use is not installed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cockpit.cli import tui as cli_tui
from cockpit.connect.role import Role
from cockpit.desk.desk import Desk
from cockpit.errors import Misconfigured
from cockpit.world import prepare, scenario
from cockpit.world.launch import launch
from cockpit.world.servers import mariadb
from cockpit.world.store_breaks import StoreBreaks


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mariadb, "find_binary", lambda: None)


def test_a_scenario_that_needs_mariadb_says_what_to_install(lacking: None) -> None:
    with pytest.raises(Misconfigured, match="MariaDB is not installed") as caught:
        launch("mysql-metadata-lock")
    assert "apt-get install mariadb-server-core" in caught.value.hint


async def test_the_fault_itself_breaks_nothing_in_silence() -> None:
    stage: Any = SimpleNamespace(stores=SimpleNamespace(catalog=None))
    breaks = StoreBreaks(stage, [], {})
    with pytest.raises(Misconfigured, match="MariaDB is not installed"):
        await breaks.kinds["metadata_lock"]({"readers": 12})


def test_every_scenario_that_locks_the_catalog_says_what_it_needs() -> None:
    for name in scenario.names():
        known = scenario.load(name)
        catalog = any(fault["kind"] == "metadata_lock" for fault in known.fault)
        assert known.needs == ("mariadb" if catalog else "")


def test_what_the_shop_lacks_begins_the_timeline_of_the_demo(
    lacking: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []

    def show(make: Callable[[], Awaitable[Desk]], *, hard: bool) -> int:
        async def shows() -> None:
            desk = await make()
            shown.extend(row.text for row in desk.timeline())
            await desk.close()

        asyncio.run(shows())
        return 0

    monkeypatch.setattr(cli_tui, "show", show)
    monkeypatch.setenv("COCKPIT_DATA", str(tmp_path / "records"))
    folder = tmp_path / "world"
    folder.mkdir()
    made = prepare.prepare(folder, scenario.load("healthy"), role=Role.TRIAGE)
    notes = json.loads((folder / prepare.STATE).read_text())["notes"]
    cli_tui.run_demo(made.config, title="slow", coming=lambda: "", role="triage", notes=notes)
    told = [text for text in shown if "the shop has no MySQL target" in text]
    assert len(told) == 1, shown
