"""`make bench`: everything that has a number, in one run, as a table."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.bench import (
    before,
    board,
    calls,
    faults,
    first,
    lists,
    looking,
    lookups,
    many,
    observer,
    rest,
    scale,
    start,
    stopped,
    sweep,
    world,
)
from tests.bench.table import Row, render

HOME = Path(".bench")
CONFIG = """
environment = "bench"
[[target]]
kind = "endpoint"
name = "url"
url = "http://127.0.0.1:1/"
"""


def installed(package: str, program: str) -> Path | None:
    """A program of a package in an environment of its own; None when that cannot be had."""
    folder = HOME / package
    path = folder / "bin" / program
    marker = folder / "installed"
    if not marker.exists():
        packages = [package, "psycopg[binary]"] if package == "pg_activity" else [package]
        for argv in (
            [sys.executable, "-m", "venv", str(folder)],
            [str(folder / "bin/pip"), "install", "-q", *packages],
        ):
            if subprocess.run(argv, check=False).returncode:
                return None
        marker.touch()
    return path.absolute()


def main() -> int:
    """Print the table; 1 when a goal is missed."""
    if sys.argv[1:]:
        print("make bench, or python -m tests.bench: measures everything and prints the table")
        return 0
    aws = installed("awscli", "aws")
    found: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "one.toml").write_text(CONFIG)
        os.environ["COCKPIT_DATA"] = str(folder / "data")
        parts: list[Callable[[], list[Row]]] = [
            lambda: start.headless(aws),
            lambda: start.first_paint(folder / "one.toml", folder / "data"),
            before.rows,
            board.rows,
            lambda: sweep.rows(folder),
            first.rows,
            calls.rows,
            lambda: many.rows(folder),
            lambda: scale.rows(folder),
            looking.rows,
            lists.rows,
            lambda: world.leaving(folder),
            lambda: world.idle_output(folder),
            stopped.rows,
            faults.rows,
            lambda: observer.rows(installed("pg_activity", "python")),
            lambda: lookups.rows(aws),
            rest.rows,
        ]
        for part in parts:
            rows = part()
            found += rows
            print(
                *(f"{row.name}: {row.value:.3g} {row.unit}" for row in rows),
                sep="\n",
                file=sys.stderr,
                flush=True,
            )
    print(render(found))
    return int(not all(row.met for row in found))


if __name__ == "__main__":
    sys.exit(main())
