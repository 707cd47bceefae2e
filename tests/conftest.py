"""What every test file ends with."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


def pytest_collection_finish() -> None:
    gc.set_threshold(20_000, 25, 25)  # drawing makes objects by the thousand: a tenth of its time
    _keep()


def pytest_sessionfinish() -> None:
    """For the last look of all, which pytest takes: at what the whole run held."""
    gc.unfreeze()


@pytest.fixture(scope="module", autouse=True)
def _what_is_left_open_is_told_here() -> Iterator[None]:
    """A socket or process that a file left open fails that file, not one that happens to be next."""
    yield
    _keep()


def _keep() -> None:
    """Collect what is garbage, and walk no more over what is not: ten thousand collected tests,
    modules and service models, of which a walk takes a second.
    """
    gc.collect()
    gc.freeze()
