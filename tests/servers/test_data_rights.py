"""Logins and rights that change while we look: a rotated password, a role that loses its rights.

What cannot be seen any more is blind or marked with the line that gives it back, never a zero.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from cockpit.connect.role import Role
from cockpit.errors import BlindError, Reason
from cockpit.incident.incident import Incidents
from cockpit.triage.engine import Look, judged
from cockpit.triage.probe import Blind, Seen
from cockpit.triage.registry import registry
from cockpit.world.servers import mariadb, valkey
from tests.servers import fresh
from tests.servers.documented import OBSERVERS_COMMANDS, redis_user
from tests.servers.mysql_crowd import Crowd
from tests.servers.private import (
    REDIS_BINARIES,
    SECRETS,
    codes,
    my_settings,
    redis_settings,
    session_for,
    target,
)
from tests.servers.seats import seated

pytestmark = pytest.mark.servers

OLD, NEW = "the-old-secret-1", "the-new-secret-2"


@asynccontextmanager
async def session(settings: Any) -> AsyncIterator[Any]:
    """One that may knock again at once after a refusal."""
    async with session_for(settings) as opened:
        opened._backoff.pauses = (0.0,)
        yield opened


async def see(opened: Any, probe: str, settings: Any) -> Seen | BlindError:
    found = registry()[probe]
    to = target(settings)
    try:
        snapshot = await found.collect(opened, to)
    except BlindError as error:
        return error
    if found.since is not None:
        snapshot = found.since(snapshot, snapshot)
    return judged(Look(to, found, found.settings), snapshot)


async def refusal(opened: Any, *ask: str) -> BlindError:
    with pytest.raises(BlindError) as caught:
        await (opened.command if hasattr(opened, "command") else opened.value)(*ask)
    return caught.value


async def test_a_password_of_mariadb_that_is_rotated_leaves_the_session_and_is_read_anew(
    maria: mariadb.MariaDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    maria.execute(
        f"CREATE USER turned@'%' IDENTIFIED BY '{OLD}'", "GRANT PROCESS ON *.* TO turned@'%'"
    )
    monkeypatch.setenv("T_TURNED", OLD)
    settings = my_settings(maria, user="turned", password="env:T_TURNED")
    async with session(settings) as opened:
        first = await opened.value("SELECT CONNECTION_ID()")
        maria.execute(f"ALTER USER turned@'%' IDENTIFIED BY '{NEW}'")
        assert await opened.value("SELECT CONNECTION_ID()") == first
        maria.execute(f"KILL {first}")
        error = await refusal(opened, "SELECT 1")
        monkeypatch.setenv("T_TURNED", NEW)
        again = await opened.value("SELECT CONNECTION_ID()")

    assert error.code == "MY_CONN_AUTH"
    assert "rotated" in error.hint
    assert again != first
    assert OLD not in str(error) + error.hint


@pytest.fixture(params=REDIS_BINARIES)
def redis(request: pytest.FixtureRequest, folder: Path) -> Iterator[valkey.Valkey]:
    running = valkey.start(folder, binary=Path(request.param))
    running.send(*redis_user("watcher", OLD, OBSERVERS_COMMANDS))
    yield running
    running.stop()


def watcher(server: valkey.Valkey) -> Any:
    return redis_settings(server, user="watcher", password="env:T_WATCHER")


async def test_a_password_of_redis_that_is_rotated_leaves_the_session_and_is_read_anew(
    redis: valkey.Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("T_WATCHER", OLD)
    async with session(watcher(redis)) as opened:
        await opened.command("PING")
        redis.send("ACL", "SETUSER", "watcher", f"<{OLD}", f">{NEW}")
        assert await opened.command("PING") == "PONG"
        redis.send("CLIENT", "KILL", "USER", "watcher")
        error = await refusal(opened, "PING")
        monkeypatch.setenv("T_WATCHER", NEW)
        assert await opened.command("PING") == "PONG"

    assert error.code == "RD_CONN_AUTH"
    assert OLD not in str(error) + error.hint


async def test_a_redis_user_that_is_deleted_is_cut_and_refused(
    redis: valkey.Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("T_WATCHER", OLD)
    async with session(watcher(redis)) as opened:
        await opened.command("PING")
        redis.send("ACL", "DELUSER", "watcher")
        error = await refusal(opened, "PING")

    assert error.code == "RD_CONN_AUTH"


async def test_the_observers_acl_is_enough_and_every_word_of_it_is_missed(
    redis: valkey.Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taken away one by one under an open session: each is told, with itself in the line."""
    monkeypatch.setenv("T_WATCHER", OLD)
    settings = watcher(redis)
    probes = ("redis.health", "redis.performance", "redis.cluster")
    async with session(settings) as opened:
        for probe in probes:
            full = await see(opened, probe, settings)
            assert isinstance(full, Seen), probe
            assert "RD_OBS_BLIND" not in codes(full), probe
    for word, blind in (("ping", set()), ("slowlog|get", set()), ("info", set(probes))):
        async with session(settings) as opened:
            await opened.command("PING")
            redis.send("ACL", "SETUSER", "watcher", f"-{word}")
            seen = {probe: await see(opened, probe, settings) for probe in probes}
            redis.send("ACL", "SETUSER", "watcher", f"+{word}")
        for probe, outcome in seen.items():
            if probe in blind:
                assert isinstance(outcome, BlindError)
                assert (outcome.code, outcome.reason.value) == ("RD_OBS_BLIND", "denied")
                assert "ACL SETUSER watcher" in outcome.hint
                assert f"+{word} " in outcome.hint
        if not blind:
            marked = seen["redis.performance"]
            assert isinstance(marked, Seen)
            (finding,) = [f for f in marked.findings if f.code == "RD_OBS_BLIND"]
            assert "ACL SETUSER watcher" in finding.next
            assert f"+{word} " in finding.next
            label = {"ping": "answer", "slowlog|get": "new slow commands"}[word]
            assert [f.value for f in marked.facts if f.label == label] in ([], [None])


