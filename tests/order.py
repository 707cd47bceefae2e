"""In which order several workers take the files of the tests.

Files with servers and whole shops mostly wait, all others mostly work: side by side the ones fill
the time of the others. Left in two blocks, the processors first idle and then are fought for.
"""

from __future__ import annotations

from collections.abc import Sequence

WAITING = ("tests/world/", "tests/e2e/", "tests/package/", "tests/servers/")
"""Folders of which a file takes many times the seconds that it works."""


def mixed(files: Sequence[str]) -> list[str]:
    """Those that wait spread evenly over those that work; each kind keeps its order, in which the
    long ones come first.
    """
    kinds: tuple[list[str], list[str]] = ([], [])
    for file in files:
        kinds[not file.startswith(WAITING)].append(file)
    placed = [
        (place / len(kind), number, file)
        for number, kind in enumerate(kinds)
        for place, file in enumerate(kind)
    ]
    return [file for _, _, file in sorted(placed, key=lambda each: each[:2])]
