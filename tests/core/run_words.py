"""Short words for runs."""

from __future__ import annotations

from typing import Any

from tests.core.runs import (
    TERMINATE,
    Rig,
    book,
    rig,
)

UNVERIFIED = TERMINATE.replace("verify =", "# verify =").replace('"high"', '"low"')


def ready(*steps: str, **more: Any) -> Rig:
    return rig(book(*steps), **more)
