"""A world without a process of its own: what has no servers shares moto with the test.

It costs a second of processor where a process takes three. moto keeps one state a process, so there
is one such world at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from pathlib import Path

from cockpit.connect.role import Role
from cockpit.world import breaks, metrics
from cockpit.world import folder as folders
from cockpit.world.launch import World, WorldStatus, prepared_for, status_in
from cockpit.world.play import Play
from tests.patience import at_most

_ORDINARY = metrics.HEALING


class HeadlessWorld(World):
    """Played in a thread with a loop of its own."""

    def __init__(self, name: str, role: Role) -> None:
        prepared, chosen = prepared_for(name, role)
        self.folder: Path = prepared.folder
        self.config_path, self.scenario, self.role = prepared.config, chosen, role
        self._prepared = prepared
        self._loop = asyncio.new_event_loop()
        self._ending = asyncio.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        folders.own(self.folder, os.getpid(), "world")
        _forget()
        metrics.HEALING, breaks.LATER = _AT_ONCE, 0.0
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._play())
        except BaseException as error:
            self._error = error
            raise
        finally:
            self._loop.close()

    async def _play(self) -> None:
        await Play(self._prepared, self.scenario).run(self._ending)

    def status(self) -> WorldStatus:
        if self._error is not None:  # a bug of the world: a process would end with it
            return WorldStatus(ready=False, parts=(), failed=repr(self._error))
        return status_in(self.folder)

    def stop(self) -> None:
        with contextlib.suppress(RuntimeError):  # its loop is closed: it failed
            self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join(at_most(15))
        assert not self._thread.is_alive()
        metrics.HEALING, breaks.LATER = _ORDINARY, 1.0
        folders.remove(self.folder)


_AT_ONCE = 1e6
"""Minutes of the past that turn well in a minute: nobody watches."""


def _forget() -> None:
    """Everything that moto knows."""
    from moto.moto_api._internal.models import moto_api_backend

    moto_api_backend.reset()
