"""Where entries go while the journal's own folder cannot be written.

A plain file of canonical JSON lines on another file system; what is in it is taken into the
journal, in order, as soon as that works again, also by the next cockpit after a crash.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cockpit import clock


class SpillFile:
    """The spill file of one incident. Nothing is made before the first write."""

    def __init__(self, folders: Sequence[Path], name: str) -> None:
        """`folders` are tried in this order; all of them are read."""
        self._folders = tuple(folders)
        self._name = name
        self.path: Path | None = None
        """Where the last write went; None when nothing was written."""
        self.refused = ""
        """Why the first folder took nothing; empty as long as it takes what comes."""

    def write(self, lines: Sequence[str], blobs: Sequence[tuple[str, bytes]] = ()) -> bool:
        """Append lines durably; False when no folder takes them."""
        places = [self.path.parent] if self.path else self._folders
        self.refused = ""
        for folder in places:
            try:
                private(folder)
                for name, content in blobs:
                    _append(folder / f"{self._name}.{name}.blob", content)
                path = folder / f"{self._name}.jsonl"
                _append(path, "".join(text + "\n" for text in lines).encode())
            except OSError as problem:
                self.refused = self.refused or f"{folder}: {problem.strerror or problem}"
                continue
            self.path = path
            return True
        return False

    def lines(self) -> list[str]:
        """All lines of all folders; the last of a file may be cut."""
        found: list[str] = []
        for path in self._files("jsonl"):
            found += path.read_text("utf-8", "replace").splitlines()
        return found

    def blobs(self) -> list[tuple[str, bytes]]:
        """Large outputs that were set down here."""
        return [(path.name.split(".")[-2], path.read_bytes()) for path in self._files("*.blob")]

    @property
    def empty(self) -> bool:
        """Whether nothing waits here: neither lines nor outputs nor letters."""
        return not any(self._files(each) for each in ("jsonl", "*.blob", "*.letter"))

    def keep(self, name: str, content: bytes) -> Path | None:
        """Keep a file that is not read again; where it is, None when no folder takes it."""
        for folder in self._folders:
            try:
                private(folder)
                _append(folder / name, content)
            except OSError:
                continue
            return folder / name
        return None

    def leave(self, letter: str, content: str) -> bool:
        """Keep a letter to who holds the incident; False when no folder takes it."""
        return self.keep(f"{self._name}.{letter}.letter", content.encode()) is not None

    def letters(self) -> list[tuple[str, str]]:
        """The letters that were left here, as (id, JSON)."""
        return [
            (path.name.split(".")[-2], path.read_text("utf-8", "replace"))
            for path in self._files("*.letter")
        ]

    def taken(self, letter: str) -> None:
        """Remove a letter whose entry is kept elsewhere."""
        for path in self._files(f"{letter}.letter"):
            path.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove what has landed in the journal."""
        for path in self._files("jsonl") + self._files("*.blob"):
            path.unlink(missing_ok=True)
        self.path = None

    def set_aside(self) -> tuple[Path, ...]:
        """Keep what could not be taken over, under names that are not read again."""
        stamp = file_stamp()
        return tuple(
            path.rename(path.with_name(f"{path.name}.aside-{stamp}"))
            for path in self._files("jsonl")
        )

    def _files(self, pattern: str) -> list[Path]:
        found: list[Path] = []
        for folder in self._folders:
            if is_private(folder):
                found += sorted(folder.glob(f"{self._name}.{pattern}"))
        return found


def spare_folders(data: Path) -> tuple[Path, ...]:
    """Folders for the incidents of one data folder, preferably on other file systems.

    `COCKPIT_SPARE` names the only one. Otherwise: what survives a reboot first, memory last.
    """
    named = os.environ.get("COCKPIT_SPARE", "")
    mark = hashlib.sha256(str(data.absolute()).encode()).hexdigest()[:12]
    if named:
        return (Path(named) / mark,)
    mine = f"cockpit-{os.getuid()}"
    roots = ["/var/tmp", tempfile.gettempdir(), os.environ.get("XDG_RUNTIME_DIR", ""), "/dev/shm"]  # noqa: S108
    return tuple(Path(root) / mine / mark for root in dict.fromkeys(filter(None, roots)))


def file_stamp() -> str:
    """The time for a file name: `20261121T024103120Z`."""
    return clock.stamp(clock.now()).translate(str.maketrans("", "", "-:."))


def private(folder: Path) -> None:
    """Make the folder for this user alone. Raises `OSError`, also when it is somebody else's."""
    for part in (folder.parent, folder):
        part.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not is_private(folder):
        raise PermissionError("belongs to somebody else, or others may write to it or around it")


def is_private(folder: Path) -> bool:
    """Whether what is in the folder can only be this user's.

    It is this user's own, and nobody else may write to it. Nobody else may exchange it either: so
    the folder above is this user's or root's, and who may write to it may not rename what is
    another's (`/tmp` and its like). Neither is a link.
    """
    try:
        above, facts = os.lstat(folder.parent), os.lstat(folder)
    except OSError:
        return False
    own = facts.st_uid == os.getuid() and not facts.st_mode & _BY_OTHERS
    kept = not above.st_mode & _BY_OTHERS or bool(above.st_mode & stat.S_ISVTX)
    folders = stat.S_ISDIR(above.st_mode) and stat.S_ISDIR(facts.st_mode)
    return folders and own and kept and above.st_uid in {0, os.getuid()}


_BY_OTHERS = 0o022


def _append(path: Path, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o600)
    try:
        while content:
            content = content[os.write(descriptor, content) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
