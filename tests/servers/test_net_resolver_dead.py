"""A name server that fails for every name is suspected, and not the third party behind it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cockpit.check import look_once
from cockpit.config import Config
from cockpit.connect.net.settings import EndpointSettings
from cockpit.triage.registry import registry
from cockpit.triage.target import Target
from cockpit.world.net.names import DnsAnswer, Names

pytestmark = pytest.mark.servers
PAYMENTS, FRONT = "api.payments.example.test", "www.shop.invalid"


def endpoint(name: str, host: str, resolver: str, *, external: bool = False) -> Target:
    settings = EndpointSettings(url=f"tcp://{host}:9", resolver=resolver, external=external)
    return Target(name=name, kind="endpoint", settings=settings)


async def test_a_name_server_that_fails_for_all_is_the_suspect(tmp_path: Path) -> None:
    async with Names() as names:
        names.otherwise = DnsAnswer(rcode="SERVFAIL")
        targets = (
            endpoint("payments", PAYMENTS, names.resolver, external=True),
            endpoint("front", FRONT, names.resolver),
        )
        config = Config(path=tmp_path / "cockpit.toml", environment="test", targets=targets)
        report = await look_once(config, registry())
    codes = {(one.target, one.finding.code) for one in report.board.open.values()}
    assert ("payments", "DEP_EXTERNAL") in codes
    first, *others = report.suspects
    assert first.name == f"resolver {names.resolver}", first
    assert "DEP_EXTERNAL@payments" in first.explains
    assert others == []
