"""What is offered on a real PostgreSQL happens as it was promised."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cockpit.triage.probe import Seen
from cockpit.world.servers import postgres
from probes.postgres import locks_view
from probes.postgres.locks_model import SessionToEnd, ended
from tests.servers import fresh, promises
from tests.servers.private import SUPER, postgres_roles
from tests.servers.promised_postgres import COMMITS, LOCKS, STANDBYS, Pair, demanding
from tests.servers.promised_sessions import QUEUES, SESSIONS, VACUUM
from tests.servers.promises import Situation, carried_out, ids
from tests.servers.seats import seated

pytestmark = pytest.mark.servers


@pytest.mark.parametrize("situation", ids((*LOCKS, *QUEUES)))
async def test_what_is_offered_in_a_queue_is_kept(
    situation: Situation, pg: postgres.PostgresServer, folder: Path
) -> None:
    kept = await carried_out(situation, pg, folder)

    assert kept.broken == {}
    assert kept.offered == situation.offered


@pytest.mark.parametrize("situation", ids((*SESSIONS, *VACUUM)))
async def test_what_is_offered_against_one_session_or_holder_is_kept(
    situation: Situation, pg: postgres.PostgresServer, folder: Path
) -> None:
    kept = await carried_out(situation, pg, folder)

    assert kept.broken == {}
    assert kept.offered == situation.offered


@pytest.fixture(scope="module")
def pg_pair(base: Path) -> Iterator[Pair]:
    """A primary and its standby."""
    folder = Path(tempfile.mkdtemp(dir=base))
    folder.chmod(0o755)
    with ExitStack() as ending:
        primary = postgres.start(fresh.postgres_cluster(folder / "primary", password=SUPER))
        ending.callback(primary.stop)
        postgres_roles(primary)
        standby = postgres.start_standby(folder / "standby", primary)
        ending.callback(standby.stop)
        yield primary, standby


@pytest.mark.parametrize("situation", ids(STANDBYS))
async def test_what_is_offered_at_a_standby_is_kept(
    situation: Situation, pg_pair: Pair, folder: Path
) -> None:
    kept = await carried_out(situation, pg_pair, folder)

    assert kept.broken == {}
    assert kept.offered == situation.offered


@pytest.mark.parametrize("situation", ids(COMMITS))
async def test_nothing_is_offered_against_a_commit_that_waits(
    situation: Situation, pg: postgres.PostgresServer, folder: Path
) -> None:
    with demanding(pg, "FIRST 1 (oslo, bergen)"):
        kept = await carried_out(situation, pg, folder)

    assert kept.broken == {}
    assert kept.offered == situation.offered


async def test_only_one_thing_is_said_of_a_pause_that_a_person_made(
    pg_pair: Pair, folder: Path
) -> None:
    effects = {}
    for situation in (each for each in STANDBYS if each.probe == "postgres.replication"):
        async with situation.provoke(pg_pair) as both, seated(both.targets, folder, {}) as desk:
            for place in both.targets:
                outcome = (await desk.engine.look(place.name, situation.probe)).outcome
            assert isinstance(outcome, Seen)
            (offer,) = outcome.tables[0].best
            effects[outcome.snapshot.pause.why] = (offer.risk, offer.effect)  # type: ignore[attr-defined]

    assert effects.keys() == {"person", "unknown"}
    assert effects["person"][1].startswith("replays on: ")
    assert "shuts down" in effects["unknown"][1]
    assert {risk for risk, _ in effects.values()} == {"high"}


async def test_recovery_that_holds_others_up_names_the_session_of_the_primary(
    pg_pair: Pair, folder: Path
) -> None:
    situation = next(each for each in STANDBYS if "of the primary" in each.id)
    async with situation.provoke(pg_pair) as both:
        ((pid,),) = pg_pair[0].execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'migrate'"
        )
        async with seated(both.targets, folder, situation.settings) as desk:
            alone = (await desk.engine.look("standby", situation.probe)).outcome
            await desk.engine.look("orders", situation.probe)
            known = (await desk.engine.look("standby", situation.probe)).outcome

    assert isinstance(alone, Seen)
    assert isinstance(known, Seen)
    assert alone.findings[0].summary.startswith("recovery holds up 2 sessions")
    assert alone.findings[0].next.startswith("go to the primary")
    assert alone.tables[0].best == ()
    assert f"on orders pid {pid} (migrate" in known.findings[0].next
    (offer,) = known.tables[0].best
    assert (offer.target, offer.call, offer.releases) == ("orders", "terminate_backend", 2)


async def test_the_kit_notices_a_promise_of_more_than_go_on(
    pg: postgres.PostgresServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def boasting(*args: Any) -> SessionToEnd:
        made = ended(*args)
        return replace(made, releases=made.reach + 1, more=0)

    monkeypatch.setattr(locks_view, "ended", boasting)
    monkeypatch.setattr(promises, "PATIENCE", 0.5)
    situation = next(each for each in QUEUES if each.id.startswith("a savepoint"))
    kept = await carried_out(situation, pg, folder, only="terminate_backend careful")

    assert kept.broken == {
        "terminate_backend careful": ["releases 2, maybe 0 more was said, 1 went on: ['shop']"]
    }
