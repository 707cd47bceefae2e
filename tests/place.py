"""Where a run of the tests keeps its files: in memory, where there is room.

Servers, installers and the record wait until the disk has what they wrote; on a disk that is a
quarter of what their tests take. Whoever names a `TMPDIR` gets that one.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path

FOLDER = "COCKPIT_TESTS_FOLDER"
"""The variable that tells it to the workers and to what they start."""
DISK = "COCKPIT_TESTS_DISK"
"""The variable with the usual folder for temporary files, for a test of what a disk lets wait."""
_MEMORY = Path("/dev/shm")
_ROOM = 4 << 30
"""Bytes; four workers take less than one GB at a time, and their servers' own memory is to fit."""
_KEPT = 3600
"""Seconds for which what failed can be looked at."""
_PREFIX = "cockpit-tests-"


def opened() -> Path:
    """Make the folder of this run, which every temporary file goes to from now on. It can be walked
    by everybody: servers run as another user when we are root.
    """
    usual = tempfile.gettempdir()
    parent = Path(usual) if "TMPDIR" in os.environ or not _roomy() else _MEMORY
    _forget(parent)
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent))
    folder.chmod(0o755)
    os.environ |= {FOLDER: str(folder), "TMPDIR": str(folder), DISK: usual}
    tempfile.tempdir = None
    return folder


def closed(folder: Path, *, failed: bool) -> None:
    """The run is over. Of one that failed the folders of its tests stay (`tmp_path`)."""
    for each in folder.iterdir():
        if not (failed and each.name.startswith("pytest-of-")):
            shutil.rmtree(each, ignore_errors=True)
    if not failed:
        shutil.rmtree(folder, ignore_errors=True)


def _roomy() -> bool:
    """A container often has 64 MB there, and some let no program be run from it."""
    try:
        about = os.statvfs(_MEMORY)
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return False
    available = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    free = min(about.f_bavail * about.f_frsize, available * 1024)
    return free >= _ROOM and not about.f_flag & os.ST_NOEXEC


def _forget(parent: Path) -> None:
    """What earlier runs left: it takes memory."""
    for folder in parent.glob(f"{_PREFIX}*"):
        runs = Path("/proc", folder.name.removeprefix(_PREFIX).partition("-")[0]).exists()
        if not runs and time.time() - folder.stat().st_mtime > _KEPT:
            shutil.rmtree(folder, ignore_errors=True)
