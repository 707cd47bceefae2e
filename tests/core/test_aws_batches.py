"""Many ask one by one; few calls leave; each gets its own answer or its own error."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

from cockpit.connect.aws import batches
from cockpit.connect.aws.batched import BATCHES
from cockpit.connect.aws.paging import paging_of
from cockpit.connect.aws.session import Aws
from cockpit.connect.shared import AnswerToCome
from cockpit.errors import BlindError, ListTooLong, Reason
from tests.core.aws_stub import (
    Reply,
    Request,
    error,
    group_arn,
    groups_answer,
    members,
    reading,
    stubbed,
    tag,
    xml,
)
from tests.patience import at_most, until


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCKPIT_TEST_KEY", "testing-key")


def groups(*, bad: frozenset[str] = frozenset()) -> Callable[[Request], Reply]:
    """Answers DescribeTargetGroups as AWS does: one unknown ARN spoils the whole call."""

    def answer(request: Request) -> Reply:
        arns = request.listed("TargetGroupArns")
        if bad.intersection(arns):
            return Reply(error("TargetGroupNotFound", "One or more target groups not found"), 400)
        return Reply(groups_answer(arns))

    return answer


async def asked(session: Aws, numbers: Iterable[int]) -> list[Any]:
    found: list[Any] = await asyncio.gather(
        *(
            session.item("elbv2", "DescribeTargetGroups", key=group_arn(number))
            for number in numbers
        ),
        return_exceptions=True,
    )
    return found


@pytest.mark.parametrize(
    ("many", "calls"), [(0, 0), (1, 1), (10, 1), (11, 1), (20, 1), (21, 2), (100, 5), (101, 6)]
)
async def test_twenty_target_groups_are_one_call(many: int, calls: int) -> None:
    async with stubbed() as stub, reading(stub) as session:
        stub.answer = groups()
        found = await asked(session, range(many))
    assert [each["TargetGroupArn"] for each in found] == [group_arn(n) for n in range(many)]
    assert len(stub.requests) == calls


async def test_names_and_arns_are_asked_apart_and_matched_each() -> None:
    def answer(request: Request) -> Reply:
        names, arns = request.listed("Names"), request.listed("TargetGroupArns")
        assert not (names and arns)
        wanted = arns or [group_arn(int(name.removeprefix("tg"))) for name in names]
        return Reply(groups_answer(wanted))

    async with stubbed() as stub, reading(stub) as session:
        stub.answer = answer
        found = await asyncio.gather(
            session.item("elbv2", "DescribeTargetGroups", key="tg7"),
            session.item("elbv2", "DescribeTargetGroups", key=group_arn(8)),
        )
    assert [each["TargetGroupName"] for each in found] == ["tg7", "tg8"]


async def test_one_bad_id_does_not_spoil_the_others_and_is_asked_alone_from_then_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cockpit.connect.shared.FRESH", 0.0)
    bad = frozenset({group_arn(3)})
    async with stubbed() as stub, reading(stub) as session:
        stub.answer = groups(bad=bad)
        found = await asked(session, range(5))
        assert [isinstance(each, BlindError) for each in found] == [False] * 3 + [True, False]
        assert found[3].reason is Reason.MISSING
        assert len(stub.requests) == 1 + 5
        stub.requests.clear()
        await asked(session, range(5))
        assert sorted(len(r.listed("TargetGroupArns")) for r in stub.requests) == [1, 4]
        stub.answer = groups()
        assert not any(isinstance(each, BlindError) for each in await asked(session, range(5)))
        stub.requests.clear()
        await asked(session, range(5))
        assert [len(r.listed("TargetGroupArns")) for r in stub.requests] == [5]


async def test_when_all_are_bad_the_call_is_not_split_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cockpit.connect.shared.FRESH", 0.0)
    async with stubbed() as stub, reading(stub) as session:
        stub.reply(error("AccessDenied"), 403)
        found = await asked(session, range(5))
        assert {each.reason for each in found} == {Reason.DENIED}
        assert len(stub.requests) == 1 + 5
        stub.requests.clear()
        await asked(session, range(5))
        assert len(stub.requests) == 1


async def test_a_failure_that_is_not_of_one_id_is_everybodys() -> None:
    async with stubbed() as stub, reading(stub) as session:
        stub.reply(error("ExpiredToken"), 403)
        found = await asked(session, range(5))
    assert {each.reason for each in found} == {Reason.EXPIRED}
    assert len(stub.requests) == 1


async def test_an_id_that_is_left_out_of_the_answer_is_missing() -> None:
    async with stubbed() as stub, reading(stub) as session:
        stub.answer = lambda _: Reply(groups_answer([group_arn(0)]))
        found = await asked(session, range(2))
    assert found[0]["TargetGroupArn"] == group_arn(0)
    assert found[1].reason is Reason.MISSING


def services(request: Request) -> Reply:
    """DescribeServices: unknown ones come in `failures`."""
    asked_for = request.json
    good = [name for name in asked_for["services"] if not name.startswith("gone")]
    body = {
        "services": [
            {"serviceName": name, "serviceArn": f"arn:aws:ecs:r:1:service/{name}"} for name in good
        ],
        "failures": [
            {"arn": f"arn:aws:ecs:r:1:service/{asked_for['cluster']}/{name}", "reason": "MISSING"}
            for name in asked_for["services"]
            if name.startswith("gone")
        ],
    }
    return Reply(json.dumps(body), type="application/x-amz-json-1.1")


@pytest.mark.parametrize(("many", "calls"), [(1, 1), (10, 1), (11, 2), (100, 10), (101, 11)])
async def test_ten_services_of_a_cluster_are_one_call(many: int, calls: int) -> None:
    async with stubbed() as stub, reading(stub) as session:
        stub.answer = services
        found: list[Any] = await asyncio.gather(
            *(
                session.item("ecs", "DescribeServices", key=f"web{n}", cluster="shop")
                for n in range(many)
            )
        )
    assert [each["serviceName"] for each in found] == [f"web{n}" for n in range(many)]
    assert len(stub.requests) == calls


async def test_what_never_changes_is_asked_once_in_the_life_of_a_session() -> None:
    def revisions(request: Request) -> Reply:
        arns = request.json["serviceRevisionArns"]
        found = [{"serviceRevisionArn": arn} for arn in arns if "gone" not in arn]
        lost = [{"arn": arn, "reason": "MISSING"} for arn in arns if "gone" in arn]
        body = json.dumps({"serviceRevisions": found, "failures": lost})
        return Reply(body, type="application/x-amz-json-1.1")

    base = "arn:aws:ecs:us-east-1:123456789012:service-revision/shop/web/"
    async with stubbed() as stub, reading(stub) as session:
        stub.answer = revisions
        for _ in range(3):
            session.forget()
            ends: list[Any] = await asyncio.gather(
                *(
                    session.item("ecs", "DescribeServiceRevisions", key=f"{base}{name}")
                    for name in ("1", "2", "gone")
                ),
                return_exceptions=True,
            )
            assert [each["serviceRevisionArn"] for each in ends[:2]] == [f"{base}1", f"{base}2"]
            assert ends[2].reason is Reason.MISSING
    asked_for = [request.json["serviceRevisionArns"] for request in stub.requests]
    assert asked_for == [[f"{base}1", f"{base}2", f"{base}gone"], [f"{base}gone"], [f"{base}gone"]]


async def test_services_of_two_clusters_are_two_calls_and_a_failure_is_one_services() -> None:
    async with stubbed() as stub, reading(stub) as session:
        stub.answer = services
        found: Sequence[Any] = await asyncio.gather(
            session.item("ecs", "DescribeServices", key="web", cluster="shop"),
            session.item("ecs", "DescribeServices", key="gone", cluster="shop"),
            session.item("ecs", "DescribeServices", key="web", cluster="back"),
            return_exceptions=True,
        )
    assert len(stub.requests) == 2
    assert found[1].reason is Reason.MISSING
    assert found[0]["serviceName"] == found[2]["serviceName"] == "web"


async def test_databases_are_asked_by_a_filter_that_takes_names_and_arns() -> None:
    def answer(request: Request) -> Reply:
        wanted = request.listed("Filters.Filter.1.Values.Value")
        assert request.form["MaxRecords"] == ["100"]
        rows = [
            tag("DBInstance", tag("DBInstanceIdentifier", name))
            for name in wanted
            if name != "gone"
        ]
        return Reply(xml("DescribeDBInstances", tag("DBInstances", "".join(rows))))

    async with stubbed() as stub, reading(stub) as session:
        stub.answer = answer
        found: list[Any] = await asyncio.gather(
            *(
                session.item("rds", "DescribeDBInstances", key=key)
                for key in ("orders", "Catalog", "gone")
            ),
            return_exceptions=True,
        )
        by_arn = await session.item(
            "rds", "DescribeDBInstances", key="arn:aws:rds:us-east-1:1:db:Orders"
        )
    assert [each["DBInstanceIdentifier"] for each in found[:2]] == ["orders", "catalog"]
    assert found[2].reason is Reason.MISSING
    assert by_arn["DBInstanceIdentifier"] == "orders"


async def test_caches_are_asked_by_name_when_one_is_wanted_and_listed_when_several_are() -> None:
    def answer(request: Request) -> Reply:
        wanted = request.form.get("ReplicationGroupId")
        names = wanted or ["a", "b", "c"]
        marker = request.form.get("Marker")
        rows = [
            tag("ReplicationGroup", tag("ReplicationGroupId", name))
            for name in (names[2:] if marker else names[:2])
        ]
        more = "" if marker or wanted else tag("Marker", "m")
        inner = tag("ReplicationGroups", "".join(rows)) + more
        return Reply(xml("DescribeReplicationGroups", inner))

    async with stubbed() as stub, reading(stub) as session:
        stub.answer = answer
        one = await session.item("elasticache", "DescribeReplicationGroups", key="a")
        assert stub.requests[0].form["ReplicationGroupId"] == ["a"]
        found: list[Any] = await asyncio.gather(
            *(
                session.item("elasticache", "DescribeReplicationGroups", key=key)
                for key in ("b", "c", "d")
            ),
            return_exceptions=True,
        )
    assert one["ReplicationGroupId"] == "a"
    assert [each["ReplicationGroupId"] for each in found[:2]] == ["b", "c"]
    assert found[2].reason is Reason.MISSING
    assert len(stub.requests) == 3


async def test_items_of_another_kind_are_unreadable_not_absent() -> None:
    async with stubbed() as stub, reading(stub) as session:
        stub.reply(json.dumps({"services": [None]}), type="application/x-amz-json-1.1")
        with pytest.raises(BlindError, match="services is not") as caught:
            await session.item("ecs", "DescribeServices", key="web", cluster="shop")
    assert caught.value.reason is Reason.UNREADABLE


async def test_a_table_is_one_call() -> None:
    def answer(request: Request) -> Reply:
        return Reply(
            json.dumps({"Table": {"TableName": request.json["TableName"]}}),
            type="application/x-amz-json-1.0",
        )

    async with stubbed() as stub, reading(stub) as session:
        stub.answer = answer
        found: list[Any] = await asyncio.gather(
            *(session.item("dynamodb", "DescribeTable", key=key) for key in ("a", "b", "a"))
        )
    assert [each["TableName"] for each in found] == ["a", "b", "a"]
    assert len(stub.requests) == 2


async def test_identical_reads_share_one_call_for_two_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with stubbed() as stub, reading(stub) as session:
        stub.reply(xml("DescribeTargetHealth", tag("TargetHealthDescriptions", "")))

        async def read() -> object:
            return await session.read(
                "elbv2",
                "DescribeTargetHealth",
                expect="TargetHealthDescriptions",
                TargetGroupArn="a",
            )

        await asyncio.gather(read(), read(), read())
        await read()
        assert len(stub.requests) == 1
        monkeypatch.setattr("cockpit.connect.shared.FRESH", 0.0)
        await read()
        assert len(stub.requests) == 2


async def test_after_a_change_nothing_that_was_read_before_is_given() -> None:
    async with stubbed() as stub, reading(stub) as session:
        stub.answer = groups()
        await asked(session, [1])
        await asked(session, [1])
        assert len(stub.requests) == 1
        session.forget()
        await asked(session, [1])
        assert len(stub.requests) == 2


async def test_an_asker_that_leaves_does_not_take_the_call_from_the_others() -> None:
    release = asyncio.Event()

    async def answer(request: Request) -> Reply:
        await release.wait()
        return Reply(groups_answer(request.listed("TargetGroupArns")))

    async with stubbed() as stub, reading(stub) as session:
        stub.answer = answer
        tasks = [asyncio.create_task(asked(session, [n])) for n in (1, 2)]
        same = asyncio.create_task(asked(session, [1]))
        await until(lambda: stub.in_flight)
        tasks[0].cancel()
        release.set()
        assert (await same)[0]["TargetGroupName"] == "tg1"
        assert (await tasks[1])[0]["TargetGroupName"] == "tg2"
        assert len(stub.requests) == 1


@pytest.mark.parametrize("kind", ["item", "read"])
async def test_when_the_last_asker_leaves_the_call_is_given_up_and_its_seat_is_free(
    kind: str,
) -> None:
    async with stubbed() as stub, reading(stub, max_concurrency=1) as session:
        stub.reply(fault="hang")

        async def ask() -> object:
            if kind == "item":
                return await session.item("elbv2", "DescribeTargetGroups", key=group_arn(1))
            return await session.read("elbv2", "DescribeTargetHealth", TargetGroupArn="x")

        first = asyncio.create_task(ask())
        await until(lambda: stub.in_flight)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        stub.answer = groups()
        async with asyncio.timeout(at_most(15)):
            found = await session.item("elbv2", "DescribeTargetGroups", key=group_arn(1))
    assert found["TargetGroupName"] == "tg1"


async def test_closing_is_instant_and_ends_every_asker_with_a_reason() -> None:
    async with stubbed() as stub, reading(stub) as session:
        stub.reply(fault="hang")
        tasks = [
            asyncio.create_task(session.item("elbv2", "DescribeTargetGroups", key=group_arn(1))),
            asyncio.create_task(session.read("ecs", "ListClusters")),
            asyncio.create_task(session.pages("ecs", "ListServices", key="serviceArns")),
        ]
        await until(lambda: stub.in_flight == 3)
        async with asyncio.timeout(at_most(15)):  # the server hangs for an hour
            await session.close()
            ends: list[Any] = await asyncio.gather(*tasks, return_exceptions=True)
        assert {end.reason for end in ends} == {Reason.UNREACHABLE}
        with pytest.raises(BlindError, match="closed"):
            await session.read("ecs", "ListClusters")


async def test_no_more_calls_fly_than_the_place_allows() -> None:
    async def answer(_: object) -> Reply:
        await asyncio.sleep(0.01)
        return Reply(xml("DescribeTargetHealth", tag("TargetHealthDescriptions", "")))

    async with stubbed() as stub, reading(stub, max_concurrency=3) as session:
        stub.answer = answer
        reads = [
            asyncio.create_task(
                session.read("elbv2", "DescribeTargetHealth", TargetGroupArn=str(n))
            )
            for n in range(12)
        ]
        await until(lambda: session.waiting.get("elbv2"))
        await asyncio.gather(*reads)
    assert stub.widest == 3


@pytest.mark.parametrize("many", [0, 1, 10, 11, 100, 101])
async def test_pages_are_followed_to_the_end(many: int) -> None:
    arns = [group_arn(n) for n in range(many)]

    def answer(request: Request) -> Reply:
        start = int(request.form.get("Marker", ["0"])[0])
        end = start + 10
        rows = [tag("TargetGroupArn", arn) for arn in arns[start:end]]
        more = tag("NextMarker", end) if end < len(arns) else ""
        return Reply(xml("DescribeTargetGroups", tag("TargetGroups", members(rows)) + more))

    async with stubbed() as stub, reading(stub) as session:
        stub.answer = answer
        found = await session.pages("elbv2", "DescribeTargetGroups", key="TargetGroups")
    assert list(found) == [{"TargetGroupArn": arn} for arn in arns]
    assert len(stub.requests) == max(1, -(-many // 10))


@pytest.mark.parametrize(
    ("service", "operation", "tokens"),
    [
        ("elbv2", "DescribeTargetGroups", ("Marker",)),
        ("wafv2", "ListWebACLs", ("NextMarker",)),
        ("s3control", "ListAccessPoints", ("NextToken",)),
        ("apigatewayv2", "GetVpcLinks", ("NextToken",)),
        ("dynamodb", "ListBulkOperations", ("NextToken",)),
        ("ecs", "ListServiceDeployments", ("nextToken",)),
        ("sts", "GetCallerIdentity", None),
    ],
)
async def test_lists_go_on_where_botocore_has_no_paginator_too(
    service: str, operation: str, tokens: tuple[str, ...] | None
) -> None:
    found = await paging_of(service, operation)
    assert (found and found.inputs) == tokens


async def test_pages_that_never_end_and_pages_beyond_the_limit_are_unreadable() -> None:
    async with stubbed() as stub, reading(stub) as session:
        inner = tag("TargetGroups", members([tag("TargetGroupArn", "a")])) + tag("NextMarker", "m")
        stub.reply(xml("DescribeTargetGroups", inner))
        with pytest.raises(BlindError, match="repeats a page") as caught:
            await session.pages("elbv2", "DescribeTargetGroups", key="TargetGroups")
        assert caught.value.reason is Reason.UNREADABLE
        rows = members([tag("TargetGroupArn", str(n)) for n in range(11)])
        stub.reply(xml("DescribeTargetGroups", tag("TargetGroups", rows)))
        with pytest.raises(ListTooLong, match="more than 10 TargetGroups in") as caught:
            await session.pages("elbv2", "DescribeTargetGroups", key="TargetGroups", most=10)
        assert "proxy" not in caught.value.hint


async def test_a_page_without_the_member_is_unreadable_not_the_end() -> None:
    def answer(request: Request) -> Reply:
        if "Marker" in request.form:
            return Reply(xml("DescribeTargetGroups", ""))
        inner = tag("TargetGroups", members([tag("TargetGroupArn", "a")])) + tag("NextMarker", "m")
        return Reply(xml("DescribeTargetGroups", inner))

    async with stubbed() as stub, reading(stub) as session:
        stub.answer = answer
        with pytest.raises(BlindError) as caught:
            await session.pages("elbv2", "DescribeTargetGroups", key="TargetGroups")
    assert caught.value.reason is Reason.UNREADABLE


async def test_what_cannot_be_batched_and_an_empty_id_are_told() -> None:
    async with stubbed() as stub, reading(stub) as session:
        with pytest.raises(BlindError, match="item by item"):
            await session.item("ecs", "ListClusters", key="x")
        with pytest.raises(BlindError, match="the id is empty"):
            await session.item("ecs", "DescribeServices", key="", cluster="shop")
    assert stub.requests == []


def test_every_batch_is_of_an_allowed_read() -> None:
    from cockpit.connect.aws import reads

    for name in BATCHES:
        service, _, operation = name.partition(".")
        assert reads.is_read(service, operation), name


async def test_a_batch_that_grows_is_let_wait_and_not_for_ever() -> None:
    batch = BATCHES["ecs.DescribeServices"]
    group = batches._Group("ecs", "DescribeServices", batch, {})
    told = []
    for n in range(batches._CHECKS + 1):
        group.waiting[f"s{n}"] = AnswerToCome(asyncio.get_running_loop().create_future())
        told.append(group.grows())
    assert told == [True] * (batches._CHECKS - 1) + [False, False]
    group.seen = group.checks = 0
    assert [group.grows(), group.grows()] == [True, False], "nobody came meanwhile"


async def test_items_come_out_of_the_list_that_somebody_asks_for_in_the_same_moment() -> None:
    """What the list leaves out is asked for: it may be newer than the list."""

    def answer(request: Request) -> Reply:
        arns = request.listed("TargetGroupArns")
        return Reply(groups_answer(arns or [group_arn(n) for n in range(30)]))

    async with stubbed() as stub, reading(stub) as session:
        stub.answer = answer
        listed, found = await asyncio.gather(
            session.pages("elbv2", "DescribeTargetGroups", key="TargetGroups"),
            asked(session, [*range(25), 99]),
        )
        assert len(listed) == 30
        assert [each["TargetGroupArn"] for each in found] == [
            group_arn(n) for n in (*range(25), 99)
        ]
        assert [len(request.listed("TargetGroupArns")) for request in stub.requests] == [0, 1]
        session.forget()
        await asked(session, [3])
        assert len(stub.requests) == 3, "nothing that was read before a change is given after it"


async def test_a_list_that_fails_takes_no_item_with_it() -> None:
    def answer(request: Request) -> Reply:
        arns = request.listed("TargetGroupArns")
        return Reply(groups_answer(arns)) if arns else Reply(error("AccessDenied"), 403)

    async with stubbed() as stub, reading(stub) as session:
        stub.answer = answer
        denied, found = await asyncio.gather(
            session.pages("elbv2", "DescribeTargetGroups", key="TargetGroups"),
            asked(session, range(3)),
            return_exceptions=True,
        )
    assert isinstance(denied, BlindError)
    assert not isinstance(found, BaseException)
    assert [each["TargetGroupArn"] for each in found] == [group_arn(n) for n in range(3)]
