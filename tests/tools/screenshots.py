"""Takes the pictures of docs/: the real cockpit on the real embedded shop.

`python -m tests.tools.screenshots [FOLDER]` writes PNG files; `rsvg-convert` turns Textual's
SVG into them. Run it from the root of the checkout.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from textual.pilot import Pilot

from cockpit.cli.tui import _read
from cockpit.connect.role import Role
from cockpit.desk import Desk
from cockpit.world.launch import World, launch
from screens.app import CockpitApp
from tests.screens.strict import StrictApp

SIZES = {"commander": (140, 44), "triage": (80, 24)}


async def desk_of(world: World, folder: Path, role: Role) -> Desk:
    """A desk on the shop, whose journal goes to a folder of its own."""
    opening = _read(world.config_path, role.value, folder=folder)
    opening.actor = "alice"
    return await opening.create("checkout returns 5xx", "P1")


async def until(pilot: Pilot[int], desk: Desk, code: str, seconds: float = 60) -> None:
    """Wait until a finding is open and a little longer, so that the trends have some looks."""
    for _ in range(int(seconds * 2)):
        if any(finding.finding.code == code for finding in desk.board.open.values()):
            break
        await pilot.pause(0.5)
    await pilot.pause(12)


def save(app: CockpitApp, folder: Path, name: str) -> None:
    """The screen as SVG, without the web fonts, and as PNG."""
    svg = app.export_screenshot(title="").replace("<text ", '<text xml:space="preserve" ')
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code", "DejaVu Sans Mono")
    path = folder / f"{name}.svg"
    path.write_text(svg, encoding="utf-8")
    png = path.with_suffix(".png")
    subprocess.run(["rsvg-convert", "-o", str(png), str(path)], check=True)
    path.unlink()


async def commander(world: World, folder: Path, data: Path) -> None:
    """The main screen, and who waits for whom in the database."""
    desk = await desk_of(world, data, Role.COMMANDER)
    app = StrictApp(desk)
    async with app.run_test(size=SIZES["commander"]) as pilot:
        await until(pilot, desk, "PG_LOCK_BLOCKED")
        await press(pilot, ["2", "home"])
        save(app, folder, "main-140x44")
        app.open_target("orders-db")
        await pilot.pause(1)
        save(app, folder, "sessions-140x44")
        await app.action_quit()
    await desk.close()


async def triage(world: World, folder: Path, data: Path) -> None:
    """The main screen of a junior at 80×24."""
    desk = await desk_of(world, data, Role.TRIAGE)
    app = StrictApp(desk)
    async with app.run_test(size=SIZES["triage"]) as pilot:
        await until(pilot, desk, "PG_LOCK_BLOCKED")
        save(app, folder, "main-80x24-triage")
    await desk.close()


async def press(pilot: Pilot[int], keys: Sequence[str], wait: float = 0.3) -> None:
    """Keys, one after another."""
    for key in keys:
        await pilot.press(key)
        await pilot.pause(wait)


def main() -> None:
    """All pictures. Ends with 1 where nothing turns them into PNG files."""
    if shutil.which("rsvg-convert") is None:
        sys.exit(
            "rsvg-convert is missing; on Debian: apt-get install librsvg2-bin fonts-dejavu-core"
        )
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs")
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as data:
        for take, role in ((commander, Role.COMMANDER), (triage, Role.TRIAGE)):
            with launch("checkout-lock", role) as world:
                world.wait()
                asyncio.run(take(world, folder, Path(data)))


if __name__ == "__main__":
    main()
