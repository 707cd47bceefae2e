"""What is offered on a real MariaDB happens as it was promised."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cockpit.world.servers import mariadb
from tests.servers.promised_mysql import ROWS, TOLD, UNSEEN
from tests.servers.promises import Situation, carried_out, ids

pytestmark = pytest.mark.servers


@pytest.mark.parametrize("situation", ids((*ROWS, *UNSEEN)))
async def test_what_is_offered_is_kept(
    situation: Situation, maria: mariadb.MariaDb, folder: Path
) -> None:
    kept = await carried_out(situation, maria, folder)

    assert kept.broken == {}
    assert kept.offered == situation.offered


@pytest.fixture(scope="module")
def telling(maria: mariadb.MariaDb) -> Iterator[mariadb.MariaDb]:
    maria.execute("INSTALL SONAME 'metadata_lock_info'")
    yield maria
    maria.execute("UNINSTALL SONAME 'metadata_lock_info'")


@pytest.mark.parametrize("situation", ids(TOLD))
async def test_what_is_offered_where_the_holder_is_told_is_kept(
    situation: Situation, telling: mariadb.MariaDb, folder: Path
) -> None:
    kept = await carried_out(situation, telling, folder)

    assert kept.broken == {}
    assert kept.offered == situation.offered
