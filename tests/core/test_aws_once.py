"""A request leaves once at the transport: aiohttp's own repeats are off, and redirects end here."""

from __future__ import annotations

from typing import Any

import pytest

from cockpit.connect.aws.session import open_aws_acts
from cockpit.errors import BlindError, Reason, UnknownOutcome
from tests.core.aws_stub import Reply, Stub, place, reading, stubbed

JSON = "application/json"
PUT = ("lambda.PutFunctionConcurrency", {"FunctionName": "f", "ReservedConcurrentExecutions": 0})
DELETE = ("lambda.DeleteFunctionConcurrency", {"FunctionName": "f"})
POST = ("lambda.PublishVersion", {"FunctionName": "f"})
ACTS = [pytest.param(*PUT, id="PUT"), pytest.param(*DELETE, id="DELETE")]
ACTS += [pytest.param(*POST, id="POST")]
FAULTS = ["fin", "reset", "truncate"]
GOOD = Reply('{"FunctionName": "f"}', type=JSON)
OPERATION = ("lambda", "ListFunctions")


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCKPIT_TEST_KEY", "testing-key")


async def acted(stub: Stub, *calls: tuple[str, dict[str, Any]]) -> list[object]:
    """The ends of acts of one session, one after another."""
    acts = await open_aws_acts(place(stub.port))
    ends: list[object] = []
    try:
        for call, arguments in calls:
            try:
                ends.append(await acts.run(call, arguments))
            except (BlindError, UnknownOutcome) as error:
                ends.append(error)
    finally:
        await acts.close()
    return ends


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("call", "arguments"), ACTS)
async def test_an_act_that_is_hung_up_on_leaves_once_and_is_unknown(
    call: str, arguments: dict[str, str | int], fault: str
) -> None:
    async with stubbed() as stub:
        stub.answer = lambda _: Reply(b'{"a', fault=fault, type=JSON)
        (end,) = await acted(stub, (call, arguments))
        assert isinstance(end, UnknownOutcome)
        assert (len(stub.requests), stub.connections) == (1, 1)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("call", "arguments"), ACTS)
async def test_an_act_after_another_has_its_own_connection_and_leaves_once(
    call: str, arguments: dict[str, str | int], fault: str
) -> None:
    async with stubbed() as stub:
        stub.answer = lambda _: (
            GOOD if len(stub.requests) == 1 else Reply(b'{"a', fault=fault, type=JSON)
        )
        done, end = await acted(stub, POST, (call, arguments))
        assert isinstance(done, dict)
        assert isinstance(end, UnknownOutcome)
        assert (len(stub.requests), stub.connections) == (2, 2)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("before", [0, 1], ids=["fresh connection", "reused connection"])
async def test_a_read_leaves_as_often_as_it_is_configured_and_each_is_counted(
    before: int, fault: str
) -> None:
    async with stubbed() as stub, reading(stub) as session:
        stub.answer = lambda _: (
            Reply('{"Functions": []}', type=JSON)
            if len(stub.requests) <= before
            else Reply(b'{"a', fault=fault, type=JSON)
        )
        for _ in range(before):
            await session.call(*OPERATION, {}, "Functions")
        with pytest.raises(BlindError) as caught:
            await session.call(*OPERATION, {}, "Functions")
        assert caught.value.reason is Reason.UNREACHABLE
        assert len(stub.requests) == session.cost.api_calls == before + 2
        assert stub.connections == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(("call", "arguments"), ACTS)
async def test_an_act_follows_no_redirect(
    call: str, arguments: dict[str, str | int], status: int
) -> None:
    async with stubbed() as stub, stubbed() as elsewhere:
        there = {"Location": f"http://127.0.0.1:{elsewhere.port}/"}
        stub.answer = lambda _: Reply("", status, there)
        elsewhere.answer = lambda _: GOOD
        (end,) = await acted(stub, (call, arguments))
        assert isinstance(end, UnknownOutcome)
        assert (len(stub.requests), len(elsewhere.requests)) == (1, 0)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_read_follows_no_redirect_and_says_what_it_met(status: int) -> None:
    async with stubbed() as stub, stubbed() as elsewhere, reading(stub) as session:
        there = {"Location": f"http://127.0.0.1:{elsewhere.port}/"}
        stub.answer = lambda _: Reply("", status, there)
        elsewhere.answer = lambda _: Reply('{"Functions": []}', type=JSON)
        with pytest.raises(BlindError, match=f"HTTP {status}") as caught:
            await session.call(*OPERATION, {}, "Functions")
        assert caught.value.reason is Reason.UNREADABLE
        assert (len(stub.requests), len(elsewhere.requests)) == (1, 0)


BUCKET = ("s3.DeleteBucketWebsite", {"Bucket": "receipts"})
THERE = {"x-amz-bucket-region": "eu-west-1"}


def refused(code: str, inner: str = "") -> str:
    return f"<Error><Code>{code}</Code><Message>elsewhere</Message>{inner}</Error>"


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(refused("PermanentRedirect"), 301, THERE), id="a region by the header"),
        pytest.param(Reply(refused("PermanentRedirect"), 301), id="no region: the bucket is asked"),
        pytest.param(Reply(refused("TemporaryRedirect"), 307, THERE), id="a bucket that moves"),
        pytest.param(
            Reply(refused("AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>"), 400),
            id="signed for another region",
        ),
        pytest.param(
            Reply(refused("IllegalLocationConstraintException"), 400, THERE), id="an opt-in region"
        ),
    ],
)
async def test_an_act_on_a_bucket_of_another_region_leaves_once_and_was_not_done(
    reply: Reply,
) -> None:
    async with stubbed() as stub:
        stub.answer = lambda request: Reply("", 200, THERE) if request.method == "HEAD" else reply
        (end,) = await acted(stub, BUCKET)
        assert isinstance(end, BlindError)
        assert end.reason is Reason.MISCONFIGURED
        assert [request.method for request in stub.requests] == ["DELETE"]


async def test_a_read_of_a_bucket_of_another_region_finds_it_there() -> None:
    async with stubbed() as stub, reading(stub) as session:
        stub.answer = lambda _: (
            Reply(refused("PermanentRedirect"), 301, THERE)
            if len(stub.requests) == 1
            else Reply(
                "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
            )
        )
        answer = await session.read("s3", "GetBucketVersioning", Bucket="receipts")
        assert answer["Status"] == "Enabled"
        assert "/eu-west-1/" in stub.requests[1].headers["authorization"]
