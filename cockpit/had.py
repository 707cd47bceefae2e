"""Keeps what looks had in the data folder, a file a configuration, from one process to the next."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cockpit import clock
from cockpit.config import Config
from cockpit.ownership import private
from cockpit.triage.board import LookId
from cockpit.triage.had import Had, LookMemory
from cockpit.triage.target import Target

_SCHEMA = "cockpit.had/1"
_LARGEST = 16_000_000
"""Octets of a file that is read: a thousand targets take a few hundred thousand."""
_EVERY = 30.0
"""Seconds between two times that a running cockpit keeps what it learned."""


class KeptMemory(LookMemory):
    """A memory with its file. One that cannot be read is begun anew: it is a help, no record."""

    def __init__(self, config: Config, folder: Path) -> None:
        """`folder`: the data folder."""
        name = hashlib.sha256(str(config.path.resolve()).encode()).hexdigest()[:16]
        self.path = folder / "had" / f"{name}.json"
        self._of = {target.name: _which(target) for target in config.targets}
        super().__init__(_known(_read(self.path), self._of))

    def keep(self) -> str:
        """Write what was learned, and why that could not be done; empty: it is written."""
        if not self.changed:
            return ""
        self.changed = False
        known = dict(self.known)
        spare = self.path.with_suffix(f".{os.getpid()}")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with private(spare) as file:
                file.write(json.dumps(self._document(known), indent=1).encode())
            spare.replace(self.path)
        except OSError as error:
            self.changed = True
            return f"{error.filename or self.path}: {error.strerror}"
        return ""

    async def keep_on(self) -> None:
        """Keep it now and then, until cancelled: a crash costs half a minute of it."""
        while True:
            await asyncio.sleep(_EVERY)
            await asyncio.to_thread(self.keep)

    def _document(self, known: Mapping[LookId, Had]) -> dict[str, Any]:
        targets: dict[str, dict[str, Any]] = {}
        for id_, had in known.items():
            one = targets.setdefault(id_.target, {"is": self._of.get(id_.target, ""), "looks": {}})
            one["looks"][id_.probe] = {
                "never": sorted(had.never),
                "missed": {name: clock.stamp(since) for name, since in had.missed.items()},
            }
        return {"schema": _SCHEMA, "targets": targets}


def _which(target: Target) -> str:
    """Which server a name stands for: another one under the same name never had anything."""
    return hashlib.sha256(f"{target.kind} {target.settings!r}".encode()).hexdigest()[:16]


def _read(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            return json.loads(file.read(_LARGEST))
    except (OSError, ValueError, RecursionError):
        return None


def _known(document: Any, of: Mapping[str, str]) -> dict[LookId, Had]:
    """What a document tells of the targets that are still the same; nothing where it is no such."""
    found: dict[LookId, Had] = {}
    try:
        for name, which in of.items():
            told = document["targets"].get(name, {})
            if told.get("is") != which:
                continue
            for probe, had in told["looks"].items():
                missed = {str(k): clock.parse(v) for k, v in had["missed"].items()}
                found[LookId(name, probe)] = Had(frozenset(map(str, had["never"])), missed)
    except (TypeError, KeyError, AttributeError, ValueError):
        return {}
    return found
