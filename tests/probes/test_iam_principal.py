"""A user, a role, root: what fires, what must not, and what a step would be given."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from cockpit import clock
from cockpit.connect.aws.session import open_aws, open_aws_acts
from cockpit.connect.aws.settings import PrincipalSettings
from cockpit.errors import BlindError, Reason
from cockpit.triage.finding import Severity
from cockpit.triage.target import Target
from probes.iam_principal import view
from probes.iam_principal.calls import collect, diagnose
from probes.iam_principal.identity import denying
from probes.iam_principal.model import DENY, Settings, Snapshot, ThreatFinding
from probes.trail import ApiEvent
from tests.core.aws_stub import place
from tests.moto_server import client, moto_server
from tests.probes.fake_aws import AT, FakeAws, ago, denied

CRITICAL, WARNING, INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO
USER = "arn:aws:iam::123456789012:user/ci/deploy"
ROLE = "arn:aws:iam::123456789012:role/checkout"
KEY = "AKIAIOSFODNN7EXAMPLE"
HOME, AWAY = "198.51.100.7", "203.0.113.9"


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "servers" not in request.keywords:
        monkeypatch.setattr(clock, "now", lambda: AT)


def call(name: str = "iam.ListUsers", minutes: float = 5, **changes: Any) -> ApiEvent:
    service, _, operation = name.partition(".")
    held = ApiEvent(
        id=f"{name}{minutes}{changes.get('address', HOME)}",
        at=ago(minutes=minutes),
        service=service,
        name=operation,
        address=HOME,
    )
    return replace(held, **changes)


def calls(many: int, name: str = "iam.ListUsers", within: float = 4, **of: Any) -> list[ApiEvent]:
    return [call(name, 5 + within * n / many, **of) for n in range(many)]


def look(*events: ApiEvent, **changes: Any) -> Snapshot:
    base = Snapshot(at=AT, region="us-east-1", sort="user", name="deploy", guarded=True)
    return replace(base, calls=tuple(sorted(events, key=lambda e: e.at, reverse=True)), **changes)


def login(minutes: float, outcome: str, mfa: str = "Yes", identity: str = "IAMUser") -> ApiEvent:
    return call(
        "signin.ConsoleLogin",
        minutes,
        answer={"consoleLogin": outcome},
        extra={"mFAUsed": mfa},
        identity=identity,
    )


def threat(severity: float, sort: str = "Recon:IAMUser/MaliciousIPCaller") -> ThreatFinding:
    return ThreatFinding(id="f1", type=sort, severity=severity, title="bad")


NO: dict[str, Any] = {"error": "AccessDenied"}
OLD = call(minutes=90)
EVERYTHING = {
    "policyDocument": '{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'
}
BURST = ("SEC_ACCESS_DENIED_BURST", WARNING)
ABUSE = ("SEC_CREDENTIAL_ABUSE_SUSPECTED", CRITICAL)
FAILED = [login(5 + n / 2, "Failure") for n in range(10)]


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(look(call()), [], id="well"),
        pytest.param(replace(look(), calls=None), [], id="not read is not told as calls"),
        # refused
        pytest.param(look(*calls(19, **NO)), [], id="19 refused"),
        pytest.param(look(*calls(20, **NO)), [BURST], id="20, reads too"),
        pytest.param(look(*calls(20, within=30, **NO)), [], id="over half an hour"),
        pytest.param(look(*calls(100, **NO)), [(BURST[0], CRITICAL)], id="100"),
        pytest.param(look(*calls(20, error="Throttling")), [], id="throttled is not refused"),
        pytest.param(look(*calls(20, agent="x incident-cockpit", **NO)), [], id="our own looks"),
        # somebody else
        pytest.param(
            look(OLD, *calls(20, address=AWAY, **NO)), [ABUSE, BURST], id="from a new address"
        ),
        pytest.param(look(OLD, *calls(20, **NO)), [BURST], id="from where it always comes"),
        pytest.param(
            look(*calls(20, address=AWAY, **NO)), [BURST], id="nothing older: no address is new"
        ),
        pytest.param(
            look(call(address=AWAY), networks=("198.51.100.0/24",)),
            [("SEC_CALLS_FROM_ELSEWHERE", WARNING)],
            id="outside its networks",
        ),
        pytest.param(look(call(), networks=("198.51.100.0/24",)), [], id="within them"),
        pytest.param(
            look(call(address="ec2.amazonaws.com"), networks=("198.51.100.0/24",)),
            [],
            id="a service of AWS has no address",
        ),
        # root and logins
        pytest.param(
            look(call(by="root"), sort="root"), [("SEC_ROOT_USED", CRITICAL)], id="root was used"
        ),
        pytest.param(look(sort="root"), [], id="root was not"),
        pytest.param(
            look(login(5, "Success", "No")), [("SEC_CONSOLE_LOGIN_NO_MFA", WARNING)], id="no MFA"
        ),
        pytest.param(look(login(5, "Success", "No", "AssumedRole")), [], id="federated"),
        pytest.param(look(login(5, "Failure", "No")), [], id="one failure"),
        pytest.param(look(*FAILED), [("SEC_LOGIN_FAILURES", WARNING)], id="ten failures"),
        pytest.param(look(*FAILED[1:]), [], id="nine"),
        pytest.param(
            look(*FAILED, login(4, "Success")), [("SEC_LOGIN_FAILURES", CRITICAL)], id="then in"
        ),
        pytest.param(
            look(*FAILED, login(60, "Success")), [("SEC_LOGIN_FAILURES", WARNING)], id="in before"
        ),
        # what it changed
        pytest.param(look(call("iam.CreateAccessKey")), [("SEC_IAM_CHANGED", WARNING)], id="a key"),
        pytest.param(look(call("iam.CreateAccessKey", **NO)), [], id="it was refused"),
        pytest.param(look(call("ec2.CreateTags")), [], id="no right"),
        pytest.param(
            look(call("iam.PutUserPolicy", parameters=EVERYTHING)),
            [("SEC_IAM_CHANGED", CRITICAL)],
            id="everything",
        ),
        pytest.param(
            look(call("iam.AttachUserPolicy", parameters={"policyArn": f"x:{'policy'}/ReadOnly"})),
            [("SEC_IAM_CHANGED", WARNING)],
            id="read only",
        ),
        pytest.param(
            look(
                call(
                    "iam.AttachUserPolicy",
                    parameters={"policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"},
                )
            ),
            [("SEC_IAM_CHANGED", CRITICAL)],
            id="administrator",
        ),
        pytest.param(
            look(call("iam.PutUserPolicy", parameters={"policyDocument": "{"})),
            [("SEC_IAM_CHANGED", WARNING)],
            id="a text that cannot be read",
        ),
        pytest.param(
            look(call("cloudtrail.StopLogging")), [("SEC_AUDIT_OFF", CRITICAL)], id="audit off"
        ),
        pytest.param(look(call("cloudtrail.StopLogging", **NO)), [], id="it could not"),
        pytest.param(
            look(*calls(5, "dynamodb.DeleteTable")), [("SEC_MASS_DELETE", CRITICAL)], id="five gone"
        ),
        pytest.param(look(*calls(4, "dynamodb.DeleteTable")), [], id="four"),
        pytest.param(look(*calls(5, "dynamodb.DeleteTable", within=60)), [], id="over an hour"),
        # GuardDuty
        pytest.param(look(threats=(threat(3),)), [], id="low"),
        pytest.param(look(threats=(threat(4),)), [("SEC_GUARDDUTY_HIGH", WARNING)], id="medium"),
        pytest.param(look(threats=(threat(7),)), [("SEC_GUARDDUTY_HIGH", CRITICAL)], id="high"),
        pytest.param(
            look(threats=(threat(8, "UnauthorizedAccess:IAMUser/ConsoleLogin"),)),
            [ABUSE, ("SEC_GUARDDUTY_HIGH", CRITICAL)],
            id="stolen",
        ),
        pytest.param(look(guarded=False), [("SEC_GUARDDUTY_OFF", INFO)], id="off"),
        pytest.param(look(guarded=None), [], id="not known whether it is on"),
    ],
)
def test_what_fires_and_what_must_not(seen: Snapshot, expected: list[tuple[str, Severity]]) -> None:
    assert [(f.code, f.severity) for f in diagnose(seen, Settings())] == expected
    assert list(view.tables(seen, Settings()))
    assert list(view.facts(seen, Settings()))


def row(n: float, error: str = "") -> dict[str, Any]:
    event = {"sourceIPAddress": HOME, "userIdentity": {"type": "IAMUser"}}
    return {
        "EventId": f"e{n}",
        "EventName": "ListUsers",
        "EventTime": ago(minutes=n),
        "EventSource": "iam.amazonaws.com",
        "ReadOnly": "true",
        "CloudTrailEvent": json.dumps({**event, "errorCode": error} if error else event),
    }


def answers(**changes: Any) -> dict[str, Any]:
    held = {
        "iam.ListAccessKeys": [
            {"UserName": "deploy", "AccessKeyId": KEY, "Status": "Active", "CreateDate": AT},
            {"UserName": "deploy", "AccessKeyId": f"{KEY}2", "Status": "Inactive"},
        ],
        "iam.GetAccessKeyLastUsed": {
            "AccessKeyLastUsed": {"LastUsedDate": AT, "ServiceName": "s3", "Region": "us-east-1"}
        },
        "iam.ListUserPolicies": ["own", DENY],
        "iam.ListAttachedUserPolicies": [{"PolicyName": "p", "PolicyArn": "arn:p"}],
        "iam.GetUserPolicy": {"PolicyDocument": {"Version": "2012-10-17", "Statement": []}},
        "cloudtrail.LookupEvents": [row(5)],
        "guardduty.ListDetectors": ["d1"],
        "guardduty.ListFindings": ["f1"],
        "guardduty.GetFindings": [
            {"Id": "f1", "Type": "Recon:IAMUser/X", "Severity": 5.0, "Title": "tries"}
        ],
    }
    return {**held, **changes}


def at(id_: str = USER, **settings: Any) -> Target:
    held = PrincipalSettings(aws="prod", id=id_, **settings)
    return Target(name="p", kind="iam_principal", settings=held)


async def test_a_user_with_what_a_step_would_be_given() -> None:
    aws = FakeAws(answers())
    seen = await collect(aws, at())
    assert seen.gaps == ()
    assert (seen.sort, seen.name, seen.key) == ("user", "deploy", KEY)
    assert (seen.active, seen.inactive) == ((KEY,), (f"{KEY}2",))
    assert (seen.attached, seen.inline) == (("arn:p",), ("own", DENY))
    assert json.loads(seen.deny_text) == {"Version": "2012-10-17", "Statement": []}
    assert seen.deny_document == denying("2026-11-21T03:00:30Z")
    assert [f.code for f in diagnose(seen, Settings())] == ["SEC_GUARDDUTY_HIGH"]
    asked = [given for name, given in aws.calls if name == "cloudtrail.LookupEvents"]
    assert asked[0]["LookupAttributes"] == [
        {"AttributeKey": "Username", "AttributeValue": "deploy"}
    ]
    again = await collect(aws, at())
    later = [given for name, given in aws.calls if name == "cloudtrail.LookupEvents"][-1]
    assert later["StartTime"] > asked[0]["StartTime"]
    assert again.calls == seen.calls


@pytest.mark.parametrize(
    ("target", "attribute", "key"),
    [
        (at(key=KEY), ("AccessKeyId", KEY), KEY),
        (at(key="ASIAIOSFODNN7EXAMPLE"), ("AccessKeyId", "ASIAIOSFODNN7EXAMPLE"), ""),
        (at(ROLE), ("ResourceName", ROLE), ""),
        (at("arn:aws:iam::123456789012:root"), ("Username", "root"), ""),
    ],
)
async def test_by_what_cloudtrail_is_asked(
    target: Target, attribute: tuple[str, str], key: str
) -> None:
    aws = FakeAws(answers(**{"iam.GetAccountSummary": {"SummaryMap": {"AccountMFAEnabled": 1}}}))
    seen = await collect(aws, target)
    asked = next(given for name, given in aws.calls if name == "cloudtrail.LookupEvents")
    assert tuple(asked["LookupAttributes"][0].values()) == attribute
    assert seen.key == key
    assert seen.root_mfa is (True if seen.sort == "root" else None)


async def test_of_two_active_keys_none_is_offered() -> None:
    two = [{"AccessKeyId": f"{KEY}{n}", "Status": "Active"} for n in (1, 2)]
    assert (await collect(FakeAws(answers(**{"iam.ListAccessKeys": two})), at())).key == ""


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("cloudtrail.LookupEvents", "CloudTrail"),
        ("guardduty.ListDetectors", "GuardDuty"),
        ("iam.ListAccessKeys", "keys"),
        ("iam.ListUserPolicies", "policies"),
    ],
)
async def test_a_part_that_is_denied_is_told(name: str, told: str) -> None:
    seen = await collect(FakeAws(answers(**{name: denied()})), at())
    assert [gap.what for gap in seen.gaps] == [told]
    assert "SEC_OBS_BLIND" in [f.code for f in diagnose(seen, Settings())]
    assert seen.deny_known is (told != "policies")


async def test_more_calls_than_are_read_are_told() -> None:
    def flood(**asked: Any) -> dict[str, Any]:
        page = int(asked.get("NextToken", 0))
        return {"Events": [row(page + 1)], "NextToken": str(page + 1)}

    seen = await collect(FakeAws(answers(**{"cloudtrail.LookupEvents": flood})), at())
    assert [gap.what for gap in seen.gaps] == ["earlier calls"]
    assert seen.since == ago(minutes=6)


@pytest.mark.parametrize(
    ("id_", "reason"),
    [("arn:aws:s3:::x", Reason.MISCONFIGURED), (USER, Reason.MISSING)],
)
async def test_no_such_principal_is_no_look(id_: str, reason: Reason) -> None:
    gone = BlindError(Reason.MISSING, "no such user")
    with pytest.raises(BlindError) as caught:
        await collect(FakeAws(answers(**{"iam.ListAccessKeys": gone})), at(id_))
    assert caught.value.reason is reason


# moto ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with moto_server() as port:
        yield port


@pytest.mark.servers
async def test_the_steps_do_what_they_say_and_are_taken_back(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The calls of contain-credential with what a look captured, and their undo."""
    monkeypatch.setenv("COCKPIT_TEST_KEY", "testing-key")
    made = _made_account(port)
    aws, acts = await open_aws(place(port)), await open_aws_acts(place(port))
    try:
        before = await collect(aws, at("deploy"))
        assert (before.key, before.deny_known, before.deny_text) == (made, True, "")
        named = {"UserName": "deploy", "AccessKeyId": before.key}
        await acts.run("iam.UpdateAccessKey", {**named, "Status": "Inactive"})
        aws.forget()
        assert (await collect(aws, at("deploy"))).inactive == (made,)
        await acts.run("iam.UpdateAccessKey", {**named, "Status": "Active"})
        aws.forget()
        assert (await collect(aws, at("deploy"))).active == (made,)
        for id_, sort, name in ((USER, "User", "deploy"), (ROLE, "Role", "checkout")):
            who = {f"{sort}Name": name, "PolicyName": DENY}
            seen = await collect(aws, at(id_))
            put = {**who, "PolicyDocument": seen.deny_document}
            await acts.run(f"iam.Put{sort}Policy", put)
            aws.forget()
            held = await collect(aws, at(id_))
            assert seen.cut in held.deny_text
            await acts.run(f"iam.Put{sort}Policy", {**who, "PolicyDocument": held.deny_text})
            await acts.run(f"iam.Delete{sort}Policy", who)
            aws.forget()
            assert (await collect(aws, at(id_))).deny_text == ""
    finally:
        await acts.close()
        await aws.close()


def _made_account(port: int) -> str:
    """A user with one key and a role, in an account that was empty: the key's identifier.

    Whoever makes a key gets its secret, so no session of ours does that.
    """
    iam = client(port, "iam")
    iam.create_user(UserName="deploy")
    iam.create_role(RoleName="checkout", AssumeRolePolicyDocument="{}")
    key: str = iam.create_access_key(UserName="deploy")["AccessKey"]["AccessKeyId"]
    return key


def test_refusals_began_with_the_first_call() -> None:
    refused = calls(60, within=4, **NO)
    found = {f.code: f for f in diagnose(look(*refused), Settings())}
    assert found["SEC_ACCESS_DENIED_BURST"].began == min(each.at for each in refused)
