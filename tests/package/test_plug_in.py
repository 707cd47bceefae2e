"""A distribution of its own brings a kind, a connector, a probe, a runbook and a scenario."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
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
    """A folder in which one file waits for an hour."""
    spool = tmp_path / "spool"
    spool.mkdir()
    (spool / "letter").touch()
    os.utime(spool / "letter", (time.time() - 3600,) * 2)
    file = tmp_path / "cockpit.toml"
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
        {"cockpit.kinds": "spool = cockpit_spool.connector:KIND"},
        "plug-in spool (cockpit-broken and cockpit-spool)",
        "which is meant cannot be told",
        id="a kind that two distributions bring",
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
         "source": LORRY + "PROBE = replace(waiting.PROBE, id='lorry.load', codes=None)"},
        "plug-in lorry.load (cockpit-broken)",
        "its codes is nothing, not a tuple",
        id="a wrong member of a probe",
    ),
    pytest.param(
        {"cockpit.kinds": "lorry = cockpit_broken:KIND", "metadata": ""},
        "plug-in (cockpit_broken-1.0.dist-info)",
        "its METADATA has no name",
        id="metadata without a name",
    ),
]  # fmt: skip


@pytest.fixture
def broken(equipped: Environment) -> Iterator[Path]:
    """Where a distribution is written as an installer would; gone afterwards."""
    (site,) = (equipped.folder / "venv/lib").glob("python*/site-packages")
    folder, module = site / POINTS, site / "cockpit_broken.py"
    folder.mkdir()
    yield site
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    module.unlink(missing_ok=True)


def written(site: Path, points: dict[str, str]) -> None:
    (site / POINTS / "METADATA").write_text(points.get("metadata", NAMED))
    groups = {group: line for group, line in points.items() if group.startswith("cockpit.")}
    text = "".join(f"[{group}]\n{line}\n" for group, line in groups.items())
    (site / POINTS / "entry_points.txt").write_text(text)
    if "source" in points:
        (site / "cockpit_broken.py").write_text(points["source"])


@pytest.mark.parametrize(("points", "who", "why"), BROKEN)
def test_a_broken_one_is_one_blind_line_and_all_else_is_seen(
    equipped: Environment, broken: Path, config: Path, points: dict[str, str], who: str, why: str
) -> None:
    written(broken, points)
    with config.open("a") as file:
        file.write(HEALTHY)

    done = equipped.run("-c", str(config), "check", "--json")
    told = json.loads(done.stdout)
    blind = [r for r in told["readings"] if r["kind"] == "plug-in"]
    assert done.returncode == 2, "the worst that was found, as without it"
    assert [reading["target"] for reading in blind] == [who]
    assert why in blind[0]["detail"]
    assert "Traceback" not in done.stderr
    seen = {r["target"] for r in told["readings"] if r["outcome"] == "seen"}
    assert "front" in seen
    lint = equipped.run("runbook", "lint")
    assert who in lint.stderr
    assert lint.returncode == 2


def test_a_target_whose_plug_in_is_broken_is_not_examined(
    equipped: Environment, broken: Path, tmp_path: Path
) -> None:
    written(broken, {"cockpit.kinds": "lorry = absent:KIND"})
    file = tmp_path / "cockpit.toml"
    file.write_text('environment = "x"\n[[target]]\nkind = "lorry"\nname = "van"\nwheels = 4\n')
    done = equipped.run("-c", str(file), "check")
    assert done.returncode == 3
    assert "its kind 'lorry' comes from cockpit-broken, which is broken" in done.stdout


def test_what_a_plug_in_raises_over_its_own_table_costs_that_target_only(
    equipped: Environment, broken: Path, config: Path
) -> None:
    """Also where people look at the codes, write the file, and sit before the screens."""
    source = LORRY + (
        "KIND = lorry(problems=boom)\n"
        "PROBE = replace(waiting.PROBE, id='lorry.load', kind='lorry')\n"
    )
    points = "lorry = cockpit_broken:KIND\n[cockpit.probes]\nlorry.load = cockpit_broken:PROBE"
    written(broken, {"cockpit.kinds": points, "source": source})
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
