"""`world.json`: how far each part of the world is, for whoever waits for it."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from cockpit.world.folder import write_atomically
from cockpit.world.prepare import STATE


class StateFile:
    """The file, written anew with each change. Safe from any thread."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / STATE
        self._lock = threading.Lock()
        self._data: dict[str, Any] = json.loads(self._path.read_text())

    def part(self, name: str, state: str, detail: str = "") -> None:
        """A part is `starting`, `ready` or `failed`."""
        with self._lock:
            self._data["parts"][name] = {"state": state, "detail": detail}
            self._write()

    def set(self, **values: Any) -> None:
        """Set top-level values, such as `ready=True`."""
        with self._lock:
            self._data |= values
            self._write()

    def _write(self) -> None:
        if self._path.parent.exists():
            write_atomically(self._path, json.dumps(self._data))
