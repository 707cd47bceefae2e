"""What every test file ends with."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def _what_is_left_open_is_told_here() -> Iterator[None]:
    """A socket or process that a file left open fails that file, not one that happens to be next."""
    yield
    gc.collect()
