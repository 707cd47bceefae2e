"""Starting is light: a command imports what it needs and nothing heavy before."""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from cockpit.cli import main, start, tui
from cockpit.cli.start import YOUNG, FullSearches
from tests.patience import at_most

if TYPE_CHECKING:
    from cockpit.desk import Desk

HEAVY = ("textual", "rich", "aioboto3", "boto3", "botocore", "psycopg", "pymysql", "redis", "moto")
EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
ASK = """
import json, sys
from cockpit.cli.main import run
try:
    code = run({arguments!r})
except SystemExit as end:
    code = end.code
print(json.dumps([code, [name for name in {heavy!r} if name in sys.modules]]), file=sys.stderr)
"""


def imported(*arguments: str, folder: Path) -> tuple[int, list[str], str]:
    program = ASK.format(arguments=list(arguments), heavy=HEAVY)
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=folder,
        env={"COCKPIT_DATA": str(folder), "PATH": "", "HOME": str(folder)},
        check=False,
    )
    code, names = json.loads(done.stderr.splitlines()[-1])
    return code, names, done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--version",),
        ("check", "--help"),
        ("incidents",),
        ("export", "--help"),
        ("verify", "--help"),
        ("runbook", "list"),
        ("scenarios",),
        ("demo", "--help"),
        ("open", "--help"),
    ],
    ids=" ".join,
)
def test_a_headless_command_imports_no_screen_and_no_driver(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    code, names, _ = imported(*arguments, folder=tmp_path)
    assert (code, names) == (0, [])


TWO_KINDS = """
environment = "test"
[[target]]
kind = "endpoint"
name = "url"
url = "http://127.0.0.1:1/"
[[target]]
kind = "memcached"
name = "cache"
host = "127.0.0.1"
port = 1
"""
UNUSED = (*HEAVY, "aiohttp", "markdown_it", "jinja2")
FAMILIES = """
import json, sys
from cockpit.cli.main import run
code = run({arguments!r})
probes = [name.split(".") for name in sys.modules if name.startswith("probes.")]
unused = [name for name in {heavy!r} if name in sys.modules]
families = sorted({{name[1] for name in probes if len(name) > 2}})
print(json.dumps([code, families, unused]), file=sys.stderr)
"""


def families(*arguments: str, folder: Path) -> tuple[int, list[str], list[str]]:
    """The exit code, of which folders of `probes` a command imported something, and what of the
    drivers and parsers that two kinds without AWS need not.
    """
    (folder / "cockpit.toml").write_text(TWO_KINDS)
    done = subprocess.run(
        [sys.executable, "-c", FAMILIES.format(arguments=list(arguments), heavy=UNUSED)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=folder,
        env={"COCKPIT_DATA": str(folder), "PATH": "", "HOME": str(folder)},
        check=False,
    )
    code, names, unused = json.loads(done.stderr.splitlines()[-1])
    return code, names, unused


def test_check_imports_the_families_of_what_is_configured_and_no_others(tmp_path: Path) -> None:
    """Nothing listens: both are told, by probes of two families."""
    assert families("check", "--json", folder=tmp_path) == (2, ["endpoint", "memcached"], [])


def test_what_nobody_configured_is_still_known(tmp_path: Path) -> None:
    """A probe of another family is known by its id, a word that is none is told beside all."""
    code, names, _ = families("check", "--probe", "sqs.queue", folder=tmp_path)
    assert (code, "sqs" in names, "postgres" in names) == (64, True, True)


def test_the_first_frame_waits_for_nothing_that_it_does_not_show() -> None:
    later = ("cockpit.triage.registry", "cockpit.config", "probes", *UNUSED)
    program = (
        "import json, sys; import cockpit.cli.main, cockpit.cli.commands.open, screens.app;"
        f"print(json.dumps([name for name in {later!r} if name in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(done.stdout) == ["textual", "rich"]


def test_the_probes_import_no_driver(tmp_path: Path) -> None:
    program = (
        "import json, sys; from cockpit.triage.registry import registry; assert [*registry()];"
        f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(done.stdout) == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("chek",), "did you mean 'check'?"),
        (("check", "--jsn"), "No such option"),
        (("check",), "cockpit demo"),
        (("--config", "nowhere.toml", "check"), "no such file"),
        (("-c", str(EXAMPLE), "check", "--target", "ordersdb"), "no target 'ordersdb'"),
        (("-c", str(EXAMPLE), "check", "--probe", "pg"), "no probe 'pg'"),
    ],
    ids=[
        "a misspelt command",
        "a misspelt option",
        "no configuration",
        "no such file",
        "no such target",
        "no such probe",
    ],
)
def test_usage_errors_say_what_to_type_and_end_with_64(
    arguments: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cockpit.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env={"PATH": "", "HOME": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 64
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_command_is_one_file_that_is_named_as_it_is() -> None:
    for name in main.names():
        command, section, place = main._loaded(name)
        assert command.name == name
        assert section in main.SECTIONS
        assert place > 0
        assert command.get_short_help_str(100)


def test_garbage_is_collected_seldom_until_the_first_sweep_of_the_screens_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = gc.get_threshold()
    frozen: list[tuple[int, int, int]] = []
    meanwhile: list[tuple[int, int, int]] = []

    loops: list[asyncio.AbstractEventLoop] = []

    async def shown(make: Callable[[], Awaitable[object]], at_ease: Callable[[float], bool]) -> int:
        loops.append(asyncio.get_running_loop())
        await make()
        meanwhile.append(gc.get_threshold())
        async with asyncio.timeout(at_most(5)):
            while gc.get_threshold() != YOUNG:
                await asyncio.sleep(0.001)
        assert not at_ease(0.0), "it has just begun"
        return 0

    async def made() -> Desk:
        return cast("Desk", None)

    monkeypatch.setattr("screens.app.run_async", shown)
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append(gc.get_threshold()))
    monkeypatch.setattr(tui, "_FIRST_SWEEP", 0.01)

    assert tui.show(made, hard=False) == 0
    loops[0].close()
    assert meanwhile == frozen
    assert meanwhile[0][0] > before[0]
    assert gc.get_threshold() == before


def test_all_of_memory_is_searched_for_garbage_when_nobody_types_and_after_a_while_anyhow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    searched: list[float] = []
    moment = [1000.0]
    monkeypatch.setattr(start, "monotonic", lambda: moment[0])
    monkeypatch.setattr(gc, "collect", lambda: searched.append(moment[0]))
    searches = FullSearches()
    for moment[0] in range(1000, 1200):
        searches.at_ease(touched=min(moment[0], 1100))  # keys until 1100
    assert searched == [1105, 1165]
    for moment[0] in range(1200, 2200):
        searches.at_ease(touched=moment[0])
    assert searched == [1105, 1165, 2065]
