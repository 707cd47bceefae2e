"""A right that is revoked between two `cockpit check`: real PostgreSQL, real command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cockpit.cli import main as cli
from cockpit.world.servers import postgres
from tests.servers.private import SECRETS

pytestmark = pytest.mark.servers
PART = "postgres.sessions.part"


def test_a_right_that_is_revoked_between_two_checks_is_missed(
    pg: postgres.PostgresServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COCKPIT_DATA", str(tmp_path / "data"))
    path = tmp_path / "cockpit.toml"
    path.write_text(
        'environment = "test"\n[[target]]\nname = "db"\nkind = "postgres"\nhost = "127.0.0.1"\n'
        f'port = {pg.port}\nuser = "seer"\npassword = "env:T_RO"\nsslmode = "prefer"\n',
        encoding="utf-8",
    )

    def missed(*words: str) -> list[dict[str, Any]]:
        capsys.readouterr()
        cli.run(["--config", str(path), "check", "--json", "-p", "postgres.sessions", *words])
        said = capsys.readouterr()
        assert said.err == ""
        return [r for r in json.loads(said.out)["readings"] if r["probe"] == PART]

    pg.execute(f"CREATE ROLE seer LOGIN PASSWORD '{SECRETS['T_RO']}'", "GRANT pg_monitor TO seer")
    try:
        assert missed("--stateless") == []
        assert not (tmp_path / "data").exists()
        assert missed() == []
        pg.execute("REVOKE pg_monitor FROM seer")
        missed()
        [told] = missed()
        assert missed("--stateless") == []
        forgotten = missed("--forget", "-t", "db"), missed(), missed()
    finally:
        pg.execute("DROP ROLE seer")

    assert (told["outcome"], told["reason"]) == ("blind", "missing")
    assert told["detail"].startswith("role 'seer' may not see other sessions")
    assert told["hint"].endswith("cockpit check --forget -t db")
    assert forgotten == ([], [], [])
