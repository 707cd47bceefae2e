"""A distribution of its own brings a kind, a connector, a probe, a runbook and a scenario."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.package.conftest import Environment, built, environment
from tests.patience import at_most
from tests.screens.terminal import Terminal

SPOOL = Path(__file__).parent / "spool"
HEALTHY = """
[[target]]
kind = "endpoint"
name = "front"
url = "http://127.0.0.1:1/"
"""


@pytest.fixture(scope="module")
def equipped(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    made = environment(tmp_path_factory.mktemp("equipped"))
    made.borrow()
    plug_in = built(SPOOL, tmp_path_factory.mktemp("spool"))
    made.install("--no-deps", str(wheel), str(plug_in))
    return made


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return spooling(tmp_path)


def spooling(folder: Path) -> Path:
    """The configuration of a folder in which one file waits for an hour."""
    spool = folder / "spool"
    spool.mkdir()
    (spool / "letter").touch()
    os.utime(spool / "letter", (time.time() - 3600,) * 2)
    file = folder / "cockpit.toml"
    file.write_text(
        f'environment = "x"\n[[target]]\nkind = "spool"\nname = "outbox"\npath = "{spool}"\n'
    )
    return file


def test_its_kind_is_looked_at_and_its_runbook_offered(equipped: Environment, config: Path) -> None:
    done = equipped.run("-c", str(config), "check", "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 2, done.stderr
    assert [(r["target"], r["kind"], r["outcome"]) for r in told["readings"]] == [
        ("outbox", "spool", "seen")
    ]
    (finding,) = told["findings"]
    assert (finding["code"], finding["runbook"]) == ("SPOOL_STUCK", "spool-stuck")


def test_its_settings_are_those_of_the_configuration(equipped: Environment, config: Path) -> None:
    with config.open("a") as file:
        file.write('[probes."spool.waiting"]\noldest = { warning = 7200, high = 9000 }\n')
    assert equipped.run("-c", str(config), "check").returncode == 0


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (
            "SPOOL_STUCK",
            (
                "SPOOL_STUCK  high, warning",
                "Files wait in the folder and nobody takes them",
                "oldest = { warning = 300, high = 1800 }",
                "Seconds that the oldest file waits.",
                "what they are sent to refuses them",
                "Look whether the sender runs.",
            ),
        ),
        ("SPOOL_GONE", ("SPOOL_GONE  high", "The look itself fails: …: no such folder.")),
    ],
)
def test_its_codes_are_explained_like_the_product_s_own(
    equipped: Environment, code: str, told: tuple[str, ...]
) -> None:
    done = equipped.run("explain", code.lower())
    assert done.returncode == 0, done.stderr
    for words in (*told, "by the probe spool.waiting", "runbook  spool-stuck"):
        assert words in done.stdout


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ('pth = "/x"', "target[1] (outbox).pth: unknown key; did you mean 'path'?"),
        ('path = "x"', "target[1] (outbox).path: 'x' must begin with /"),
        ('path = "/x"\norder = "oldst"', "none of oldest, newest; did you mean 'oldest'?"),
    ],
    ids=["a misspelt key", "a rule of its own", "a word"],
)
def test_its_keys_are_checked_like_any_other(
    equipped: Environment, tmp_path: Path, changed: str, told: str
) -> None:
    file = tmp_path / "cockpit.toml"
    file.write_text(f'environment = "x"\n[[target]]\nkind = "spool"\nname = "outbox"\n{changed}\n')
    done = equipped.run("-c", str(file), "check")
    assert done.returncode == 64
    assert told in done.stderr


def test_its_runbook_is_listed_shown_and_linted(equipped: Environment) -> None:
    assert "spool-stuck" in equipped.run("runbook", "list").stdout
    assert "Look at the folder" in equipped.run("runbook", "show", "spool-stuck").stdout
    done = equipped.run("runbook", "lint")
    assert (done.returncode, done.stdout) == (0, "")


def test_the_screens_show_it(equipped: Environment, config: Path) -> None:
    command = [equipped.cockpit, "-c", str(config), "open", "no confirmation", "--role", "triage"]
    terminal = Terminal(command, equipped.environ, size=(140, 44))
    try:
        painted = terminal.read(at_most(30), until=b"files wait")
        assert b"files wait" in painted
        terminal.write(b"q")
        assert terminal.read(at_most(30), until=b"\x1b[?1049l")
    finally:
        terminal.away()


@pytest.mark.world
def test_its_scenario_breaks_the_shop_beside_which_it_stands(
    equipped: Environment, tmp_path: Path
) -> None:
    assert "outbox-gone" in equipped.run("scenarios").stdout
    shop = Terminal([equipped.cockpit, "demo", "outbox-gone", "--no-tui"], equipped.environ)
    try:
        told = shop.read(at_most(30), until=b"cockpit.toml").decode()
        path = next(word for word in told.split() if word.endswith("cockpit.toml"))
        done = equipped.run("-c", path, "check", "--json", "--target", "outbox")
        assert done.returncode == 2, (path, done.stderr)
        (finding,) = json.loads(done.stdout)["findings"]
        assert (finding["code"], finding["runbook"]) == ("SPOOL_GONE", "spool-stuck")
        shop.write(b"\x03")
        shop.ended(within=at_most(30))
    finally:
        shop.away()


POINTS = "cockpit_broken-1.0.dist-info"
NAMED = "Metadata-Version: 2.1\nName: cockpit-broken\n"
LORRY = """
from __future__ import annotations
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING
from cockpit_spool import connector, waiting
if TYPE_CHECKING:
    from lorries import Wheels

