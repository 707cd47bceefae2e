"""The thin path against aiobotocore's own, at every read: same request, same answer, same error."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

import pytest
from aiobotocore.awsrequest import AioAWSResponse
from botocore import xform_name
from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import ConnectionClosedError
from botocore.model import (
    ListShape,
    MapShape,
    OperationModel,
    Shape,
    StringShape,
    StructureShape,
)
from botocore.retries.standard import ExponentialBackoff
from moto.core.model import ServiceModel as MotoModel
from moto.core.serialize import SERIALIZERS

from cockpit.connect.aws import reads, thin
from cockpit.connect.aws.clients import ClientOptions, Clients, Hooks
from cockpit.connect.aws.errors import FAILURES
from cockpit.connect.aws.routes import handlers
from cockpit.connect.aws.sessions import LOADER
from cockpit.connect.aws.thin import ThinClient
from cockpit.connect.aws.transport import TooLarge
from cockpit.connect.settings import AwsSite
from cockpit.connect.shared import Tasks

AT = datetime(2026, 11, 21, 3, 0, 30, tzinfo=UTC)
ODD = "a b/ü%2F+&=~*'()\"<>"
STAY = {"s3", "s3control"}
"""Services whose reads are aiobotocore's: docs/decisions/0049."""
ALL = sorted(
    (service, operation)
    for table in (reads.ALLOW, reads.CONSENT)
    for service, operations in table.items()
    for operation in operations
)
REAL = {
    "StreamARN": "arn:aws:kinesis:us-east-1:123456789012:stream/orders",
    "TableName": "arn:aws:dynamodb:us-east-1:123456789012:table/orders",
}
"""Members that rules of endpoints read."""


@pytest.fixture(autouse=True)
def _fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCKPIT_TEST_KEY", "testing-key")
    monkeypatch.setattr(thin, "get_current_datetime", lambda: AT)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: AT)
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda self, context: 0)


class Raw:
    def __init__(self, body: bytes) -> None:
        self.body = body

    async def read(self) -> bytes:
        return self.body


class Wire:
    """What leaves a client, and what comes back; no server has the names that AWS's rules give."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, dict[str, str], bytes]] = []
        self.status, self.headers, self.body = 200, dict[str, str](), b""
        self.broken: Exception | None = None

    async def send(self, request: AWSPreparedRequest) -> AioAWSResponse:
        headers = {
            name.lower(): value.decode() if isinstance(value, bytes) else str(value)
            for name, value in request.headers.items()
            if name != "amz-sdk-invocation-id"
        }
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else bytes(body)
        self.sent.append((request.method, request.url, headers, body))
        if self.broken is not None:
            raise self.broken
        return AioAWSResponse(request.url, self.status, dict(self.headers), Raw(self.body))


def plain(value: object) -> object:
    """Elements of XML, which botocore gives on for a text that came twice, as text."""
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return ElementTree.tostring(value) if isinstance(value, ElementTree.Element) else value


def differing(ours: Any, theirs: Any, where: str = "") -> Iterator[str]:
    """Where two answers part, and how."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in sorted({*ours, *theirs}):
            yield from differing(ours.get(name), theirs.get(name), f"{where}.{name}")
    elif (
        isinstance(ours, list | tuple)
        and isinstance(theirs, list | tuple)
        and len(ours) == len(theirs)
    ):
        for number, pair in enumerate(zip(ours, theirs, strict=True)):
            yield from differing(*pair, f"{where}[{number}]")
    elif ours != theirs:
        yield f"{where}: ours {ours!r}, theirs {theirs!r}"


class Both:
    """A client by both of its ways."""

    def __init__(self, client: ThinClient) -> None:
        self.thin, self.client, self.wire = client, client.client, Wire()
        self.client._endpoint.http_session.send = self.wire.send
        self.model = self.client.meta.service_model

    async def by(
        self, way: str, operation: str, arguments: Mapping[str, object]
    ) -> tuple[Any, list[Any]]:
        self.wire.sent.clear()
        for handler in handlers(self.client, "needs-retry", self.model.operation_model(operation)):
            if quota := getattr(getattr(handler, "__self__", None), "_retry_quota", None):
                quota._quota.release(1000)
        try:
            if way == "thin":
                answer: Any = await self.thin.call(operation, arguments)
            else:
                answer = await getattr(self.client, xform_name(operation))(**arguments)
        except FAILURES as error:
            answer = type(error).__name__, str(error), plain(getattr(error, "response", None))
        return plain(answer), list(self.wire.sent)

    async def same(self, operation: str, arguments: Mapping[str, object]) -> tuple[Any, list[Any]]:
        """The answer and what was sent, which are the same by both."""
        theirs = await self.by("theirs", operation, arguments)
        ours = await self.by("thin", operation, arguments)
        assert ours == theirs, (operation, *differing(ours, theirs))
        return ours


