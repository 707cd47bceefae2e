"""`cockpit changes` through the real client, against the shop's own AWS."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cockpit.cli.main import run
from cockpit.redact import MASK, MASKER
from cockpit.world import layout
from cockpit.world.answers.histories import Histories
from cockpit.world.faults import Fault
from cockpit.world.trail import ApiCall, Trail
from tests.world.conftest import FrontAtUrl

GROUP = layout.GROUPS["orders-db"]


def revoked(minutes: float, user: str = "[red]bob\x1b[2J") -> ApiCall:
    permission = {
        "IpProtocol": "tcp",
        "FromPort": 5432,
        "ToPort": 5432,
        "UserIdGroupPairs": [{"GroupId": "sg-checkout"}],
    }
    return ApiCall(
        at=time.time() - minutes * 60,
        source="ec2.amazonaws.com",
        name="RevokeSecurityGroupIngress",
        user=user,
        parameters={"GroupId": GROUP, "IpPermissions": [permission]},
        resources=(("AWS::EC2::SecurityGroup", GROUP),),
    )


@pytest.fixture
def trail(front: FrontAtUrl) -> Trail:
    """What the front's CloudTrail knows."""
    known = Trail()
    front.answers.update(Histories(known).table())
    return known


@dataclass(frozen=True)
class Ended:
    """What the command left behind."""

    code: int
    out: str
    err: str


Changes = Callable[..., Ended]


@pytest.fixture
def changes(
    front: FrontAtUrl,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Changes:
    config = tmp_path / "cockpit.toml"
    config.write_text(
        f"""environment = "shop"
[aws.prod]
region = "{layout.REGION}"
endpoint_url = "{front.url}"
access_key_id = "env:SHOP_KEY"
secret_access_key = "env:SHOP_SECRET"
calls_per_second = 50.0
[[target]]
kind = "changes"
name = "changes"
aws = "prod"
""",
        encoding="utf-8",
    )
    given = {"SHOP_KEY": layout.key_of("commander"), "SHOP_SECRET": "hunter2", "COLUMNS": "200"}
    for name, value in {**given, "HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)

    def ran(*words: str) -> Ended:
        code = run(["--config", str(config), "changes", *words])
        said = capsys.readouterr()
        return Ended(code, said.out, said.err)

    return ran


def test_changes_are_told_with_what_they_changed_and_what_is_not_seen(
    changes: Changes, trail: Trail
) -> None:
    trail.add(revoked(20))
    trail.add(revoked(100, "long-ago"))
    ended = changes("--json", "--since", "90m")
    told: dict[str, Any] = json.loads(ended.out)
    assert ended.code in {0, 3}, ended.err
    assert bool(told["not_seen"]) is (ended.code == 3)
    (change,) = told["changes"]
    assert told["schema"] == "cockpit.changes/1"
    assert change["summary"] == f"security group {GROUP}: − tcp 5432 from sg-checkout"
    assert change["actor"] == "[red]bob\\x1b[2J"
    assert change["late_s"] == 900
    assert told["cloudtrail_complete_until"]


def test_the_text_reads_and_reaches_no_terminal_as_an_escape(
    changes: Changes, trail: Trail
) -> None:
    trail.add(revoked(20))
    ended = changes()
    assert "CloudTrail is up to 15 min late: complete until" in ended.out
    assert "tcp 5432 from sg-checkout" in ended.out
    assert "\x1b" not in ended.out


def test_a_narrow_terminal_shows_the_whole_change(
    changes: Changes, trail: Trail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    trail.add(revoked(20))
    out = changes().out
    assert max(map(len, out.splitlines())) <= 80
    assert f"security group {GROUP}: − tcp 5432 from sg-checkout" in " ".join(out.split())
    assert "…" not in out


def test_a_span_that_is_none_says_how_one_is_written(changes: Changes) -> None:
    assert "--since 90m, 6h, 2d or 02:40" in changes("--since", "5x").err


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_a_secret_in_a_call_is_not_printed(
    changes: Changes, trail: Trail, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MASKER, "_values", set())
    MASKER.learn("sg-checkout")
    trail.add(revoked(20))
    ended = changes(*words)
    assert f"tcp 5432 from {MASK}" in ended.out
    assert "sg-checkout" not in ended.out


def test_without_cloudtrail_it_says_so_before_anything_else(
    changes: Changes, front: FrontAtUrl, trail: Trail
) -> None:
    front.faults.add(Fault(kind="denied", service="cloudtrail"))
    ended = changes()
    assert ended.code == 3
    assert ended.out.splitlines()[1] == "not seen, so no change there means nothing"
    assert "CloudTrail" in ended.out.splitlines()[2]
    for service in ("autoscaling", "cloudformation", "codedeploy", "lambda", "route53"):
        front.faults.add(Fault(kind="denied", service=service))
    assert "nothing high is open in what is seen, 1 look blind" in changes().out.splitlines()[0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["--since", "yesterday"], "yesterday", id="no time"),
        pytest.param(["--since", "200d"], "90 days", id="longer than it is kept"),
        pytest.param(["--target", "nobody"], "no target 'nobody'", id="no target"),
    ],
)
def test_what_cannot_be_meant_is_told(changes: Changes, words: list[str], said: str) -> None:
    ended = changes(*words)
    assert ended.code == 64
    assert said in ended.err
