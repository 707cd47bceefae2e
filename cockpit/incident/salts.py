"""Salts of entries: without one a short text could be guessed from its digest."""

from __future__ import annotations

import secrets

_AT_ONCE, _SIZE = 64, 16


class Salts:
    """Random ones, drawn many at once: asking the kernel for each took a sixth of an entry.

    Not for several threads at a time.
    """

    def __init__(self) -> None:
        self._drawn = b""

    def next(self) -> str:
        """One that nothing else has; 32 hexadecimal digits."""
        if not self._drawn:
            self._drawn = secrets.token_bytes(_AT_ONCE * _SIZE)
        salt, self._drawn = self._drawn[:_SIZE], self._drawn[_SIZE:]
        return salt.hex()