async def test_who_holds_buffers_is_marked_when_clients_may_not_be_listed(
    redis: valkey.Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    from probes.redis import performance as redis_performance

    monkeypatch.setattr(redis_performance, "_BUFFERS", 0)
    monkeypatch.setenv("T_WATCHER", OLD)
    async with session(watcher(redis)) as opened:
        await opened.command("PING")
        redis.send("ACL", "SETUSER", "watcher", "-client|list")
        seen = await see(opened, "redis.performance", watcher(redis))

    assert isinstance(seen, Seen)
    assert "CLIENT LIST" in next(f for f in seen.findings if f.code == "RD_OBS_BLIND").summary


@pytest.mark.parametrize(
    ("right", "probes"),
    [
        pytest.param("PROCESS", ("mysql.sessions", "mysql.locks"), id="PROCESS"),
        pytest.param("SLAVE MONITOR", ("mysql.replication",), id="SLAVE MONITOR"),
    ],
)
async def test_a_right_of_mariadb_that_is_revoked_is_missed_from_the_next_session_on(
    maria: mariadb.MariaDb, right: str, probes: tuple[str, ...]
) -> None:
    """An open session keeps its global rights: the server looks at them at the login."""
    settings = my_settings(maria)
    with Crowd(maria) as crowd:
        crowd.hold("BEGIN", "UPDATE orders SET status = 'x' WHERE id = 2")
        async with session(settings) as opened:
            before = [await see(opened, probe, settings) for probe in probes]
            own = await opened.value("SELECT CONNECTION_ID()")
            maria.execute(f"REVOKE {right} ON *.* FROM ro@'%'")
            try:
                kept = [await see(opened, probe, settings) for probe in probes]
                maria.execute(f"KILL {own}")
                after = [await see(opened, probe, settings) for probe in probes]
            finally:
                maria.execute(f"GRANT {right} ON *.* TO ro@'%'")

    for outcome in (*before, *kept):
        assert isinstance(outcome, Seen)
        assert "MY_OBS_BLIND" not in codes(outcome)
    for probe, outcome in zip(probes, after, strict=True):
        assert isinstance(outcome, Seen), probe
        (finding,) = [f for f in outcome.findings if f.code == "MY_OBS_BLIND"]
        assert finding.next.startswith("GRANT ")
        assert right in finding.next
        assert "'ro'@'%'" in finding.next
        if probe != "mysql.sessions":  # how many are connected is never hidden
            assert outcome.facts[0].value is None, probe


async def test_performance_schema_that_is_taken_away_is_blind_and_not_without_statements(
    base: Path,
) -> None:
    folder = base / "rights-schema"
    folder.mkdir(mode=0o755)
    server = mariadb.start(fresh.mariadb_data(folder / "m"), settings={"performance-schema": "on"})
    try:
        server.execute(
            f"CREATE USER ro@'%' IDENTIFIED BY '{SECRETS['T_RO']}'",
            "GRANT SELECT ON performance_schema.* TO ro@'%'",
        )
        settings = my_settings(server)
        async with session(settings) as opened:
            before = await see(opened, "mysql.statements", settings)
            server.execute("REVOKE SELECT ON performance_schema.* FROM ro@'%'")
            after = await see(opened, "mysql.statements", settings)
        server.execute("GRANT SELECT ON performance_schema.* TO ro@'%'")
        incidents = Incidents(folder)
        incident = incidents.create(
            "drill", "P1", environment="test", role=Role.COMMANDER, actor="ana"
        )
        to = (target(settings),)
        async with seated(to, folder, {}, incident=incident) as desk:
            had = await desk.engine.look("db", "mysql.statements")
            server.execute("REVOKE SELECT ON performance_schema.* FROM ro@'%'")
            taken = await desk.engine.look("db", "mysql.statements")
        incident.close()
        incident = incidents.resume(incident.id, role=Role.COMMANDER, actor="ben")
        async with seated(to, folder, {}, incident=incident) as desk:
            still = await desk.engine.look("db", "mysql.statements")
            server.execute("GRANT SELECT ON performance_schema.* TO ro@'%'")
            back = await desk.engine.look("db", "mysql.statements")
        incident.close()
    finally:
        server.stop()

    assert isinstance(before, Seen)
    assert isinstance(after, Seen)
    assert codes(before) == {}
    assert codes(after) == {"MY_OBS_BLIND": "info"}
    assert after.findings[0].next.startswith("GRANT SELECT ON performance_schema")
    assert after.facts[0].value is None
    assert isinstance(had.outcome, Seen)
    assert isinstance(back.outcome, Seen)
    for outcome in (taken.outcome, still.outcome):
        assert isinstance(outcome, Blind), "also in the next session, which had never seen it"
        assert outcome.reason is Reason.MISSING
