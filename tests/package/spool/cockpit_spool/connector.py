"""The kind `spool`: a folder on this machine. It is only ever read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cockpit.connect.kind import Door, Kind, Problem
from cockpit.errors import BlindError, Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolSettings:
    """What a `[[target]]` of the kind says."""

    path: str
    order: str = "oldest"
    """`oldest` or `newest`: which file is told first."""


class Spool:
    """A session: there is nothing to open, and nothing to close."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def ages(self) -> tuple[float, ...]:
        """Seconds that each file waits, the longest first. Raises `BlindError`."""
        return await asyncio.to_thread(self._ages)

    def _ages(self) -> tuple[float, ...]:
        try:
            files = [path.stat() for path in self._path.iterdir() if path.is_file()]
        except FileNotFoundError:
            raise BlindError(
                Reason.MISSING, f"{self._path}: no such folder", code="SPOOL_GONE", severity="high"
            ) from None
        except OSError as error:
            raise BlindError(Reason.DENIED, f"{self._path}: {error.strerror}") from None
        return tuple(sorted((time.time() - file.st_mtime for file in files), reverse=True))

    async def close(self) -> None:
        """Nothing is held."""


async def _open(settings: SpoolSettings, _: Door) -> Spool:
    return Spool(Path(settings.path))


def _problems(settings: SpoolSettings, _: Mapping[str, object]) -> Iterator[Problem]:
    if not settings.path.startswith("/"):
        yield "path", f"{settings.path!r} must begin with /"


KIND = Kind(
    name="spool",
    short="spool",
    settings=SpoolSettings,
    open=_open,
    words={"order": ("oldest", "newest")},
    problems=_problems,
)
