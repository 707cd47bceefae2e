"""What happens to servers, for real, while an engine looks at them: hung, dead, dead in the middle
of an answer, full. Each ends in its engine's code, in time, and the target beside it is seen.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pymysql
import pytest

from cockpit.triage.probe import Seen
from cockpit.world.servers import mariadb, valkey
from cockpit.world.servers.process import ServerProcess
from tests.patience import at_most
from tests.servers import fresh
from tests.servers.faults import BreakingWire, Watch, told
from tests.servers.full import full
from tests.servers.mysql_crowd import Crowd
from tests.servers.private import REDIS_BINARIES, my_settings, mysql_users, redis_settings
from tests.servers.test_memcached import settings as memcached_settings
from tests.servers.test_memcached import started as memcached_started

pytestmark = pytest.mark.servers


@dataclass
class Kind:
    """An engine: a server that is well for all tests, and how to start one to be ill."""

    well: ServerProcess
    start: Callable[[], ServerProcess]
    settings: Callable[[Any], Any]
    mute: str
    dropped: str
    refuses: str
    full: str


def _maria(folder: Path) -> mariadb.MariaDb:
    server = mariadb.start(fresh.mariadb_data(folder / "m"), settings={"max_connections": 10})
    mysql_users(server)
    return server


def _mysql() -> Kind:
    return Kind(
        well=_maria(_folder()),
        start=lambda: _maria(_folder()),
        settings=my_settings,
        mute="MY_CONN_MUTE",
        dropped="MY_CONN_DROPPED",
        refuses="MY_CONN_RESERVED_ONLY",
        full="MY_SAT_CONNECTIONS",
    )


def _redis(binary: Path) -> Kind:
    def start() -> ServerProcess:
        return valkey.start(_folder(), binary=binary, settings={"maxclients": 12})

    return Kind(
        well=start(),
        start=start,
        settings=redis_settings,
        mute="RD_CONN_MUTE",
        dropped="RD_CONN_DROPPED",
        refuses="RD_CONN_SATURATED",
        full="RD_SAT_CLIENTS",
    )


def _memcached() -> Kind:
    def start() -> ServerProcess:
        return memcached_started(_folder(), "-c", "40", "-t", "1")

    return Kind(
        well=start(),
        start=start,
        settings=lambda server: memcached_settings(server.port),
        mute="MC_MUTE",
        dropped="MC_CONN_DROPPED",
        refuses="MC_SAT_CONNECTIONS",
        full="MC_SAT_CONNECTIONS",
    )


_BASE: list[Path] = []


def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(dir=_BASE[0]))
    folder.chmod(0o755)
    return folder


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(_mysql, id="MariaDB"),
        *(pytest.param(lambda each=each: _redis(each.values[0]), id=each.id)
          for each in REDIS_BINARIES),
        pytest.param(_memcached, id="memcached"),
    ],
)  # fmt: skip
def kind(request: pytest.FixtureRequest, base: Path) -> Iterator[Kind]:
    _BASE[:] = [base]
    made: Kind = request.param()
    yield made
    made.well.stop()


@pytest.fixture
def ill(kind: Kind) -> Iterator[Any]:
    server = kind.start()
    yield server
    server.resume()
    server.stop()


async def test_a_hung_server_is_mute_to_who_comes_who_is_in_and_who_reads_an_answer(
    kind: Kind, ill: Any
) -> None:
    async with (
        BreakingWire(ill.port) as wire,
        _watch(kind, ill) as comes,
        _watch(kind, ill) as is_in,
        _watch(kind, ill, port=wire.port) as reads,
    ):
        well = [*await is_in.look(), *await reads.look()]
        wire.break_after(60, ill.pause, dead=False)
        reading = asyncio.create_task(reads.look())
        async with asyncio.timeout(at_most(15)):
            await wire.broke.wait()
        at_once = await asyncio.gather(comes.look(), is_in.look(), reading)
        ill.resume()

    assert all(isinstance(each.outcome, Seen) for each in well)
    assert [told(at_once[0]), told(at_once[1])] == [{kind.mute}, {kind.mute}]
    assert told(at_once[2], some=True) == {kind.mute}


@pytest.mark.parametrize("passed", [3, 700], ids=lambda passed: f"after {passed} bytes")
async def test_a_server_that_dies_in_the_middle_of_an_answer_is_refused_then(
    kind: Kind, ill: Any, passed: int
) -> None:
    async with BreakingWire(ill.port) as wire, _watch(kind, ill, port=wire.port) as watch:
        await watch.look()
        wire.break_after(passed, ill.process.kill, dead=True)
        readings = await watch.look()
        assert wire.broke.is_set()

    assert told(readings, some=True) == {"NET_TCP_REFUSED"}


@pytest.mark.parametrize("passed", [3, 130], ids=lambda passed: f"after {passed} bytes")
async def test_a_server_that_dies_in_its_first_answers_was_dropped(
    kind: Kind, ill: Any, passed: int
) -> None:
    async with BreakingWire(ill.port) as wire, _watch(kind, ill, port=wire.port) as watch:
        wire.break_after(passed, ill.process.kill, dead=True)
        readings = await watch.look()

    assert told(readings, some=True) <= {kind.dropped, "NET_TCP_REFUSED"}


async def test_a_full_server_refuses_who_comes_and_answers_who_was_in_before(
    kind: Kind, ill: Any
) -> None:
    async with _watch(kind, ill) as is_in, _watch(kind, ill) as comes:
        await is_in.look()
        with _crowd(ill):
            outside, inside = await asyncio.gather(comes.look(), is_in.look())
    outcomes = [each.outcome for each in inside]
    found = {f.code for each in outcomes if isinstance(each, Seen) for f in each.findings}

    assert told(outside) == {kind.refuses}
    assert all(isinstance(each, Seen) for each in outcomes)
    assert kind.full in found


def _watch(kind: Kind, ill: Any, **changed: Any) -> Watch:
    return Watch(replace(kind.settings(ill), **changed), kind.settings(kind.well))


def _fill(crowd: Crowd) -> None:
    for _ in range(20):
        crowd.open()


@contextmanager
def _crowd(server: Any) -> Iterator[None]:
    """Clients until the server takes no more."""
    with ExitStack() as stack:
        if isinstance(server, mariadb.MariaDb):
            crowd = stack.enter_context(Crowd(server))
            with pytest.raises(pymysql.err.OperationalError, match="1040"):
                _fill(crowd)
        else:
            stack.enter_context(full(server, 45))
        yield
