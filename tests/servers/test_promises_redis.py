"""What is offered on a real Redis or Valkey happens as it was promised."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cockpit.world.servers import valkey
from tests.servers.private import REDIS_BINARIES
from tests.servers.promised_redis import BUFFERS
from tests.servers.promises import Situation, carried_out, ids

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module", params=REDIS_BINARIES)
def server(request: pytest.FixtureRequest, base: Path) -> Iterator[valkey.Valkey]:
    running = valkey.start(Path(tempfile.mkdtemp(dir=base)), binary=Path(request.param))
    yield running
    running.stop()


@pytest.mark.parametrize("situation", ids(BUFFERS))
async def test_what_is_offered_against_clients_is_kept(
    situation: Situation, server: valkey.Valkey, folder: Path
) -> None:
    kept = await carried_out(situation, server, folder)

    assert kept.broken == {}
    assert kept.offered == situation.offered
