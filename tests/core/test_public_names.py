"""What others rely on keeps its name, and what 0.1 wrote is still read."""

from __future__ import annotations

from pathlib import Path

import pytest

from cockpit.triage.recording import decode
from cockpit.triage.registry import registry

HERE = Path(__file__).parent
OF_0_1 = HERE.parent / "recordings" / "of_0_1"
"""Looks as 0.1 recorded them, whose form has grown since: the others are unchanged beside it."""
GROWN = [
    ("mysql_57_row_locks.handmade", "mysql.locks", "MY_LOCK_ROW"),
    ("mysql_locks_metadata_lock", "mysql.locks", "MY_LOCK_MDL"),
    ("postgres_aurora_reader.handmade", "postgres.replication", "PG_REPL_LAG"),
    (
        "postgres_aurora_reader_behind_the_writers_name.handmade",
        "postgres.sessions",
        "PG_ROLE_WRONG",
    ),
    ("postgres_locks_lock_storm", "postgres.locks", "PG_LOCK_BLOCKED"),
    ("postgres_maintenance_dead_rows", "postgres.maintenance", "PG_VAC_DEAD"),
    ("postgres_replication_slot_lost", "postgres.replication", "PG_SLOT_LOST"),
    ("postgres_sessions_lock_storm", "postgres.sessions", "PG_SESS_IDLE_TX"),
]


def test_every_code_of_0_1_is_still_given() -> None:
    """Alerts, runbooks and postmortems of others name them."""
    today = {code for probe in registry().values() for code in probe.codes}
    assert set((HERE / "codes_of_0_1.txt").read_text(encoding="utf-8").split()) - today == set()


@pytest.mark.parametrize(("name", "probe", "code"), GROWN, ids=[name for name, _, _ in GROWN])
def test_a_recording_of_0_1_is_read_and_judged(name: str, probe: str, code: str) -> None:
    chosen = registry()[probe]
    look = decode((OF_0_1 / f"{name}.json").read_bytes(), chosen.snapshot)
    assert code in {finding.code for finding in chosen.diagnose(look, chosen.settings)}
    assert chosen.facts is not None
    assert list(chosen.facts(look, chosen.settings))


def test_every_recording_that_grew_is_kept_as_it_was() -> None:
    assert {path.stem for path in OF_0_1.glob("*.json")} == {name for name, _, _ in GROWN}
