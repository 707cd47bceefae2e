"""The world's folder: one a world, owned by the processes that are written in it.

`owners.json` lists process ids with their start times, since a number alone may be somebody else's
by now. A folder without a living owner is a leftover: its servers are ended, and it is removed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

PREFIX = "cockpit-world-"
_OWNERS = "owners.json"
_YOUNG = 10.0
_PROC = Path("/proc")
_lock = threading.Lock()


def make() -> Path:
    """A new folder under the temporary folder, owned by this process.

    As root the servers run as another user, who must be able to walk to it.
    """
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=_parent()))
    if os.geteuid() == 0:
        folder.chmod(0o711)
    own(folder, os.getpid(), "launcher")
    return folder


def own(folder: Path, pid: int, what: str) -> None:
    """Write a living process into the folder: `launcher` and `world` own it, others are servers."""
    with _lock:
        owners = _read(folder)
        owners[str(pid)] = {"started": started(pid), "what": what}
        _write(folder / _OWNERS, json.dumps(owners))


def write_atomically(path: Path, text: str) -> None:
    """Replace a file as a whole: a reader sees the old text or the new one."""
    _write(path, text)


def started(pid: int) -> str:
    """When a process began, as text that is only compared; empty when there is no such process.

    Linux: the 22nd field of /proc/PID/stat, in clock ticks since boot. Elsewhere: `ps`.
    """
    if _PROC.exists():
        try:
            stat = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        fields = stat.rpartition(")")[2].split()
        return "" if fields[0] in {"Z", "X"} else fields[19]
    done = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def clean_up() -> list[Path]:
    """End the servers of dead worlds of this user and remove their folders; gives the folders."""
    removed = []
    for folder in _parent().glob(f"{PREFIX}*"):
        try:
            if folder.stat().st_uid != os.geteuid() or _is_alive(folder):
                continue
        except OSError:
            continue
        end_servers(folder)
        remove(folder)
        removed.append(folder)
    return removed


def end_servers(folder: Path) -> None:
    """SIGKILL every server that is written in the folder and is still the same process."""
    for pid, owner in _read(folder).items():
        is_server = owner.get("what") not in {"launcher", "world"}
        if is_server and owner.get("started") and owner["started"] == started(int(pid)):
            try:
                os.kill(int(pid), signal.SIGKILL)
            except OSError:
                continue


def remove(folder: Path) -> None:
    """Remove the folder and all in it; a server that is just ending may still write, so twice."""
    for _ in range(20):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.05)


def _is_alive(folder: Path) -> bool:
    owners = [one for one in _read(folder).items() if one[1].get("what") in {"launcher", "world"}]
    if not owners:
        return time.time() - folder.stat().st_mtime < _YOUNG
    worlds = [one for one in owners if one[1]["what"] == "world"]
    judged = worlds or owners
    return any(owner["started"] == started(int(pid)) for pid, owner in judged)


def _parent() -> Path:
    parent = Path(tempfile.gettempdir())
    if os.geteuid() == 0 and not _walkable(parent):
        for other in (Path("/tmp"), Path("/var/tmp")):
            if other.is_dir() and _walkable(other):
                return other
    return parent


def _walkable(path: Path) -> bool:
    resolved = path.resolve()
    return all(one.stat().st_mode & 0o001 for one in (resolved, *resolved.parents))


def _read(folder: Path) -> dict[str, dict[str, str]]:
    try:
        owners: dict[str, dict[str, str]] = json.loads((folder / _OWNERS).read_text())
    except (OSError, ValueError):
        return {}
    return owners


def _write(path: Path, text: str) -> None:
    aside = path.with_name(f".{path.name}.{threading.get_ident()}")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)