@dataclass
class Unread:
    wheels: Wheels

def boom(*_):
    raise OSError("no axle")

lorry = partial(replace, connector.KIND, name="lorry", short="lorry")
"""
BROKEN = [
    pytest.param(
        {"cockpit.kinds": "lorry = cockpit_absent:KIND"},
        "plug-in lorry (cockpit-broken)",
        "No module named 'cockpit_absent'",
        id="cannot be imported",
    ),
    pytest.param(
        {"cockpit.kinds": "lorry = cockpit_broken:KIND", "source": "raise OSError('no disk')"},
        "plug-in lorry (cockpit-broken)",
        "OSError: no disk",
        id="raises at import",
    ),
    pytest.param(
        {"cockpit.kinds": "lorry = cockpit_broken:KIND", "source": "import sys; sys.exit(3)"},
        "plug-in lorry (cockpit-broken)",
        "SystemExit: 3",
        id="ends the process at import",
    ),
    pytest.param(
        {"cockpit.kinds": "lorry = cockpit_broken:KIND", "source": "KIND = 42"},
        "plug-in lorry (cockpit-broken)",
        "is a int, not a Kind",
        id="a wrong type",
    ),
    pytest.param(
        {"cockpit.probes": "lorry.load = cockpit_broken:PROBE", "source": "PROBE = None"},
        "plug-in lorry.load (cockpit-broken)",
        "is nothing, not a Probe",
        id="a probe that is none",
    ),
    pytest.param(
        {"cockpit.kinds": "pg = cockpit_broken:KIND",
         "source": "from cockpit.connect.postgres.kind import KIND"},
        "plug-in pg (cockpit-broken)",
        "claims 'postgres', which is the product's own",
        id="a kind of the product",
    ),
    pytest.param(
        {"cockpit.kinds": "this line is none"},
        "plug-in (cockpit-broken)",
        "its entry points cannot be read",
        id="a bad line",
    ),
    pytest.param(
        {"cockpit.runbooks": "lorry = cockpit_broken.runbooks"},
        "plug-in lorry (cockpit-broken)",
        "No module named 'cockpit_broken'",
        id="runbooks in no package",
    ),
    pytest.param(
        {"cockpit.kinds": "lorry = cockpit_broken:KIND", "source": LORRY + "KIND = lorry(words=7)"},
        "plug-in lorry (cockpit-broken)",
        "its words is a int, not a mapping",
        id="a wrong member of a kind",
    ),
    pytest.param(
        {"cockpit.kinds": "lorry = cockpit_broken:KIND",
         "source": LORRY + "KIND = lorry(settings=Unread)"},
        "plug-in lorry (cockpit-broken)",
        "NameError: name 'Wheels' is not defined",
        id="settings that only a type checker can read",
    ),
    pytest.param(
        {"cockpit.probes": "lorry.load = cockpit_broken:PROBE",
         "source": LORRY + "PROBE = replace(waiting.PROBE, id='lorry.load', codes=('LORRY_FULL',))"},
        "plug-in lorry.load (cockpit-broken)",
        "its codes is a tuple, not a mapping: write codes=codes(cause=(",
        id="codes without their natures",
    ),
    pytest.param(
        {"cockpit.kinds": "lorry = cockpit_broken:KIND", "metadata": ""},
        "plug-in (cockpit_broken-1.0.dist-info)",
        "its METADATA has no name",
        id="metadata without a name",
    ),
]  # fmt: skip


@dataclass(frozen=True)
class Told:
    """What the commands say of an environment with broken distributions."""

    code: int
    stderr: str
    blind: list[dict[str, str]]
    """The lines of plug-ins."""
    seen: set[str]
    linted: subprocess.CompletedProcess[str]


def told_by(equipped: Environment, file: Path) -> Told:
    done = equipped.run("-c", str(file), "check", "--json")
    readings = json.loads(done.stdout)["readings"]
    return Told(
        done.returncode,
        done.stderr,
        [reading for reading in readings if reading["kind"] == "plug-in"],
        {reading["target"] for reading in readings if reading["outcome"] == "seen"},
        equipped.run("runbook", "lint"),
    )


@contextmanager
def written(equipped: Environment, points: dict[str, str], number: str = "") -> Iterator[None]:
    """A distribution as an installer would write it; with a number, one of many."""
    (site,) = (equipped.folder / "venv/lib").glob("python*/site-packages")
    files = {
        f"{POINTS}/METADATA": points.get("metadata", NAMED),
        f"{POINTS}/entry_points.txt": "".join(
            f"[{group}]\n{line}\n" for group, line in points.items() if group.startswith("cockpit.")
        ),
        "cockpit_broken.py": points.get("source", ""),
    }
    with ExitStack() as undo:
        for name, text in files.items():
            if text or name.endswith("METADATA"):
                path = site / numbered(name, number)
                if not path.parent.is_dir():
                    path.parent.mkdir()
                    undo.callback(path.parent.rmdir)
                path.write_text(numbered(text, number))
                undo.callback(path.unlink)
        yield


def numbered(text: str, number: str) -> str:
    return re.sub(r"cockpit([_-])broken", rf"cockpit\1broken{number}", text)


@pytest.fixture(scope="module")
def all_broken(equipped: Environment, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Each of them beside all others: what one does to the rest would be seen at theirs."""
    config = spooling(tmp_path_factory.mktemp("all"))
    with config.open("a") as file:
        file.write(HEALTHY)
    with ExitStack() as stack:
        for number, case in enumerate(BROKEN):
            points = case.values[0]
            assert isinstance(points, dict)
            stack.enter_context(written(equipped, points, str(number)))
        return told_by(equipped, config)