@asynccontextmanager
async def clients(region: str = "us-east-1", **changes: Any) -> AsyncIterator[Clients]:
    """Clients of a place that is nowhere."""
    keys = "env:COCKPIT_TEST_KEY"
    place = AwsSite(name="x", region=region, access_key_id=keys, secret_access_key=keys, **changes)
    tasks = Tasks()
    made = Clients(
        place,
        ClientOptions(profile="", attempts=2, policy=None, session_name="x"),
        hooks=Hooks(
            guard=lambda service, operation: None,
            sending=lambda service: None,
            answered=lambda service, answer: None,
        ),
        tasks=tasks,
    )
    yield made
    tasks.cancel()
    await made.close()


def given(shape: Shape | None, name: str = "", *, all_of: bool, depth: int = 0) -> Any:
    """Arguments that botocore's validation takes: all members, or those that it wants."""
    match shape:
        case None:
            return {}
        case StructureShape():
            members = [*shape.members] if all_of and depth < 5 else [*shape.required_members]
            if shape.is_tagged_union:
                members = [*shape.members][:1]
            return {
                member: given(shape.members[member], member, all_of=all_of, depth=depth + 1)
                for member in members
            }
        case ListShape():
            many = max(shape.metadata.get("min", 0), 2 if all_of and depth < 5 else 0)
            return [given(shape.member, name, all_of=all_of, depth=depth + 1)] * many
        case MapShape():
            value = given(shape.value, name, all_of=all_of, depth=depth + 1)
            return {f"k{n}": value for n in range(max(shape.metadata.get("min", 0), int(all_of)))}
        case StringShape():
            text = REAL.get(name) or (shape.enum[0] if shape.enum else ODD if all_of else "x")
            return text.ljust(shape.metadata.get("min", 1), "x")
    kinds: dict[str, Any] = {"boolean": True, "blob": b"\x00x", "timestamp": AT, "double": 1.5}
    return kinds.get(shape.type_name, shape.metadata.get("min", 1))


def answered(shape: Shape | None, chance: random.Random, depth: int = 0) -> Any:
    """An answer of a shape, a part of its members missing."""
    match shape:
        case None:
            return {}
        case StructureShape():
            members = [each for each in shape.members if chance.random() < 0.8 and depth < 7]
            if shape.is_tagged_union:
                members = [*shape.members][:1]
            return {each: answered(shape.members[each], chance, depth + 1) for each in members}
        case ListShape():
            return [
                answered(shape.member, chance, depth + 1) for _ in range(chance.choice((0, 1, 3)))
            ]
        case MapShape():
            keys = [*shape.key.enum][:2] if getattr(shape.key, "enum", None) else ["k", ODD]
            return {key: answered(shape.value, chance, depth + 1) for key in keys}
        case StringShape():
            return chance.choice([*shape.enum, "no such word"] if shape.enum else ["", "x", ODD])
    kinds: dict[str, Any] = {"boolean": True, "blob": b"blob", "timestamp": AT, "double": 1.5}
    return kinds.get(shape.type_name, 7)


def serialized(model: OperationModel, chance: random.Random) -> tuple[dict[str, str], bytes]:
    """The octets of an answer as moto writes them for the protocol."""
    service = model.service_model
    of = MotoModel(
        LOADER.load_service_model(service.service_name, "service-2"), service.service_name
    )
    operation = of.operation_model(model.name)
    made = SERIALIZERS[service.resolved_protocol](operation).serialize(
        answered(model.output_shape, chance)
    )
    body = made["body"]
    headers = {name.lower(): str(value) for name, value in made["headers"].items()}
    return headers, body.encode() if isinstance(body, str) else body


