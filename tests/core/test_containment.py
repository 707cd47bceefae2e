"""Acts that contain: an IP set only grows, and nobody contains himself."""

from __future__ import annotations

import json

import pytest

from cockpit.connect.aws.containment import contains_itself, replaces

USER = "arn:aws:iam::123456789012:user/oncall/anna"
SESSION = "arn:aws:sts::123456789012:assumed-role/commander/anna"
DENY = json.dumps({"Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]})
ALLOW = json.dumps({"Statement": {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "a"}})
OLD = ["1.1.1.1/32", "10.0.0.0/8"]


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        pytest.param(OLD, [*OLD, "8.8.8.8/32"], "", id="one more"),
        pytest.param(OLD, OLD[:1], "", id="one taken back"),
        pytest.param(OLD, ["8.8.8.8/32"], "let in again", id="the seed's command"),
        pytest.param(OLD, [], "empty", id="none"),
        pytest.param(["8.8.8.8/32"], [], "", id="the only one taken back"),
        pytest.param([], ["10.1.2.3/32"], "not public", id="a private one"),
        pytest.param([], ["224.0.0.1/32"], "not public", id="multicast"),
        pytest.param([], ["8.0.0.0/15"], "wider", id="half a city"),
        pytest.param([], ["2606:4700::/31"], "wider", id="IPv6"),
        pytest.param([], ["8.8.0.0/16"], "", id="just narrow enough"),
        pytest.param(["x"], ["8.8.8.8/32"], "cannot be read", id="odd"),
    ],
)
def test_an_ip_set_is_added_to_and_never_replaced(
    before: list[str], after: list[str], why: str
) -> None:
    told = replaces(before, after)
    assert why in told if why else not told


@pytest.mark.parametrize(
    ("call", "arguments", "arn", "refused"),
    [
        ("iam.UpdateAccessKey", {"UserName": "anna", "Status": "Inactive"}, USER, True),
        ("iam.UpdateAccessKey", {"Status": "Inactive"}, USER, True),
        ("iam.UpdateAccessKey", {"UserName": "anna", "Status": "Active"}, USER, False),
        ("iam.UpdateAccessKey", {"UserName": "bob", "Status": "Inactive"}, USER, False),
        ("iam.PutUserPolicy", {"UserName": "anna", "PolicyDocument": DENY}, USER, True),
        ("iam.PutUserPolicy", {"UserName": "anna", "PolicyDocument": "{"}, USER, True),
        ("iam.PutUserPolicy", {"UserName": "anna", "PolicyDocument": ALLOW}, USER, False),
        ("iam.PutRolePolicy", {"RoleName": "anna", "PolicyDocument": DENY}, USER, False),
        ("iam.PutRolePolicy", {"RoleName": "commander", "PolicyDocument": DENY}, SESSION, True),
        ("iam.PutRolePolicy", {"RoleName": "checkout", "PolicyDocument": DENY}, SESSION, False),
        ("iam.PutUserPolicy", {"UserName": "commander", "PolicyDocument": DENY}, SESSION, False),
    ],
)
def test_nobody_contains_himself(
    call: str, arguments: dict[str, object], arn: str, refused: bool
) -> None:
    assert bool(contains_itself(call, arguments, arn)) is refused
