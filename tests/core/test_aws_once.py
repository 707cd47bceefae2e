"""A request leaves once at the transport: aiohttp's own repeats are off, and redirects end here."""

from __future__ import annotations

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


async def acted(stub: Stub, *calls: tuple[str, dict]) -> list[object]:
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