@pytest.mark.parametrize(
    ("number", "who", "why"),
    [pytest.param(n, *case.values[1:], id=case.id) for n, case in enumerate(BROKEN)],
)
def test_a_broken_one_is_one_blind_line_and_all_else_is_seen(
    all_broken: Told, number: int, who: str, why: str
) -> None:
    who, why = numbered(who, str(number)), numbered(why, str(number))
    assert all_broken.code == 2, "the worst that was found, as without it"
    assert len(all_broken.blind) == len(BROKEN)
    (line,) = [reading for reading in all_broken.blind if reading["target"] == who]
    assert why in line["detail"]
    assert "Traceback" not in all_broken.stderr
    assert {"front", "outbox"} <= all_broken.seen
    assert who in all_broken.linted.stderr
    assert all_broken.linted.returncode == 2


def test_a_kind_that_two_distributions_bring_is_one_blind_line_and_all_else_is_seen(
    equipped: Environment, config: Path
) -> None:
    who = "plug-in spool (cockpit-broken and cockpit-spool)"
    with config.open("a") as file:
        file.write(HEALTHY)
    with written(equipped, {"cockpit.kinds": "spool = cockpit_spool.connector:KIND"}):
        told = told_by(equipped, config)
    assert told.code == 2, "the worst that was found, as without it"
    assert [reading["target"] for reading in told.blind] == [who]
    assert "which is meant cannot be told" in told.blind[0]["detail"]
    assert "Traceback" not in told.stderr
    assert "front" in told.seen
    assert who in told.linted.stderr
    assert told.linted.returncode == 2


