"""What a refusal of AWS says is told whole, and the hint follows the kind of refusal."""

from __future__ import annotations

import pytest

from cockpit.connect.aws.denial import denial
from cockpit.connect.aws.errors import AwsCall, from_answer
from cockpit.errors import Reason

CALL = AwsCall("ecs", "DescribeServices", "eu-west-1", "prod")
WHO = "arn:aws:sts::111122223333:assumed-role/oncall/eve"
SERVICE = "arn:aws:ecs:eu-west-1:111122223333:service/shop/web"
SAID = f"User: {WHO} is not authorized to perform: ecs:DescribeServices on resource: {SERVICE}"
SCP = "arn:aws:organizations::444455556666:policy/o-1/service_control_policy/p-2"

KINDS = [
    ("identity-based policy", f"the identity policy of {WHO}"),
    ("permissions boundary", f"the permissions boundary of {WHO}"),
    ("session policy", f"the session policy that {WHO} was assumed with"),
    ("resource-based policy", "the policy of the resource itself"),
    ("VPC endpoint policy", "the policy of the VPC endpoint that the call goes through"),
    ("service control policy", "a service control policy of the organization"),
    ("resource control policy", "a resource control policy of the organization"),
]


def hint(message: str) -> str:
    answer = {"Error": {"Code": "AccessDeniedException", "Message": message}}
    found = from_answer(answer, CALL)
    assert found.reason is Reason.DENIED
    return found.hint


@pytest.mark.parametrize(("kind", "holder"), KINDS, ids=[kind for kind, _ in KINDS])
def test_a_missing_allow_is_wanted_where_it_is_missing(kind: str, holder: str) -> None:
    found = hint(f"{SAID} because no {kind} allows the ecs:DescribeServices action")
    assert found.startswith(f"allow ecs:DescribeServices on {SERVICE} in {holder}")


@pytest.mark.parametrize(("kind", "holder"), KINDS, ids=[kind for kind, _ in KINDS])
@pytest.mark.parametrize("words", ["with an explicit deny in a", "due to an explicit deny in a"])
def test_nobody_is_told_to_allow_what_a_deny_forbids(kind: str, holder: str, words: str) -> None:
    found = hint(f"{SAID} {words} {kind}")
    assert found == f"{holder} denies it: an Allow does not help, only a change of that Deny"


def test_the_denying_policy_is_named_where_aws_names_it() -> None:
    assert f", {SCP}," in hint(f"{SAID} with an explicit deny in a service control policy: {SCP}")


def test_a_type_of_policy_that_is_new_is_told_in_awss_words() -> None:
    message = f"{SAID} with an explicit deny in a network perimeter policy"
    assert denial(message).why == "an explicit deny in a network perimeter policy"
    assert hint(message).startswith("a policy that AWS does not name denies it")


@pytest.mark.parametrize(
    "rest",
    [
        "Authorization ID: 7f3c-11d2",
        "Encoded authorization failure message: AQIDBAUG",
        "(Service: Ecs; Request ID: 1234-5678)",
    ],
)
@pytest.mark.parametrize(
    "said",
    [
        f"{SAID} because no identity-based policy allows the ecs:DescribeServices action.",
        f"{SAID}.",
        "You are not authorized to perform this operation.",
        "access is not possible today",
    ],
)
def test_what_stands_beside_the_refusal_is_kept(said: str, rest: str) -> None:
    answer = {"Error": {"Code": "AccessDenied", "Message": f"{said} {rest}"}}
    assert rest in from_answer(answer, CALL).message


def test_the_id_at_the_end_of_a_long_refusal_is_kept() -> None:
    long = f"{SAID}{'x' * 500} because no session policy allows it. Authorization ID: 7f3c-11d2"
    answer = {"Error": {"Code": "AccessDenied", "Message": long}}
    assert "7f3c-11d2" in from_answer(answer, CALL).message


@pytest.mark.parametrize("code", ["ServiceUnavailable", "ServiceUnavailableException", "", "503"])
def test_a_service_in_trouble_is_no_throttle(code: str) -> None:
    answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 503}}
    found = from_answer(answer, CALL)
    assert found.reason is Reason.UNREACHABLE
    assert "calls_per_second" not in found.hint


def test_a_resource_in_quotes_is_named_without_them() -> None:
    said = 'User: arn:x is not authorized to perform: s3:PutObject on resource: "arn:aws:s3:::b/k"'
    told = denial(f"{said} with an explicit deny in a resource-based policy")
    assert (told.resource, told.explicit) == ("arn:aws:s3:::b/k", True)
