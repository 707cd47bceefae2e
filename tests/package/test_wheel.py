"""The built wheel, installed as pipx would: a new environment, nothing of the checkout."""

from __future__ import annotations

import re
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.package.conftest import ROOT, environment

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs the installed `cockpit` in an empty folder with an empty home."""
    made = environment(tmp_path_factory.mktemp("installed"))
    made.install(str(wheel))
    return made.run


def test_the_wheel_carries_the_three_packages_and_their_data(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    source = {
        str(path.relative_to(ROOT))
        for package in ("cockpit", "probes", "screens")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert source <= names
    assert "cockpit/config.example.toml" in names
    assert not {name.partition("/")[0] for name in names} & {"tests", "docs"}


@pytest.mark.parametrize(
    ("arguments", "code", "shown"),
    [
        (("--version",), 0, "cockpit, version"),
        (("check",), 64, "cockpit demo"),
        (("runbook", "list"), 0, "database-connections"),
        (("incidents",), 0, ""),
        (("scenarios",), 0, "checkout-lock"),
        (("demo", "--no-tui"), 70, 'pip install "incident-cockpit[demo]"'),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_the_installed_command_works(
    arguments: tuple[str, ...], code: int, shown: str, installed: Run
) -> None:
    done = installed(*arguments)
    assert done.returncode == code, done.stderr
    assert shown in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_the_installed_command_names_an_example_that_is_there(installed: Run) -> None:
    (path,) = re.findall(r"cp (\S+) cockpit\.toml", installed("check").stderr)
    assert Path(path).read_bytes() == (ROOT / "config.example.toml").read_bytes()


def test_the_installed_check_looks_at_a_target(installed: Run, tmp_path: Path) -> None:
    config = tmp_path / "cockpit.toml"
    config.write_text(
        'environment = "x"\n[[target]]\nkind = "postgres"\nname = "db"\nhost = "127.0.0.1"\n'
        'port = 1\nuser = "x"\n[[target]]\nkind = "endpoint"\nname = "url"\nurl = "http://127.0.0.1:1/"\n'
    )
    done = installed("-c", str(config), "check")
    assert done.returncode == 2, done.stderr
    assert "NET_TCP_REFUSED" in done.stdout