def test_a_target_whose_plug_in_is_broken_is_not_examined(
    equipped: Environment, tmp_path: Path
) -> None:
    file = tmp_path / "cockpit.toml"
    file.write_text('environment = "x"\n[[target]]\nkind = "lorry"\nname = "van"\nwheels = 4\n')
    with written(equipped, {"cockpit.kinds": "lorry = absent:KIND"}):
        done = equipped.run("-c", str(file), "check")
    assert done.returncode == 3
    assert "its kind 'lorry' comes from cockpit-broken, which is broken" in done.stdout


@pytest.fixture
def raising(equipped: Environment) -> Iterator[None]:
    """A plug-in whose kind raises over its own table."""
    source = LORRY + (
        "KIND = lorry(problems=boom)\n"
        "PROBE = replace(waiting.PROBE, id='lorry.load', kind='lorry')\n"
    )
    points = "lorry = cockpit_broken:KIND\n[cockpit.probes]\nlorry.load = cockpit_broken:PROBE"
    with written(equipped, {"cockpit.kinds": points, "source": source}):
        yield


@pytest.mark.usefixtures("raising")
def test_what_a_plug_in_raises_over_its_own_table_costs_that_target_only(
    equipped: Environment, config: Path
) -> None:
    """Also where people look at the codes, write the file, and sit before the screens."""
    with config.open("a") as file:
        file.write('[[target]]\nkind = "lorry"\nname = "van"\npath = "/x"\n')
    named = ("-c", str(config))

    done = equipped.run(*named, "check")
    assert done.returncode == 2, done.stderr
    assert "lorry van  its kind 'lorry' comes from cockpit-broken" in done.stdout
    assert "SPOOL_STUCK" in done.stdout
    assert "SPOOL_STUCK  high" in equipped.run(*named, "explain", "SPOOL_STUCK").stdout
    assert '"const": "spool"' in equipped.run(*named, "schema").stdout
    command = [equipped.cockpit, *named, "open", "no axle", "--role", "triage"]
    terminal = Terminal(command, equipped.environ, size=(140, 44))
    try:
        assert b"files wait" in terminal.read(at_most(30), until=b"files wait")
        terminal.write(b"q")
        assert terminal.read(at_most(30), until=b"\x1b[?1049l")
    finally:
        terminal.away()


def test_a_kind_whose_plug_in_is_missing_names_the_distribution_that_the_file_names(
    equipped: Environment, tmp_path: Path
) -> None:
    file = tmp_path / "cockpit.toml"
    file.write_text(
        'environment = "x"\nplugins = ["cockpit-lorry"]\n[[target]]\nkind = "lorry"\nname = "van"\n'
    )
    done = equipped.run("-c", str(file), "check")
    assert done.returncode == 64
    assert "unknown kind 'lorry'; if a plug-in brings it" in done.stderr
    assert "plugins: cockpit-lorry is not installed beside the cockpit" in done.stderr
