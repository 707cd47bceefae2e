"""What every test file ends with."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from cockpit.redact import MASKER
from tests import carried, order, place

_FOLDER = pytest.StashKey[Path]()
_FAILED = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    """The workers find the folder of their run in the environment."""
    if hasattr(config, "workerinput"):
        gc.disable()  # what is collected stays: walks over it are a sixth of the collecting
    else:
        config.stash[_FOLDER] = place.opened()


def pytest_unconfigure(config: pytest.Config) -> None:
    """After the last worker."""
    if _FOLDER in config.stash:
        place.closed(config.stash[_FOLDER], failed=config.stash.get(_FAILED, False))


def pytest_collection_finish() -> None:
    gc.enable()
    gc.set_threshold(20_000, 25, 25)  # drawing makes objects by the thousand: a tenth of its time
    _keep()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that carries a step out, as the table says, has to be there."""
    absent = carried.absent_from({item.nodeid for item in items})
    named = any("::" in argument for argument in items[0].config.args) if items else True
    if absent and not named:
        raise pytest.UsageError(f"tests/carried.txt names what is not there: {absent}")
    if "PYTEST_XDIST_WORKER" in os.environ:
        files = order.mixed(list(dict.fromkeys(item.location[0] for item in items)))
        ranks = {file: rank for rank, file in enumerate(files)}
        items.sort(key=lambda item: ranks[item.location[0]])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Hold a test to the steps that it carries out as `tests/carried.txt` has it."""
    carried.record()
    carried.DONE.clear()
    result = yield
    left = carried.missed_by(item.nodeid)
    assert not left, f"tests/carried.txt says that this carries out {sorted(left)}: it did not"
    return result


def pytest_sessionfinish(session: pytest.Session) -> None:
    """For the last look of all, which pytest takes: at what the whole run held."""
    gc.unfreeze()
    session.config.stash[_FAILED] = bool(session.testsfailed)


@pytest.fixture(scope="module", autouse=True)
def _what_is_left_open_is_told_here() -> Iterator[None]:
    """A socket or process that a file left open fails that file, not one that happens to be next."""
    yield
    _keep()


@pytest.fixture(scope="module", autouse=True)
def _secrets_of_a_file_are_its_own() -> Iterator[None]:
    """What a file's tests let be learnt would be masked in the files that come after it in the same
    process, by chance: several show the same word on the screen.
    """
    known = set(MASKER._values)
    yield
    MASKER._values &= known
    MASKER._longest_first = None
    MASKER.learnt += 1


def _keep() -> None:
    """Collect what is garbage, and walk no more over what is not: ten thousand collected tests,
    modules and service models, of which a walk takes a second.
    """
    gc.collect()
    gc.freeze()
