"""What is offered on a real PostgreSQL happens as it was promised."""

from __future__ import annotations

from pathlib import Path

import pytest

from cockpit.world.servers import postgres
from tests.servers.promised_postgres import LOCKS
from tests.servers.promises import Situation, carried_out, ids

pytestmark = pytest.mark.servers


@pytest.mark.parametrize("situation", ids(LOCKS))
async def test_what_is_offered_in_a_queue_is_kept(
    situation: Situation, pg: postgres.PostgresServer, folder: Path
) -> None:
    kept = await carried_out(situation, pg, folder)

    assert kept.broken == {}
    assert kept.offered == situation.offered
