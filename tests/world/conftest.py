"""Worlds for tests: each ends with its test, also after a failure."""

from __future__ import annotations

import asyncio
import json
import socket
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from cockpit.check import look_once, to_json
from cockpit.config import load
from cockpit.connect.role import Role
from cockpit.triage.registry import catalog, registry
from cockpit.world import layout, prepare
from cockpit.world.calls import CallLog
from cockpit.world.clients import WorldClients
from cockpit.world.ecs import EcsCluster
from cockpit.world.faults import Faults
from cockpit.world.front import Front
from cockpit.world.health import CheckedGroup, HealthOfTargets
from cockpit.world.launch import World, WorldFailed, WorldStatus, launch
from tests.patience import at_most
from tests.world.unhurried import unhurried

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "cockpit/schema/check.json").read_text(encoding="utf-8"))


class Programs:
    """Programs that do nothing."""

    def start(self, task: object) -> None: ...

    def stop(self, task: object) -> None: ...


@pytest.fixture
def cluster() -> EcsCluster:
    """The shop's services under a scheduler that starts nothing."""
    health = HealthOfTargets(lambda _address, _port: 1)
    for plan in layout.SERVICES:
        health.add(CheckedGroup(plan.group_arn, plan.port))
    made = EcsCluster(health, Programs())
    for plan in layout.SERVICES:
        made.open(plan)
    return made


@pytest.fixture
def begin() -> Iterator[Callable[..., World]]:
    """Launches worlds, and stops them all at the end of the test."""
    worlds: list[World] = []

    def begun(name: str, role: Role = Role.COMMANDER, *, wait: bool = True) -> World:
        world = launch(name, role)
        worlds.append(world)
        if wait:
            come_up(world)
        return world

    yield begun
    for world in worlds:
        world.stop()


class FrontAtUrl(Front):
    """A front that says where it is."""

    url = ""


@pytest.fixture
def front() -> Iterator[FrontAtUrl]:
    """A front with an empty moto behind it, in this process, past its opening."""
    from moto.moto_api._internal.models import moto_api_backend

    made = FrontAtUrl(CallLog(), Faults())
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)
    made.serve(listener)
    moto_api_backend.reset()
    made.ready.set()
    made.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    yield made
    made.close()
    listener.close()


def come_up(world: World) -> WorldStatus:
    """Wait until it is ready; a failure tells why."""
    try:
        return world.wait(at_most(40))
    except WorldFailed as failed:
        pytest.fail(f"{failed.message}: {failed.hint}")


def clients(world: World, who: str = "commander") -> WorldClients:
    """boto3 clients of somebody, against a world."""
    ports = prepared(world).ports
    return WorldClients(f"http://127.0.0.1:{ports.aws}", layout.key_of(who))


def prepared(world: World) -> prepare.PreparedWorld:
    """Ports and passwords of a world."""
    found = prepare.read(world.folder)
    assert found is not None
    return found


def control(world: World, page: str, given: object = None) -> Any:
    """A page of the control endpoint, or what it answers to what it is given."""
    body = None if given is None else json.dumps(given).encode()
    url = f"{world.status().control}/{page}"
    with urllib.request.urlopen(url, body, timeout=at_most(10)) as answer:
        return json.loads(answer.read())


def check(world: World, *, hurried: bool = False, targets: Sequence[str] = ()) -> dict[str, Any]:
    """What `cockpit check --json` says about a world, in the form that it promises.

    In this process, since one of its own spends seconds on imports. `hurried`: with the patience
    that a person has; else with what a slow machine needs. `targets`: these only; empty: all.
    """
    with nullcontext() if hurried else unhurried():
        config = load(world.config_path, catalog())
        report = asyncio.run(look_once(config, registry(), targets=targets))
    said: dict[str, Any] = json.loads(to_json(report))
    jsonschema.validate(said, SCHEMA)
    return said