def errors(model: OperationModel) -> Iterator[tuple[int, bytes]]:
    """Refusals in the words of each protocol, a modelled one among them; and what is none."""
    shape = next(iter(model.error_shapes), None)
    code = shape.metadata.get("error", {}).get("code", shape.name) if shape else "Throttling"
    inner = f"<Type>Sender</Type><Code>{code}</Code><Message>no ü</Message><message>x</message>"
    for text in (
        f"<ErrorResponse xmlns='http://aws/'><Error>{inner}</Error><RequestId>r</RequestId></ErrorResponse>",
        f"<Response><Errors><Error>{inner}</Error></Errors><RequestID>r</RequestID></Response>",
        f"<Error>{inner}<RequestId>r</RequestId></Error>",
        json.dumps({"__type": f"a.b#{code}", "message": "no", "reason": 1, "Resources": None}),
        json.dumps({"code": code, "Message": "no"}),
        "<html><body>captive</body></html>",
        "",
    ):
        yield 400, text.encode()
    yield 503, b"<html>no</html>"
    yield 301, b""


async def test_every_read_is_asked_and_understood_as_aiobotocore_does_it() -> None:
    async with clients() as made:
        for service, operation in ALL:
            both = Both(await made.reads(service))
            assert bool(both.thin.reason(operation)) == (service in STAY), operation
            if service in STAY:
                continue  # aiobotocore's code alone
            model = both.model.operation_model(operation)
            chance = random.Random(f"{service}.{operation}")
            least = given(model.input_shape, all_of=False)
            for seen in range(3):
                both.wire.headers, both.wire.body = serialized(model, chance)
                both.wire.headers["x-amzn-requestid"] = "r"
                arguments = given(model.input_shape, all_of=True) if seen else least
                await both.same(operation, arguments)
            for both.wire.status, both.wire.body in errors(model):
                both.wire.headers = {"x-amzn-requestid": "r", "x-amzn-query-error": "A.B;Sender"}
                await both.same(operation, least)


ELSEWHERE = [
    ("us-east-1", {"AWS_USE_FIPS_ENDPOINT": "true"}),
    ("us-east-1", {"AWS_USE_DUALSTACK_ENDPOINT": "true"}),
    ("eu-west-1", {"AWS_ENDPOINT_URL": "http://[::1]:4566/base"}),
    ("eu-west-1", {"AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2": "https://here.example:443"}),
    ("cn-north-1", {"AWS_ACCOUNT_ID_ENDPOINT_MODE": "required"}),
    ("us-gov-west-1", {"AWS_STS_REGIONAL_ENDPOINTS": "legacy"}),
    ("eu-central-1", {"AWS_SDK_UA_APP_ID": "shop", "AWS_AUTH_SCHEME_PREFERENCE": "sigv4a,sigv4"}),
]
ASKED = [
    ("elbv2", "DescribeTargetHealth"), ("sts", "GetCallerIdentity"), ("dynamodb", "DescribeTable"),
    ("iam", "GetRole"), ("cloudfront", "GetDistribution"), ("kinesis", "DescribeStreamSummary"),
    ("ecs", "DescribeServices"), ("health", "DescribeEvents"), ("events", "ListRules"),
    ("lambda", "GetFunctionConfiguration"), ("ec2", "DescribeInstances"), ("route53", "ListHostedZones"),
]  # fmt: skip


