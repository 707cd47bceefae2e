"""Whether a stranger could have written a file, or could put another one in its place; and files
that nobody else may read.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

ROOT = 0


def private(path: Path, *, append: bool = False) -> BinaryIO:
    """A file to write that only we may read, also one that was there before. Raises `OSError`.

    A link is not followed: it would lead what is written to wherever somebody else wants it.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    flags |= os.O_APPEND if append else os.O_TRUNC
    handle = os.open(path, flags, 0o600)
    try:
        os.fchmod(handle, 0o600)
    except OSError:  # another's file
        os.close(handle)
        raise
    return os.fdopen(handle, "ab" if append else "wb")


def stranger(path: Path) -> tuple[Path, str] | None:
    """Which file or folder on the way to an absolute path is a stranger's, and why; None: none is.

    As sshd does for `authorized_keys`: file and folders belong to root or to us, and no stranger
    may write them. In a folder with the sticky bit (/tmp) only its owner may replace a file. The
    way by links and the one without are both walked. Raises `OSError`.
    """
    for end in (path, path.resolve(strict=True)):
        for each in (end, *end.parents):
            found = each.lstat()
            if found.st_uid not in {ROOT, os.geteuid()}:
                return each, f"{each} belongs to another user"
            if stat.S_ISLNK(found.st_mode):
                continue
            if _open_to_others(found) and not _sticky(found):
                return each, f"others may write {each}"
    return None


def _open_to_others(found: os.stat_result) -> bool:
    strangers = stat.S_IWOTH
    if found.st_gid not in {0, os.getegid()}:
        strangers |= stat.S_IWGRP
    return bool(found.st_mode & strangers)


def _sticky(found: os.stat_result) -> bool:
    return stat.S_ISDIR(found.st_mode) and bool(found.st_mode & stat.S_ISVTX)
