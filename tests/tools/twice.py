"""Runs the tests, what failed once more and alone, and tells what only passed then.

`python -m tests.tools.twice [--most 3] -- PYTEST ARGUMENTS`. Many tests start servers and whole
shops and wait for them: on a busy machine one may come too late. A second failure counts; and so do
more than `--most` that needed a second run, since that is no accident any more.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

NO_TESTS = 5
"""pytest's exit code when nothing was run."""
PARALLEL = {"-n", "--numprocesses", "--dist"}


def failed(folder: Path) -> set[str]:
    """The ids that pytest remembers as failed."""
    memory = folder / ".pytest_cache/v/cache/lastfailed"
    try:
        return set(json.loads(memory.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return set()


def alone(arguments: Sequence[str]) -> list[str]:
    """The arguments without those that spread tests over processes."""
    kept: list[str] = []
    skip = False
    for word in arguments:
        if skip:
            skip = False
        elif word in PARALLEL:
            skip = True
        elif not word.startswith(("-n", "--dist=", "--numprocesses=", "--no-loadscope-reorder")):
            kept.append(word)
    return kept


def pytest(*arguments: str) -> int:
    """One run, in this folder."""
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], check=False).returncode


def main() -> int:
    """Both runs; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=3)
    parser.add_argument("arguments", nargs="*")
    given = parser.parse_args()
    here = Path.cwd()
    forget = here / ".pytest_cache/v/cache/lastfailed"
    forget.unlink(missing_ok=True)  # of an earlier run: this one tells its own
    code = pytest(*given.arguments)
    first = failed(here)
    if code != 1 or not first:  # all passed, or it could not even be asked
        return code
    print(f"\n{len(first)} failed; once more, alone", flush=True)
    again = pytest("--last-failed", "--last-failed-no-failures", "none", *alone(given.arguments))
    left = failed(here)
    late = sorted(first - left)
    for name in late:
        print(f"passed only on its second run: {name}")
    if again == 0 and len(late) > given.most:
        print(f"{len(late)} tests needed a second run; more than {given.most} is no accident")
    print(f"second: {len(late)} passed, {len(left)} failed", flush=True)
    return again or int(len(late) > given.most)


if __name__ == "__main__":
    sys.exit(main())