@pytest.mark.parametrize(("region", "environment"), ELSEWHERE)
async def test_settings_send_both_ways_to_the_same_place(
    monkeypatch: pytest.MonkeyPatch, region: str, environment: dict[str, str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    async with clients(region) as made:
        for service, operation in ASKED:
            both = Both(await made.reads(service))
            model = both.model.operation_model(operation)
            for all_of in (False, True):
                await both.same(operation, given(model.input_shape, all_of=all_of))


async def test_an_endpoint_of_the_configuration_and_a_token_are_signed_alike() -> None:
    async with clients(endpoint_url="http://127.0.0.1:4566") as made:
        both = Both(await made.reads("apigateway"))
        held = both.client._request_signer._credentials
        held.token = "a-token"
        (_, (sent, *_)) = await both.same("GetStages", {"restApiId": "a/../b c"})
        assert sent[1] == "http://127.0.0.1:4566/restapis/a%2F..%2Fb%20c/stages"
        assert sent[2]["x-amz-security-token"] == "a-token"


BODIES = [
    b"", b"{}", b"null", b"[]", b"<html>Please sign in</html>", b"<", b'{"services":[null,{}]}',
    b'{"services":[{"serviceName":null,"events":[{"createdAt":1.5}],"unknown":{"a":[1]}}]}',
    b'{"services":7}', b'{"services":[{"events":[{"createdAt":"yesterday"}]}]}',
    b"<R><DescribeTargetHealthResult/></R>",
    b"<R><!-- c --><DescribeTargetHealthResult>text<TargetHealthDescriptions/></DescribeTargetHealthResult></R>",
    b"<R><DescribeTargetHealthResult><TargetHealthDescriptions><member><Target><Id>i</Id><Id>j</Id><Port>1</Port>"
    b"<Other><Deep/></Other></Target><Target/></member><odd/></TargetHealthDescriptions><TargetHealthDescriptions/>"
    b"</DescribeTargetHealthResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></R>",
    b"<R><DescribeTargetHealthResult><TargetHealthDescriptions><member><Target><Port>x</Port></Target></member>"
    b"</TargetHealthDescriptions></DescribeTargetHealthResult></R>",
    b"<n:R xmlns:n='u'><n:DescribeTargetHealthResult><n:TargetHealthDescriptions><n:member><n:HealthCheckPort/>"
    b"</n:member></n:TargetHealthDescriptions></n:DescribeTargetHealthResult></n:R>",
    b'{"services":[' + b",".join([b'{"serviceName":"x"}'] * 20_000) + b"]}",
]  # fmt: skip


async def test_answers_that_are_none_and_large_ones_are_read_alike() -> None:
    async with clients() as made:
        for service, operation in [("elbv2", "DescribeTargetHealth"), ("ecs", "DescribeServices")]:
            both = Both(await made.reads(service))
            arguments = given(both.model.operation_model(operation).input_shape, all_of=False)
            for both.wire.status in (200, 300, 400, 500):
                for both.wire.body in BODIES:
                    await both.same(operation, arguments)


async def test_what_is_broken_on_the_way_ends_alike() -> None:
    async with clients() as made:
        both = Both(await made.reads("dynamodb"))
        arguments = {"TableName": "orders"}
        for both.wire.broken in (
            ConnectionClosedError(endpoint_url="x"),
            TooLarge("x"),
            OSError(9),
        ):
            await both.same("DescribeTable", arguments)
        both.wire.broken = None
        both.wire.headers, both.wire.body = {"x-amz-crc32": "1"}, b'{"Table":{}}'
        _, sent = await both.same("DescribeTable", arguments)
        assert len(sent) == 2, "a checksum that is wrong is asked for again"


async def test_what_the_thin_path_does_not_know_stays_with_aiobotocore() -> None:
    async with clients() as made:
        for event in (
            "before-sign",
            "request-created",
            "before-parse",
            "needs-retry",
            "choose-signer",
        ):
            both = Both(await made.reads("ecs"))
            client, seen = both.client, list[str]()
            client.meta.events.register(
                event, lambda event_name, seen=seen, **_: seen.append(event_name)
            )
            assert f"at {event}" in both.thin.reason("ListTasks")
            await both.by("thin", "ListTasks", {})
            assert seen, event
            made.renew()
            made._renewed_at = float("-inf")


async def test_a_signature_that_is_not_ours_is_aiobotocores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with clients() as made:
        both = Both(await made.reads("ecs"))

        async def bearer(*_: object) -> str:
            return "bearer"

        monkeypatch.setattr(both.client._request_signer, "_choose_signer", bearer)
        answer, sent = await both.same("ListTasks", {})
        assert answer[0] == "NoAuthTokenError"
        assert not sent


async def test_without_credentials_nothing_leaves() -> None:
    async with clients() as made:
        both = Both(await made.reads("ecs"))
        both.client._request_signer._credentials = both.thin._credentials = None
        answer, sent = await both.same("ListTasks", {})
        assert answer[0] == "NoCredentialsError"
        assert not sent


async def test_namespaces_that_a_server_makes_up_are_read_and_not_kept() -> None:
    async with clients() as made:
        both = Both(await made.reads("sts"))
        told = "<n:R xmlns:n='{0}'><n:GetCallerIdentityResult><n:Account>{0}</n:Account></n:GetCallerIdentityResult></n:R>"
        for number in range(50):
            both.wire.body = told.format(number).encode()
            answer, _ = await both.same("GetCallerIdentity", {})
            assert answer["Account"] == str(number)
        (reader,) = [
            read for shape, read in both.thin._parser._parser._readers.items()
            if shape.type_name == "structure"
        ]  # fmt: skip
        kept = [cell.cell_contents for cell in reader.__closure__ or ()]
        assert max(len(each) for each in kept if isinstance(each, dict)) <= 6
