"""Where journals are kept when nobody says otherwise, and how they came there from 0.1.

`~/.local/share/cockpit` is where Cockpit, the Linux admin console, loads its user packages from: it
is not ours to fill. Journals that 0.1 left there are moved, each when nobody holds it.
"""

from __future__ import annotations

import fcntl
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cockpit.incident.lock import take
from cockpit.incident.spill_file import spare_folders
from cockpit.units import count

NAME, OLD_NAME = "incident-cockpit", "cockpit"
_JOURNAL = re.compile(r"(INC-\d{4}-\d{4,})\..+")
_LAST = (".sqlite", ".jsonl", ".lock")
"""Moved after what belongs to it: a journal without its log would look whole and lack its end."""


@dataclass(frozen=True, slots=True)
class Home:
    """The folder, and a word to the person; empty when there is none to say."""

    folder: Path
    word: str = ""


def home() -> Home:
    """The folder of the journals, after moving what 0.1 left in the other one.

    What somebody holds, what a spill file belongs to, and what cannot be moved stays; it is told.
    While nothing was moved yet the old folder is the home, so that there are never two.
    """
    import platformdirs

    new = Path(platformdirs.user_data_dir(NAME, appauthor=False))
    old = Path(platformdirs.user_data_dir(OLD_NAME, appauthor=False))
    if not any(_journals(each) for each in _places(old)):
        return Home(new)
    moved, left = 0, ""
    try:
        new.mkdir(parents=True, exist_ok=True)
        with (new / ".moving").open("w") as turn:  # of two that start at once, one moves; it stays
            fcntl.flock(turn, fcntl.LOCK_EX)
            for before, after in zip(_places(old), _places(new), strict=True):
                for name, files in _journals(before).items():
                    why = _move(name, files, before, after)
                    moved, left = moved + (not why), why or left
    except OSError as error:
        left = f"{error.filename or new}: {error.strerror}"
    return _told(old, new, moved, left)


def _told(old: Path, new: Path, moved: int, left: str) -> Home:
    words = [f"moved {count(moved, 'journal')} of 0.1 from {old} to {new}"] if moved else []
    if left:
        words.append(f"journals are still in {old}: {left}; they are moved by a later start")
    taken = moved or any(_journals(each) for each in _places(new))
    return Home(new if taken or not left else old, "; ".join(words))


def _places(folder: Path) -> tuple[Path, Path]:
    """The real incidents, and those of demos."""
    return folder, folder / "demo"


def _journals(folder: Path) -> dict[str, list[Path]]:
    """Incident → its files. A folder that cannot be read has none to move."""
    found: dict[str, list[Path]] = {}
    for path in _entries(folder):
        if match := _JOURNAL.fullmatch(path.name):
            found.setdefault(match.group(1), []).append(path)
    return found


def _entries(folder: Path) -> Iterator[Path]:
    try:
        yield from sorted(folder.iterdir())
    except OSError:
        return


def _move(name: str, files: list[Path], before: Path, after: Path) -> str:
    """Move one incident; why it stays, or nothing. What is half moved is moved on the next time."""
    if any((spare / name).exists() or _named(spare, name) for spare in spare_folders(before)):
        return f"{name} has a spill file: cockpit resume {name}"
    after.mkdir(parents=True, exist_ok=True)
    if any((after / path.name).exists() for path in files if not path.name.endswith(".lock")):
        return f"{name} is in both"
    hold = take([before / f"{name}.lock"], actor="", host="")
    if hold is None:
        return f"{name} is open in another cockpit"
    try:
        files = [*files, before / f"{name}.lock"]
        for path in sorted(dict.fromkeys(files), key=lambda path: path.name.endswith(_LAST)):
            if path.exists():
                path.replace(after / path.name)
    except OSError as error:
        return f"{name}: {error.strerror}"
    finally:
        hold.release()
    return ""


def _named(folder: Path, name: str) -> bool:
    return any(path.name.startswith(name) for path in _entries(folder))
