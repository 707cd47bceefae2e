"""What an assumed role is narrowed to: enough for the configured kinds, and never more than reads."""

from __future__ import annotations

import ast
import json
import random
import re
import threading
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

import pytest
from botocore.model import ServiceModel

import probes
from cockpit.config import load
from cockpit.connect.aws import policy, reads
from cockpit.connect.aws.loader import ModelLoader
from cockpit.connect.aws.policy import session_policy
from cockpit.connect.aws.session import open_aws
from cockpit.connect.role import Role
from cockpit.connect.settings import AwsSite
from cockpit.errors import BlindError, Reason
from cockpit.sweep import connections
from cockpit.triage.registry import catalog, registry
from tests.core.aws_stub import Reply, Request, reading, stubbed, tag, xml
from tests.core.managed_policies import every_action

ROLE = "arn:aws:iam::123456789012:role/triage"
HARMFUL = ("SECRET", "ACTING", "UNASKED", "CONSENT")
SHOWS = re.compile(
    r"Secret|Password|Credential|Token|Ur[il]$|GetObject|GetRecords|Item|Decrypt|Unmask|Reveal"
    r"|Content|Download|GetExport"
)
"""Parts of names of actions that hand out secrets or what customers keep."""
READS = re.compile(r"(BatchGet|BatchDescribe|Describe|Get|Head|List|Lookup|Search|Simulate)")


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCKPIT_TEST_KEY", "testing-key")


@cache
def operations() -> tuple[tuple[str, str], ...]:
    """Every operation of every service that any of our lists names."""
    loader = ModelLoader()
    services = {s for name in (*HARMFUL, "ALLOW") for s in getattr(reads, name)}
    return tuple(
        (service, name)
        for service in sorted(services)
        for name in ServiceModel(loader.load_service_model(service, "service-2")).operation_names
    )


def passes(text: str, action: str) -> bool:
    """IAM's own rule for policies whose resource is everything: a Deny wins."""
    effects = {
        statement["Effect"]
        for statement in json.loads(text)["Statement"]
        if statement["Resource"] == "*"
        for each in statement["Action"]
        if re.fullmatch(re.escape(each).replace(r"\*", ".*"), action)
    }
    return effects == {"Allow"}


def needs() -> list[str]:
    """The IAM actions of all probes there are."""
    return [n for p in registry().values() for n in p.needs if re.fullmatch(r"[a-z0-9-]+:\w+", n)]


def part(size: int) -> list[str]:
    """So many reads, at random and in random order."""
    return random.Random(size).sample(list(reads.iam_actions()), size)


@pytest.mark.parametrize("size", [1, 5, 20, 40, 60, 80, 100, 140, 180, None])
def test_it_fits_lets_through_what_is_wanted_and_never_what_is_no_read(size: int | None) -> None:
    wanted = needs() if size is None else part(size)
    made = session_policy(wanted)
    assert len(made.text) <= policy.LIMIT
    assert {*made.actions} | made.left_out == {*wanted} - {"sts:GetCallerIdentity"}
    assert not {*made.actions} & made.left_out
    assert [action for action in made.actions if not passes(made.text, action)] == []
    held = {(s, o) for name in HARMFUL for s, all_ in getattr(reads, name).items() for o in all_}
    for service, operation in operations():
        action = reads.iam_action(service, operation)
        if action in wanted or not passes(made.text, action):
            continue
        assert (service, operation) not in held, f"{service}.{operation}"
        assert READS.match(operation), f"{service}.{operation}"


@pytest.mark.parametrize("all_reads", [False, True], ids=["what probes need", "all reads"])
def test_it_lets_no_action_through_that_only_iam_knows_and_that_is_no_read(all_reads: bool) -> None:
    """Not every action is an operation: AWS's own policies name them."""
    text = session_policy() if all_reads else session_policy(needs())
    services = {action.partition(":")[0] for action in reads.iam_actions()}
    asked = {*reads.iam_actions(), *needs()}
    walked = [one for one in every_action() if one.partition(":")[0] in services - {"apigateway"}]
    assert len(walked) > 3000
    through = [one for one in walked if one not in asked and passes(text.text, one)]
    assert [one for one in through if not READS.match(one.partition(":")[2])] == []
    shown = {one for one in through if SHOWS.search(one)}
    assert shown <= {"iam:ListServiceSpecificCredentials"}, "that lists names and dates"


def test_what_fits_is_named_action_by_action() -> None:
    made = session_policy(["ecs:ListTasks", "ecs:DescribeTasks", "pi:GetResourceMetrics"])
    (statement,) = json.loads(made.text)["Statement"]
    assert statement["Action"] == ["ecs:DescribeTasks", "ecs:ListTasks", "pi:GetResourceMetrics"]


def test_all_kinds_there_are_fit_together() -> None:
    assert session_policy(needs()).left_out == frozenset()


def test_what_was_named_first_is_left_out_last() -> None:
    made = session_policy(["pi:GetResourceMetrics", *(f"ecs:Odd{'x' * 90}{n}" for n in range(40))])
    assert made.left_out
    assert "pi:GetResourceMetrics" in made.actions
    assert {f"ecs:Odd{'x' * 90}{n}" for n in range(5)} <= {*made.actions}


def test_what_everybody_may_is_no_policy_of_nothing_which_aws_would_refuse() -> None:
    assert session_policy(["sts:GetCallerIdentity"]) == session_policy()


