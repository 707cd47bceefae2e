"""What `make test` says of tests that passed only on their second run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.twice import alone

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {
    "PYTHONPATH": str(ROOT),
    "PATH": "",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # they take seconds to import, a run of them each
    "PYTEST_PLUGINS": "xdist.plugin",
}
LATE = """
from pathlib import Path

def test_late_{n}() -> None:
    mark = Path(__file__).with_suffix(".{n}")
    late = not mark.exists()
    mark.touch()
    assert not late
"""
GOOD = "def test_good() -> None:\n    assert True\n"
BAD = "def test_bad() -> None:\n    assert False\n"


def run(folder: Path, *, late: int, bad: bool, arguments: tuple[str, ...]) -> tuple[int, str]:
    text = GOOD + "".join(LATE.format(n=n) for n in range(late)) + (BAD if bad else "")
    (folder / "test_it.py").write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\n")
    done = subprocess.run(
        [sys.executable, "-m", "tests.tools.twice", "--", *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("arguments", [(), ("-n", "2", "--dist", "loadfile")], ids=["one", "two"])
@pytest.mark.parametrize(
    ("late", "bad", "code", "last"),
    [
        (0, False, 0, None),
        (2, False, 0, "second: 2 passed, 0 failed"),
        (3, False, 0, "second: 3 passed, 0 failed"),
        (4, False, 1, "second: 4 passed, 0 failed"),
        (0, True, 1, "second: 0 passed, 1 failed"),
        (1, True, 1, "second: 1 passed, 1 failed"),
    ],
)
def test_a_second_run_is_told_and_more_than_three_are_no_accident(
    tmp_path: Path,
    *,
    late: int,
    bad: bool,
    code: int,
    last: str | None,
    arguments: tuple[str, ...],
) -> None:
    ended, told = run(tmp_path, late=late, bad=bad, arguments=arguments)
    assert ended == code, told
    assert told.count("passed only on its second run: ") == late
    assert (told.splitlines()[-1] == last) if last else ("second:" not in told)


def test_what_cannot_be_asked_is_not_asked_twice(tmp_path: Path) -> None:
    code, told = run(tmp_path, late=0, bad=False, arguments=("--no-such-option",))
    assert code == 4
    assert "once more" not in told


def test_the_second_run_is_one_process() -> None:
    given = ["-n", "3", "--dist", "loadfile", "--no-loadscope-reorder", "-q", "tests/core"]
    assert alone(given) == ["-q", "tests/core"]
    assert alone(["-n3", "--dist=loadfile", "-k", "x"]) == ["-k", "x"]
