"""Every way in which AWS, or what stands in its place, can fail ends as one blind reason."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from cockpit.connect.aws import clients as aws_clients
from cockpit.connect.aws import errors as aws_errors
from cockpit.connect.aws import session as aws
from cockpit.connect.aws import sessions as aws_sessions
from cockpit.connect.aws.errors import AwsCall
from cockpit.errors import BlindError, Reason
from tests.core.aws_stub import LOGIN_PAGE, Reply, error, reading, stubbed, xml

CALL = AwsCall("elbv2", "DescribeTargetHealth", "us-east-1", "prod-readonly")


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCKPIT_TEST_KEY", "testing-key")


def json_error(code: str, message: str = "no", status: int = 400) -> Reply:
    body = json.dumps({"__type": f"com.amazonaws#{code}", "message": message})
    return Reply(body, status, type="application/x-amz-json-1.1")


def rest_error(code: str, message: str = "no", status: int = 400) -> Reply:
    body = json.dumps({"message": message, "Message": message})
    return Reply(body, status, {"x-amzn-ErrorType": f"{code}:http://aws/"}, "application/json")


def query_error(code: str, message: str = "no", status: int = 400) -> Reply:
    return Reply(error(code, message), status)


def ec2_error(code: str, message: str = "no", status: int = 400) -> Reply:
    body = (
        f"<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
        "<RequestID>r-1</RequestID></Response>"
    )
    return Reply(body, status)


def s3_error(code: str, message: str = "no", status: int = 400) -> Reply:
    body = (
        f"<Error><Code>{code}</Code><Message>{message}</Message><RequestId>r-1</RequestId></Error>"
    )
    return Reply(body, status, type="application/xml")


ASKED: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "json": ("ecs", "ListClusters", "clusterArns", {}),
    "rest-json": ("lambda", "ListFunctions", "Functions", {}),
    "query": ("elbv2", "DescribeLoadBalancers", "LoadBalancers", {}),
    "ec2": ("ec2", "DescribeInstances", "Reservations", {}),
    "s3": ("s3", "ListBuckets", "Buckets", {}),
}


async def asked(protocol: str, reply: Reply) -> BlindError:
    """The error of one read over the wire."""
    service, operation, expect, arguments = ASKED[protocol]
    async with stubbed() as stub, reading(stub) as session:
        stub.answer = lambda _: reply
        with pytest.raises(BlindError) as caught:
            await session.read(service, operation, expect=expect, **arguments)
    return caught.value


@pytest.mark.parametrize(
    ("protocol", "reply", "reason"),
    [
        ("query", query_error("AccessDenied", status=403), Reason.DENIED),
        ("ec2", ec2_error("UnauthorizedOperation", status=403), Reason.DENIED),
        ("json", json_error("AccessDeniedException"), Reason.DENIED),
        ("rest-json", rest_error("AccessDeniedException", status=403), Reason.DENIED),
        ("s3", s3_error("AccessDenied", status=403), Reason.DENIED),
        ("query", query_error("ExpiredToken", status=403), Reason.EXPIRED),
        ("ec2", ec2_error("RequestExpired"), Reason.EXPIRED),
        ("json", json_error("ExpiredTokenException"), Reason.EXPIRED),
        ("rest-json", rest_error("ExpiredTokenException", status=403), Reason.EXPIRED),
        ("s3", s3_error("ExpiredToken"), Reason.EXPIRED),
        ("query", query_error("InvalidClientTokenId", status=403), Reason.EXPIRED),
        ("ec2", ec2_error("AuthFailure", status=401), Reason.EXPIRED),
        ("json", json_error("UnrecognizedClientException"), Reason.EXPIRED),
        ("s3", s3_error("InvalidAccessKeyId", status=403), Reason.EXPIRED),
        ("query", query_error("SignatureDoesNotMatch", status=403), Reason.MISCONFIGURED),
        ("s3", s3_error("RequestTimeTooSkewed", status=403), Reason.EXPIRED),
        ("query", query_error("TargetGroupNotFound"), Reason.MISSING),
        ("ec2", ec2_error("InvalidInstanceID.NotFound"), Reason.MISSING),
        ("ec2", ec2_error("InvalidInstanceID.Malformed"), Reason.MISCONFIGURED),
        ("json", json_error("ClusterNotFoundException"), Reason.MISSING),
        ("rest-json", rest_error("ResourceNotFoundException", status=404), Reason.MISSING),
        ("s3", s3_error("NoSuchBucket", status=404), Reason.MISSING),
        ("query", query_error("ValidationError", "'x' is not a valid ARN"), Reason.MISCONFIGURED),
        ("ec2", ec2_error("OptInRequired", status=401), Reason.UNSUPPORTED),
        ("json", json_error("SubscriptionRequiredException"), Reason.UNSUPPORTED),
        ("json", json_error("UnknownOperationException"), Reason.UNSUPPORTED),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_an_error_of_a_service_is_one_reason(
    protocol: str, reply: Reply, reason: Reason
) -> None:
    assert (await asked(protocol, reply)).reason is reason


@pytest.mark.parametrize(
    ("protocol", "reply"),
    [
        ("query", query_error("Throttling")),
        ("ec2", ec2_error("RequestLimitExceeded", status=503)),
        ("json", json_error("ThrottlingException")),
        ("rest-json", rest_error("TooManyRequestsException", status=429)),
        ("s3", s3_error("SlowDown", status=503)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_throttled_call_is_tried_twice_counted_and_slows_us_down(
    protocol: str, reply: Reply
) -> None:
    service, operation, _, arguments = ASKED[protocol]
    async with stubbed() as stub, reading(stub) as session:
        stub.answer = lambda _: reply
        with pytest.raises(BlindError) as caught:
            await session.read(service, operation, **arguments)
        assert caught.value.reason is Reason.THROTTLED
        assert (session.cost.api_calls, session.cost.throttled) == (2, 2)
        assert session._limits.of(service).rate == 5000


@pytest.mark.parametrize("protocol", ASKED)
@pytest.mark.parametrize(
    ("reply", "reasons"),
    [
        pytest.param(Reply(LOGIN_PAGE, type="text/html"), {Reason.UNREADABLE}, id="a login page"),
        pytest.param(Reply(LOGIN_PAGE, type=""), {Reason.UNREADABLE}, id="an unmarked login page"),
        pytest.param(Reply(b"", type=""), {Reason.UNREADABLE}, id="an empty answer"),
        pytest.param(Reply(b"{}", type="application/json"), {Reason.UNREADABLE}, id="an empty {}"),
        pytest.param(Reply(b"[1]", type="application/json"), {Reason.UNREADABLE}, id="a list"),
        pytest.param(Reply(fault="reset"), {Reason.UNREACHABLE}, id="a reset"),
        pytest.param(Reply(fault="fin"), {Reason.UNREACHABLE}, id="a hang-up"),
        pytest.param(Reply(b"<a", fault="truncate"), {Reason.UNREACHABLE}, id="a torn answer"),
        pytest.param(
            Reply(LOGIN_PAGE, 404, type="text/html"), {Reason.UNREADABLE}, id="a page with 404"
        ),
        pytest.param(
            Reply(LOGIN_PAGE, 500, type="text/html"),
            {Reason.UNREACHABLE, Reason.UNREADABLE},
            id="a page with 500",
        ),
    ],
)
async def test_no_broken_answer_is_an_empty_list(
    protocol: str, reply: Reply, reasons: set[Reason], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws, "_RETRIED", 1)
    if protocol == "s3" and reply.status == 200:
        reasons = {*reasons, Reason.UNREACHABLE}  # botocore calls a 200 without XML a 500 of S3
    assert (await asked(protocol, reply)).reason in reasons


@pytest.mark.parametrize("protocol", ASKED)
async def test_a_hanging_service_times_out(protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "_RETRIED", 1)
    monkeypatch.setattr(aws_clients, "READ_TIMEOUT", 0.05)
    assert (await asked(protocol, Reply(fault="hang"))).reason is Reason.TIMEOUT


async def test_a_closed_port_is_unreachable() -> None:
    async with stubbed() as stub:
        port = stub.port
    stub.port = port
    async with reading(stub) as session:
        with pytest.raises(BlindError, match="cannot be reached") as caught:
            await session.identity()
    assert caught.value.reason is Reason.UNREACHABLE
    assert "endpoint_url" in caught.value.hint


async def test_an_answer_without_the_promised_member_is_unreadable() -> None:
    reply = Reply(xml("DescribeLoadBalancers", ""))
    found = await asked("query", reply)
    assert found.reason is Reason.UNREADABLE
    assert "LoadBalancers" in found.message


@pytest.mark.parametrize(
    ("message", "said"),
    [
        pytest.param(
            "User: arn:aws:iam::1:user/eve is not authorized to perform: ecs:DescribeServices on"
            " resource: arn:aws:ecs:us-east-1:1:service/shop/web because no identity-based policy"
            " allows the ecs:DescribeServices action",
            "not permitted: ecs:DescribeServices on arn:aws:ecs:us-east-1:1:service/shop/web for"
            " arn:aws:iam::1:user/eve (no identity-based policy allows the ecs:DescribeServices"
            " action)",
            id="identity policy",
        ),
        pytest.param(
            "User: arn:aws:iam::1:user/eve is not authorized to perform: elasticloadbalancing:"
            "DescribeTargetHealth with an explicit deny in a service control policy",
            "not permitted: elasticloadbalancing:DescribeTargetHealth for arn:aws:iam::1:user/eve"
            " (an explicit deny in a service control policy)",
            id="organisation",
        ),
        pytest.param(
            "You are not authorized to perform this operation.",
            "not permitted: elasticloadbalancing:DescribeTargetHealth",
            id="no detail",
        ),
    ],
)
def test_a_denial_names_action_resource_principal_and_kind(message: str, said: str) -> None:
    assert aws_errors.denied(message, CALL).message == said


@pytest.mark.parametrize(
    ("error", "reason", "hint"),
    [
        (boto.NoCredentialsError(), Reason.MISCONFIGURED, "aws sso login --profile prod-readonly"),
        (boto.UnauthorizedSSOTokenError(), Reason.EXPIRED, "aws sso login --profile prod-readonly"),
        (boto.SSOTokenLoadError(error_msg="x"), Reason.EXPIRED, "aws sso login"),
        (boto.TokenRetrievalError(provider="sso", error_msg="x"), Reason.EXPIRED, "aws sso login"),
        (
            boto.CredentialRetrievalError(provider="process", error_msg="exit 1"),
            Reason.EXPIRED,
            "aws sso login",
        ),
        (boto.ProfileNotFound(profile="prod-readonly"), Reason.MISCONFIGURED, "--profile prod"),
        (boto.ParamValidationError(report="Missing"), Reason.MISCONFIGURED, ""),
        (boto.NoRegionError(), Reason.MISCONFIGURED, ""),
        (boto.ConnectTimeoutError(endpoint_url="x", error=None), Reason.UNREACHABLE, ""),
        (boto.ReadTimeoutError(endpoint_url="x", error=None), Reason.TIMEOUT, ""),
        (boto.SSLError(endpoint_url="x", error=OSError("expired")), Reason.UNREACHABLE, ""),
        (boto.HTTPClientError(error=OSError("bad label")), Reason.UNREACHABLE, ""),
        (boto.MetadataRetrievalError(error_msg="x"), Reason.UNREACHABLE, ""),
        (ResponseParserError("invalid XML"), Reason.UNREADABLE, ""),
        (KeyError("DescribeLoadBalancersResult"), Reason.UNREADABLE, ""),
        (AttributeError("'list' object has no attribute 'get'"), Reason.UNREADABLE, ""),
        (ValueError("Invalid endpoint: nonsense"), Reason.MISCONFIGURED, "endpoint_url"),
        (TimeoutError(), Reason.TIMEOUT, ""),
        (aiohttp.ClientError("gone"), Reason.UNREACHABLE, ""),
        (OSError("no route"), Reason.UNREACHABLE, ""),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_on_this_side_is_one_reason_with_what_to_type(
    error: Exception, reason: Reason, hint: str
) -> None:
    found = aws_errors.blind(error, CALL)
    assert found.reason is reason
    assert hint in found.hint


def test_health_that_is_not_available_is_never_nothing_healthy() -> None:
    answer = {
        "Error": {"Code": "HealthUnavailableException", "Message": ""},
        "ResponseMetadata": {"HTTPStatusCode": 500},
    }
    assert aws_errors.from_answer(answer, CALL).reason is Reason.UNREACHABLE


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (AwsCall("ecs", "X", "r", "prod"), "aws sso login --profile prod"),
        (AwsCall("ecs", "X", "r"), "aws sso login, or set AWS_PROFILE"),
        (AwsCall("ecs", "X", "r", keys=True), "renew the keys"),
    ],
    ids=["profile", "nothing", "keys"],
)
def test_expired_credentials_are_told_with_what_to_type(
    call: aws_errors.AwsCall, words: str
) -> None:
    answer = {"Error": {"Code": "ExpiredToken", "Message": "x"}}
    assert words in aws_errors.from_answer(answer, call).hint


LOGIN = """
[profile console]
login_session = arn:aws:iam::123456789012:user/ann
[profile deploy]
role_arn = arn:aws:iam::123456789012:role/deploy
source_profile = console
[profile circle]
source_profile = circle
[profile sso]
sso_session = corp
"""


@pytest.mark.parametrize(
    ("profile", "told"),
    [
        ("console", "export-credentials --profile console --format process"),
        ("deploy", "export-credentials --profile console --format process"),
        ("circle", "aws sso login --profile circle"),
        ("sso", "aws sso login --profile sso"),
        ("nobody", "aws sso login --profile nobody"),
    ],
)
def test_a_profile_of_aws_login_is_told_how_it_can_be_used(
    profile: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text(LOGIN)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    call = AwsCall("ecs", "X", "r", profile)
    assert told in aws_errors.blind(boto.NoCredentialsError(), call).hint
    (tmp_path / "config").write_text("[profile")
    assert "aws sso login" in aws_errors.blind(boto.NoCredentialsError(), call).hint


@pytest.mark.parametrize(
    ("host", "hint"),
    [
        ("ecs.eu-west-1.amazonaws.com", "AWS Health Dashboard"),
        ("vpce-1.example.test", "a deleted resource"),
    ],
)
def test_an_endpoint_of_aws_without_an_address_was_not_deleted(host: str, hint: str) -> None:
    beneath = BlindError(
        Reason.UNREACHABLE,
        f"{host}: no such name",
        hint="a wrong name, a deleted resource",
        code="NET_DNS_NXDOMAIN",
    )
    error = boto.EndpointConnectionError(endpoint_url=host, error=beneath)
    assert hint in aws_errors.blind(error, CALL).hint


def test_what_the_library_warns_of_is_no_traceback_on_the_terminal() -> None:
    script = (
        "import logging, cockpit.connect.aws.sessions\n"
        "try: raise ValueError('a token that ended')\n"
        "except ValueError: logging.getLogger('aiobotocore.tokens').warning('x', exc_info=True)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert ended.stderr == ""


async def test_a_name_that_does_not_resolve_is_unreachable_and_never_left() -> None:
    from cockpit.connect.aws.session import open_aws, open_aws_acts
    from tests.core.aws_stub import place

    where = place(1, endpoint_url="http://nowhere.invalid:1")
    session, acts = await open_aws(where), await open_aws_acts(where)
    try:
        for asked in (session.identity(), acts.run("ecs.DeleteCluster", {"cluster": "x"})):
            with pytest.raises(BlindError, match=r"nowhere\.invalid") as caught:
                await asked
            assert caught.value.reason in {Reason.UNREACHABLE, Reason.TIMEOUT}
            assert caught.value.code == ""
    finally:
        await session.close()
        await acts.close()


async def test_a_host_name_is_resolved_and_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolved(host: str) -> tuple[str, ...]:
        return ("127.0.0.1",)

    monkeypatch.setattr(aws_sessions, "addresses_of", resolved)
    async with stubbed() as stub:
        stub.reply('{"clusterArns": []}', type="application/x-amz-json-1.1")
        endpoint = f"http://aws.example.test:{stub.port}"
        async with reading(stub, endpoint_url=endpoint) as session:
            await session.read("ecs", "ListClusters", expect="clusterArns")
        assert stub.requests[0].headers["host"].startswith("aws.example.test")


def test_text_of_a_service_is_made_harmless() -> None:
    answer = {"Error": {"Code": "ValidationError", "Message": "\x1b[2Jgone‮"}}
    assert "\x1b" not in aws_errors.from_answer(answer, CALL).message


def test_a_blind_error_is_passed_through() -> None:
    error = BlindError(Reason.MISSING, "no")
    assert aws_errors.blind(error, CALL) is error


def test_this_machine_without_file_descriptors_is_no_fault_of_aws() -> None:
    beneath = OSError(errno.EMFILE, "Too many open files")
    error = boto.EndpointConnectionError(endpoint_url="https://ecs.test", error=beneath)
    told = aws_errors.blind(error, AwsCall("ecs", "X", "r", ""))
    assert "no file descriptor left" in told.message
    assert told.reason is Reason.UNREADABLE