async def test_it_is_made_off_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    made_in: set[str] = set()

    def fitting(actions: Sequence[str], made: Callable[[Sequence[str]], str]) -> str:
        made_in.add(threading.current_thread().name)
        return made(actions)

    monkeypatch.setattr(policy, "_fitting", partial(fitting, made=policy._fitting))
    policy._made.cache_clear()
    place = AwsSite(name="x", region="eu-central-1", role_arn=ROLE)
    session = await open_aws(place, wanted=needs())
    await session.close()
    assert made_in
    assert threading.main_thread().name not in made_in


def test_the_keys_of_api_gateway_are_denied_by_their_path() -> None:
    made = session_policy(["apigateway:GET"])
    denied = json.loads(made.text)["Statement"][-1]
    assert denied["Effect"] == "Deny"
    assert "arn:*:apigateway:*::/apikeys*" in denied["Resource"]


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("ecs:ListTasks", "ecs:List*"),
        ("cloudwatch:GetMetricData", "cloudwatch:GetMetricData"),  # an image of a metric acts
        ("lambda:GetFunctionConfiguration", "lambda:GetFunctionConfiguration"),
        ("wafv2:GetWebACL", "wafv2:GetWeb*"),  # and not its decrypted keys
        ("codedeploy:BatchGetDeployments", "codedeploy:BatchGet*"),
        ("apigateway:GET", "apigateway:GET"),
    ],
)
def test_a_pattern_stops_before_what_is_held_back(action: str, expected: str) -> None:
    assert policy._narrow(action) == expected


def assumed(request: Request) -> Reply:
    members = {
        "AccessKeyId": "ASIAASSUMED",
        "SecretAccessKey": "assumed-secret",
        "SessionToken": "assumed-token",
        "Expiration": "2099-01-01T00:00:00Z",
    }
    if request.operation != "AssumeRole":
        return Reply(xml(request.operation, tag("TargetHealthDescriptions", "")))
    if len(request.form["Policy"][0]) > 400:
        return Reply(
            "<ErrorResponse><Error><Code>PackedPolicyTooLarge</Code><Message>packed</Message>"
            "</Error></ErrorResponse>",
            status=400,
        )
    return Reply(
        xml("AssumeRole", tag("Credentials", "".join(map(tag, members, members.values()))))
    )


async def test_a_policy_that_is_too_large_packed_is_cut_and_what_is_left_out_is_blind() -> None:
    wanted = ("elasticloadbalancing:DescribeTargetHealth", *reads.iam_actions())
    async with stubbed() as stub, reading(stub, wanted=wanted, role_arn=ROLE) as session:
        stub.answer = assumed
        await session.read("elbv2", "DescribeTargetHealth", TargetGroupArn="a")
        sent = len(stub.requests)
        assert stub.operations[-1] == "DescribeTargetHealth"
        assert set(stub.operations[:-1]) == {"AssumeRole"}
        with pytest.raises(BlindError, match="no room for wafv2:GetWebACL in the session") as blind:
            await session.read("wafv2", "GetWebACL", Name="a")
        assert blind.value.reason is Reason.DENIED
        assert len(stub.requests) == sent, "nothing was sent that AWS would deny"


async def test_what_asks_for_consent_is_open_to_a_session_whose_probes_need_it() -> None:
    wanted = ("logs:FilterLogEvents",)
    async with stubbed() as stub, reading(stub, wanted=wanted) as session:
        assert session._consent == {"logs.FilterLogEvents"}
    async with stubbed() as stub, reading(stub) as session:
        assert session._consent == frozenset()


def test_a_place_is_opened_for_the_kinds_that_are_configured_there(tmp_path: Path) -> None:
    path = tmp_path / "cockpit.toml"
    path.write_text(
        'environment = "production"\n[aws.prod]\nregion = "eu-west-1"\nprofile = "a"\n'
        '[aws.far]\nregion = "us-east-1"\nprofile = "a"\n'
        '[[target]]\nname = "carts"\nkind = "dynamodb_table"\naws = "prod"\nid = "carts"\n'
        '[[target]]\nname = "checkout"\nkind = "ecs_service"\naws = "far"\n'
        'cluster = "shop"\nid = "checkout"\n'
    )
    path.chmod(0o600)
    wanted = connections(load(path, catalog()), Role.TRIAGE).wanted
    assert "dynamodb:DescribeTable" in wanted["prod"]
    assert "ecs:DescribeServices" in wanted["far"]
    assert not [action for action in wanted["prod"] if action.startswith("ecs:")]


def asked(package: Path) -> set[str]:
    """The IAM actions of every call that a package of probes has in its source."""
    found = set()
    for file in package.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            words = [a.value for a in node.args if isinstance(a, ast.Constant)]
            called = getattr(node.func, "attr", "")
            if called == "metrics":
                found.add("cloudwatch:GetMetricData")
            service, operation, *_ = [*words, "", ""]
            if isinstance(operation, str) and reads.is_read(str(service), operation):
                found.add(reads.iam_action(str(service), operation))
    return found


PACKAGES = sorted(p for p in Path(probes.__path__[0]).iterdir() if (p / "__init__.py").exists())


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: str(package.name))
def test_probes_tell_every_call_that_they_make_among_their_needs(package: Path) -> None:
    """A role is narrowed to the needs: what is not told would be denied."""
    kinds = {
        p.kind for p in registry().values() if p.diagnose.__module__.split(".")[1] == package.name
    }
    told = {need for p in registry().values() if p.kind in kinds for need in p.needs}
    assert asked(package) - told == set()
