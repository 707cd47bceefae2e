"""What a policy opens: a table of policies, and what no act of ours may put."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network
from random import Random
from typing import Any

import pytest

from cockpit.connect.aws.documents import policy_problems, refuse_lockout
from cockpit.connect.aws.lockout import PolicyCaller, locks_out
from cockpit.connect.aws.models import validate_call
from cockpit.connect.aws.resource_policy import (
    PolicyProblem,
    one_line,
    public_in,
    statements_of,
    wide_in,
    without,
)
from cockpit.errors import BlindError, Reason, Refused, UnknownOutcome

ROLE = "arn:aws:iam::123456789012:role/pay"
BUCKET = "arn:aws:s3:::shop"
OBJECTS = f"{BUCKET}/*"
VPC = {"StringEquals": {"aws:SourceVpc": "vpc-91237329"}}


def allow(principal: Any = "*", **more: Any) -> dict[str, Any]:
    """A statement that allows reading; `Principal=None`: without one."""
    base = {"Effect": "Allow", "Principal": principal, "Action": "s3:GetObject"}
    made = {**base, "Resource": OBJECTS, **more}
    return {name: value for name, value in made.items() if value is not None}


def deny(principal: Any = "*", **more: Any) -> dict[str, Any]:
    return allow(principal, **{"Effect": "Deny", "Action": "s3:*", **more})


def policy(*statements: Any, **more: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements), **more})


def only(key: str, *values: Any, operator: str = "StringEquals") -> str:
    """Open to everybody, but for one condition."""
    held = list(values) if len(values) > 1 else values[0]
    return policy(allow(Condition={operator: {key: held}}))


@pytest.mark.parametrize(
    ("text", "public"),
    [
        # principals
        pytest.param(policy(allow()), True, id="everybody"),
        pytest.param(policy(allow({"AWS": "*"})), True, id="everybody, as AWS principals"),
        pytest.param(policy(allow(["*"])), True, id="everybody, in a list"),
        pytest.param(policy(allow({"AWS": [ROLE, "*"]})), True, id="a role, and everybody"),
        pytest.param(policy(allow({"AWS": ROLE})), False, id="a role"),
        pytest.param(policy(allow({"AWS": "123456789012"})), False, id="an account"),
        pytest.param(policy(allow({"AWS": "999999999999"})), False, id="another account"),
        pytest.param(policy(allow({"AWS": f"{ROLE}*"})), True, id="a pattern of roles"),
        pytest.param(policy(allow({"AWS": "AROAEXAMPLEID"})), False, id="a role that was deleted"),
        pytest.param(policy(allow({"CanonicalUser": "79a59d"})), False, id="a canonical user"),
        pytest.param(policy(allow({"Service": "cloudfront.amazonaws.com"})), False, id="a service"),
        pytest.param(policy(allow({"Service": "*"})), True, id="any service"),
        pytest.param(
            policy(allow({"Federated": "cognito-identity.amazonaws.com"})), False, id="federated"
        ),
        pytest.param(policy(allow(None)), True, id="no principal at all"),
        pytest.param(policy(allow({})), True, id="an empty principal"),
        pytest.param(
            policy(allow(None, NotPrincipal={"AWS": ROLE})), True, id="everybody but a role"
        ),
        # effects and several statements
        pytest.param(policy(deny()), False, id="a deny for everybody"),
        pytest.param(policy(allow({"AWS": ROLE}), allow()), True, id="the second one is open"),
        pytest.param(
            policy(allow(), deny(Condition={"StringNotEquals": {"aws:SourceVpc": "vpc-1"}})),
            True,
            id="a deny does not close what is allowed",
        ),
        pytest.param(policy(allow(Condition=VPC), allow()), True, id="narrow, and open"),
        pytest.param(json.dumps({"Statement": allow()}), True, id="one statement without a list"),
        pytest.param(policy(), False, id="no statement"),
        pytest.param(policy(allow(Action="*")), True, id="every action"),
        pytest.param(policy(allow(Action=None, NotAction="s3:PutObject")), True, id="but one"),
        # conditions
        pytest.param(policy(allow(Condition=VPC)), False, id="one VPC"),
        pytest.param(
            only("aws:SourceVpc", "vpc-*", operator="StringLike"), True, id="every VPC by pattern"
        ),
        pytest.param(only("aws:SourceVpc", "vpc-1", "vpc-2"), False, id="two VPCs"),
        pytest.param(
            only("aws:SourceVpc", "vpc-1", "*", operator="StringLike"), True, id="a VPC or any"
        ),
        pytest.param(only("AWS:SOURCEVPCE", "vpce-1"), False, id="an endpoint, in capitals"),
        pytest.param(
            only("aws:SourceVpce", "vpce-1", operator="StringEqualsIfExists"),
            True,
            id="if it exists: from the internet it does not",
        ),
        pytest.param(
            only("aws:SourceVpce", "vpce-1", operator="ForAllValues:StringEquals"),
            True,
            id="for all values: also of none",
        ),
        pytest.param(
            only("aws:PrincipalOrgPaths", "o-1/r-1/", operator="ForAnyValue:StringEquals"),
            False,
            id="for any value",
        ),
        pytest.param(
            only("aws:SourceVpc", "vpc-1", operator="StringNotEquals"), True, id="all but one VPC"
        ),
        pytest.param(only("aws:PrincipalOrgID", "o-a1b2c3"), False, id="an organization"),
        pytest.param(
            only("aws:PrincipalOrgID", "o-*", operator="StringLike"), True, id="any organization"
        ),
        pytest.param(only("aws:SourceAccount", "123456789012"), False, id="a source account"),
        pytest.param(only("aws:SourceAccount", 123456789012), False, id="a number for an account"),
        pytest.param(
            only("aws:SourceArn", "arn:aws:s3:::logs", operator="ArnLike"), False, id="a source"
        ),
        pytest.param(
            only("aws:SourceArn", "arn:aws:s3:::*", operator="ArnLike"), True, id="any source"
        ),
        pytest.param(only("aws:userid", "AIDAEXAMPLE"), False, id="a user"),
        pytest.param(
            only("aws:userid", "AROAEXAMPLE:*", operator="StringLike"), True, id="role sessions"
        ),
        pytest.param(only("aws:PrincipalArn", "${aws:PrincipalArn}"), True, id="a variable"),
        pytest.param(
            only("s3:DataAccessPointArn", "arn:aws:s3:us-east-1:123456789012:accesspoint/*"),
            False,
            id="access points of one account",
        ),
        pytest.param(
            only(
                "s3:DataAccessPointArn", "arn:aws:s3:us-east-1:*:accesspoint/*", operator="ArnLike"
            ),
            True,
            id="access points of any account",
        ),
        pytest.param(only("s3:DataAccessPointAccount", "123456789012"), False, id="their account"),
        pytest.param(
            only("s3:x-amz-server-side-encryption-aws-kms-key-id", "arn:aws:kms:x:1:key/2"),
            False,
            id="a key",
        ),
        pytest.param(
            only("s3:ExistingObjectTag/public", "no"), True, id="a tag of the object: open"
        ),
        pytest.param(only("aws:Referer", "https://shop.example/"), True, id="a referer is typed"),
        pytest.param(only("aws:UserAgent", "shop"), True, id="a user agent is typed"),
        pytest.param(
            only("aws:SecureTransport", "true", operator="Bool"), True, id="only over TLS"
        ),
        pytest.param(
            only("aws:SecureTransport", True, operator="Bool"), True, id="TLS as a truth value"
        ),
        pytest.param(
            only("aws:PrincipalOrgID", "false", operator="Null"), True, id="any organization's"
        ),
        pytest.param(only("aws:SourceVpc", [], operator="StringEquals"), True, id="no value"),
        pytest.param(
            policy(
                allow(
                    Condition={
                        "Bool": {"aws:SecureTransport": "true"},
                        "StringEquals": {"aws:SourceVpce": "vpce-1"},
                    }
                )
            ),
            False,
            id="both must hold: one of them is narrow",
        ),
        # addresses
        pytest.param(
            only("aws:SourceIp", "203.0.113.0/24", operator="IpAddress"), False, id="an office"
        ),
        pytest.param(
            only("aws:SourceIp", "203.0.113.7", operator="IpAddress"), False, id="one address"
        ),
        pytest.param(
            only("aws:SourceIp", "203.0.0.0/8", operator="IpAddress"), False, id="just a /8"
        ),
        pytest.param(
            only("aws:SourceIp", "202.0.0.0/7", operator="IpAddress"), True, id="broader than /8"
        ),
        pytest.param(
            only("aws:SourceIp", "0.0.0.0/1", operator="IpAddress"), True, id="half of the world"
        ),
        pytest.param(
            only("aws:SourceIp", "203.0.113.0/24", "0.0.0.0/0", operator="IpAddress"),
            True,
            id="an office, and the world",
        ),
        pytest.param(
            only("aws:SourceIp", "2001:db8::/32", operator="IpAddress"), False, id="an IPv6 /32"
        ),
        pytest.param(
            only("aws:SourceIp", "2001:d00::/24", operator="IpAddress"), True, id="a broad IPv6"
        ),
        pytest.param(
            only("aws:SourceIp", "172.16.0.0/12", operator="IpAddress"), False, id="private"
        ),
        pytest.param(
            only("aws:SourceIp", "203.0.113.0/24", operator="NotIpAddress"), True, id="all but one"
        ),
        pytest.param(only("aws:SourceIp", "nonsense", operator="IpAddress"), True, id="no address"),
    ],
)
def test_what_is_public(text: str, public: bool) -> None:
    assert bool(public_in(statements_of(text))) is public


@pytest.mark.parametrize(
    ("more", "reads", "writes"),
    [
        ({"Action": "s3:GetObject"}, True, False),
        ({"Action": "S3:getobject"}, True, False),
        ({"Action": ["s3:List*"]}, True, False),
        ({"Action": "s3:GetBucketL*"}, True, False),
        ({"Action": "s3:PutObject"}, False, True),
        ({"Action": "s3:Put?bject"}, False, True),
        ({"Action": "s3:PutObjectTagging"}, False, True),
        ({"Action": "s3:Delete*"}, False, True),
        ({"Action": ["s3:GetObject", "s3:AbortMultipartUpload"]}, True, True),
        ({"Action": "s3:*"}, True, True),
        ({"Action": "*"}, True, True),
        ({"Action": None, "NotAction": "s3:GetObject"}, True, True),
        ({"Action": None, "NotAction": "s3:*"}, False, False),
    ],
)
def test_reading_and_writing_are_told_apart(
    more: Mapping[str, Any], reads: bool, writes: bool
) -> None:
    (statement,) = statements_of(policy(allow(**more)))
    assert (statement.reads, statement.writes) == (reads, writes)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        "[" * 100_000,
        '{"Statement": 7}',
        policy("x"),
        policy(allow(Effect="allow")),
        policy(allow(effect="Deny")),
        policy(allow(Action=None)),
        policy(allow(NotAction="s3:GetObject")),
        policy(allow(NotPrincipal="*")),
        policy(allow(Action=[7])),
        policy(allow(Principal={"AWS": {}})),
        policy(allow(Condition="x")),
        policy(allow(Condition={"Bool": "x"})),
        policy(allow(Condition={"Bool": {"a": {}}})),
        policy(allow(), Rules=[]),
        '{"Statement": {"Effect": "Deny", "Effect": "Allow", "Principal": "*", "Action": "*"}}',
    ],
)
def test_what_is_not_understood_is_told_and_never_called_closed(text: str) -> None:
    with pytest.raises(PolicyProblem):
        statements_of(text)
    assert [*policy_problems("s3.PutBucketPolicy", {"Bucket": "shop", "Policy": text})]


def test_a_policy_loses_its_open_statements_and_nothing_else() -> None:
    text = policy(allow(Sid="ours", principal={"AWS": ROLE}), allow(Sid="theirs"), Id="x")
    kept = without(text, public_in(statements_of(text)))
    assert json.loads(kept)["Id"] == "x"
    assert [each.sid for each in statements_of(kept)] == ["ours"]
    assert without(policy(allow()), statements_of(policy(allow()))) == ""
    assert one_line(policy(allow(Sid="\u202e\n"))).isascii()


@pytest.mark.parametrize(
    ("call", "arguments", "told"),
    [
        ("s3.PutBucketPolicy", {"Policy": policy(allow({"AWS": ROLE}))}, ""),
        ("s3.PutBucketPolicy", {"Policy": policy(allow(Sid="web"))}, "web gives s3:GetObject to"),
        ("s3.PutBucketPolicy", {"Policy": policy(allow({"AWS": ROLE}, Resource="*"))}, '"*"'),
        (
            "s3.PutBucketPolicy",
            {"Policy": policy(allow({"AWS": ROLE}, Resource=None, NotResource=BUCKET))},
            '"*"',
        ),
        ("s3.PutBucketPolicy", {"Policy": policy(deny(Resource="*"))}, ""),
        ("sns.SetTopicAttributes", {"AttributeName": "DisplayName", "AttributeValue": "x"}, ""),
        (
            "sns.SetTopicAttributes",
            {"AttributeName": "Policy", "AttributeValue": policy(allow(Action="sns:Publish"))},
            "gives sns:Publish to everybody",
        ),
        ("sqs.SetQueueAttributes", {"Attributes": {"Policy": policy(allow())}}, "to everybody"),
        ("sqs.SetQueueAttributes", {"Attributes": {"VisibilityTimeout": "30"}}, ""),
        ("iam.PutRolePolicy", {"PolicyDocument": policy(allow(None, Resource="*"))}, '"*"'),
        ("iam.PutRolePolicy", {"PolicyDocument": policy(allow(None))}, ""),
        ("iam.PutRolePolicy", {"PolicyDocument": policy(deny(None, Resource="*"))}, ""),
        ("ecs.UpdateService", {"service": "web"}, ""),
    ],
)
def test_what_an_act_may_not_put(call: str, arguments: Mapping[str, object], told: str) -> None:
    problems = " ".join(policy_problems(call, arguments))
    assert (told in problems) if told else problems == ""


def test_the_service_model_and_the_policy_are_checked_together() -> None:
    (problem,) = validate_call(
        "s3.put_bucket_policy", {"Bucket": "shop", "Policy": policy(allow())}
    )
    assert "to everybody" in problem
    assert (
        validate_call(
            "s3.PutBucketPolicy", {"Bucket": "shop", "Policy": policy(allow(Condition=VPC))}
        )
        == []
    )


def test_resource_of_everything_is_told_whatever_else_stands_beside_it() -> None:
    held = statements_of(policy(allow(Resource=[OBJECTS, "*"]), deny(Resource="*")))
    assert [each.number for each in wide_in(held)] == [1]


SESSION = "arn:aws:sts::123456789012:assumed-role/ops/anna"
OPS = "arn:aws:iam::123456789012:role/ops"
PATHED = "arn:aws:iam::123456789012:role/teams/ops"
ME = PolicyCaller("123456789012", SESSION)


@pytest.mark.parametrize(
    ("new", "now", "locked"),
    [
        pytest.param(policy(allow({"AWS": ROLE})), "", False, id="no deny"),
        pytest.param(policy(deny(Sid="all")), "", True, id="a deny for everybody"),
        pytest.param(policy(deny(Action="s3:GetObject")), "", False, id="a deny of reading"),
        pytest.param(policy(deny({"AWS": OPS})), "", True, id="for our role"),
        pytest.param(policy(deny({"AWS": PATHED})), "", True, id="for our role with its path"),
        pytest.param(policy(deny({"AWS": SESSION})), "", True, id="for our session"),
        pytest.param(policy(deny({"AWS": "123456789012"})), "", True, id="for our account"),
        pytest.param(
            policy(deny({"AWS": "arn:aws:iam::123456789012:root"})), "", True, id="for its root"
        ),
        pytest.param(policy(deny({"AWS": ROLE})), "", False, id="for another role"),
        pytest.param(
            policy(deny(None, NotPrincipal={"AWS": OPS})), "", False, id="all but our role"
        ),
        pytest.param(
            policy(deny(None, NotPrincipal={"AWS": ROLE})), "", True, id="all but another role"
        ),
        pytest.param(
            policy(deny(Condition={"Bool": {"aws:SecureTransport": "false"}})),
            "",
            False,
            id="what comes without TLS",
        ),
        pytest.param(
            policy(deny(Condition={"StringNotEquals": {"aws:SourceVpce": "vpce-1"}})),
            "",
            True,
            id="what does not come by an endpoint: where we come from is not known",
        ),
        pytest.param(
            policy(deny(Condition={"StringNotEquals": {"aws:SourceVpce": "vpce-1"}})),
            policy(deny(Condition={"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}), allow()),
            False,
            id="it stands there already",
        ),
        pytest.param(
            policy(deny(Condition={"ArnNotLike": {"aws:PrincipalArn": [OPS, ROLE]}})),
            "",
            False,
            id="all but ours, by condition",
        ),
        pytest.param(
            policy(deny(Condition={"ArnNotLike": {"aws:PrincipalArn": f"{ROLE}*"}})),
            "",
            True,
            id="all but others', by condition",
        ),
        pytest.param(
            policy(deny(Action=None, NotAction="s3:GetObject")), "", True, id="all but reading"
        ),
        pytest.param("", policy(deny()), False, id="deleted"),
    ],
)
def test_who_would_shut_himself_out(new: str, now: str, locked: bool) -> None:
    assert bool(locks_out(new, now, ME)) is locked


def test_a_caller_of_another_account_needs_the_allow() -> None:
    theirs = policy(allow({"AWS": OPS}, Action="s3:*", Resource=BUCKET))
    assert "would take the Allow" in locks_out(policy(deny(Action="s3:x")), theirs, ME, owner="9")
    assert locks_out(policy(deny(Action="s3:x")), theirs, ME, owner="123456789012") == ""
    assert locks_out(theirs, theirs, ME, owner="9") == ""


class Commander:
    """Answers what the guard asks."""

    def __init__(self, policy_now: str | BlindError, who: Exception | None = None) -> None:
        self.policy_now, self.who = policy_now, who

    async def identity(self) -> tuple[str, str]:
        if self.who is not None:
            raise self.who
        return "123456789012", SESSION

    async def run(self, call: str, arguments: Mapping[str, object]) -> Mapping[str, object]:
        assert (call, arguments) == ("s3.GetBucketPolicy", {"Bucket": "shop"})
        if isinstance(self.policy_now, BlindError):
            raise self.policy_now
        return {"Policy": self.policy_now}


@pytest.mark.parametrize(
    ("commander", "new", "told"),
    [
        (Commander(policy(allow())), policy(allow({"AWS": ROLE})), ""),
        (Commander(policy(allow())), policy(deny()), "would deny s3:PutBucketPolicy"),
        (Commander(policy(deny())), policy(deny()), ""),
        (Commander(BlindError(Reason.MISSING, "x")), policy(deny()), "would deny"),
        (Commander("{"), policy(allow({"AWS": ROLE})), "cannot be told"),
        (Commander("", UnknownOutcome("cut off")), policy(allow()), "cannot be told"),
    ],
)
async def test_the_one_who_puts_a_policy_is_not_shut_out(
    commander: Commander, new: str, told: str
) -> None:
    asked = {"Bucket": "shop", "Policy": new}
    if not told:
        await refuse_lockout(commander, "s3.PutBucketPolicy", asked)
        return
    with pytest.raises(Refused, match=told):
        await refuse_lockout(commander, "s3.PutBucketPolicy", asked)
    await refuse_lockout(commander, "s3.PutObject", asked)


ANYBODY: Mapping[str, str] = {
    "aws:sourceip": "198.51.100.7",
    "aws:securetransport": "true",
    "aws:useragent": "x",
    "aws:referer": "https://shop.example/",
}
"""All that a request without credentials from the internet says of itself."""
KEYS = (*ANYBODY, "aws:sourcevpc", "aws:principalorgid", "aws:sourcearn", "s3:prefix")
VALUES = ("*", "vpc-1", "o-1", "true", "false", "198.51.100.*", "arn:aws:s3:::x", "x", "https://*")
RANGES = ("203.0.113.0/24", "0.0.0.0/0", "128.0.0.0/1", "198.51.100.0/24", "10.0.0.0/8", "x")


def lets_in(statement: Mapping[str, Any]) -> bool:
    """Whether a statement allows anybody's request: IAM's rules once more, written apart."""
    who = statement.get("Principal")
    named = who == "*" or (isinstance(who, dict) and "*" in who.get("AWS", []))
    if "NotPrincipal" in statement:
        named = True
    return named and all(
        _met(operator, key, held)
        for operator, keys in statement.get("Condition", {}).items()
        for key, held in keys.items()
    )


def _met(operator: str, key: str, held: list[str]) -> bool:
    value = ANYBODY.get(key)
    if operator.startswith("ForAllValues:") or operator.endswith("IfExists"):
        if value is None:
            return True
        operator = operator.removeprefix("ForAllValues:").removesuffix("IfExists")
    if operator == "Null":
        return (value is None) is (held[0] == "true")
    if value is None:
        return "Not" in operator
    if "IpAddress" in operator:
        ranges = [ip_network(each) for each in held if "/" in each]
        inside = (
            any(ip_address(value) in each for each in ranges) if key == "aws:sourceip" else False
        )
        return inside is not operator.startswith("Not")
    like = "Like" in operator
    same = any(fnmatchcase(value, each) if like else value == each for each in held)
    return same is not ("Not" in operator)


def test_whatever_lets_anybody_in_is_never_called_closed() -> None:
    chance = Random(8)
    operators = [
        *("StringEquals", "StringLike", "StringNotEquals", "StringNotLike", "Null", "Bool"),
        *("StringEqualsIfExists", "ForAllValues:StringLike", "IpAddress", "NotIpAddress"),
    ]
    opened = 0
    for _ in range(4000):
        principal = chance.choice(["*", {"AWS": ["*", ROLE]}, {"AWS": [ROLE]}, {"Service": ["x"]}])
        condition: dict[str, dict[str, list[str]]] = {}
        for _ in range(chance.choice((0, 1, 1, 2))):
            operator = chance.choice(operators)
            pool = RANGES if "Ip" in operator else VALUES
            key = "aws:sourceip" if "Ip" in operator else chance.choice(KEYS)
            held = ["true"] if operator == "Null" else chance.sample(pool, chance.choice((1, 2)))
            condition.setdefault(operator, {})[key] = held
        statement = allow(principal, Condition=condition)
        if chance.random() < 0.1:
            statement["NotPrincipal"] = statement.pop("Principal")
        near = any(  # an address within a range that S3 calls narrow is let in, and not public
            operator == "IpAddress" and "198.51.100.0/24" in held
            for operator, keys in condition.items()
            for held in keys.values()
        )
        if lets_in(statement) and not near:
            opened += 1
            assert public_in(statements_of(policy(statement))), statement
    assert opened > 300
