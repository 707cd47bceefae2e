"""The import contracts catch what they promise: a stranger's file breaks them, today's code does not."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy")
    for package in ("cockpit", "probes", "screens"):
        shutil.copytree(
            ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def broken(copy: Path) -> set[str]:
    """The names of the contracts that do not hold in the copy."""
    program = (
        "import sys; sys.path.insert(0, '.');"
        "from importlinter.cli import lint_imports_command; lint_imports_command()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "--no-cache"],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Contracts:" in done.stdout, done.stdout + done.stderr
    told = (re.match(r"(.+) BROKEN(?: \(|$)", line) for line in done.stdout.splitlines())
    return {match.group(1) for match in told if match is not None}


@pytest.mark.parametrize(
    ("file", "text", "contracts"),
    [
        pytest.param(
            "cockpit/cli/commands/sql.py",
            "import psycopg\nimport moto\nfrom probes.postgres import locks\nimport screens.app\n",
            {
                "drivers under cockpit.connect only",
                "moto and server binaries in the world only",
                "the domain knows neither screens nor probes",
            },
            id="a command with a driver, the emulator, a probe and a screen",
        ),
        pytest.param(
            "cockpit/newcomer.py", "", {"layers of the domain"}, id="a module that nobody placed"
        ),
        pytest.param(
            "cockpit/connect/kafka.py",
            "",
            {"families of connectors"},
            id="a connector that nobody placed",
        ),
        pytest.param(
            "probes/mysql/borrowed.py",
            "from probes.postgres import model\n",
            {"families of probes"},
            id="a probe that leans on another family",
        ),
        pytest.param(
            "cockpit/triage/drawn.py",
            "import rich\n",
            {"Textual and Rich under screens only"},
            id="the domain draws",
        ),
        pytest.param(
            "screens/asking.py",
            "def ask() -> None:\n    import boto3\n",
            {"drivers under cockpit.connect only"},
            id="a screen that asks AWS itself, deferred",
        ),
        pytest.param(
            "screens/knowing.py",
            "from probes.postgres import model\n",
            {"screens know no probe, probes know no screen"},
            id="a screen that knows a probe",
        ),
        pytest.param(
            "probes/redis/drawing.py",
            "from screens.present import lines\n",
            {"screens know no probe, probes know no screen"},
            id="a probe that knows a screen",
        ),
        pytest.param(
            "cockpit/incident/judging.py",
            "from cockpit.triage.finding import Finding\n",
            {"layers of the domain"},
            id="the record judges",
        ),
    ],
)
def test_a_stranger_breaks_the_contract(
    copy: Path, file: str, text: str, contracts: set[str]
) -> None:
    path = copy / file
    path.write_text(f'"""New."""\n{text}')
    try:
        assert contracts <= broken(copy)
    finally:
        path.unlink()


def test_the_code_as_it_is_keeps_them(copy: Path) -> None:
    assert broken(copy) == set()
