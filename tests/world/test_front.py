"""The layer before moto: what each fault looks like to the clients that people use."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import aioboto3
import boto3
import botocore.exceptions as errors
import pytest
from aiobotocore.config import AioConfig
from botocore.config import Config

from cockpit.world import layout
from cockpit.world.faults import Fault
from tests.patience import at_most
from tests.world.conftest import FrontAtUrl

KEY = layout.key_of("commander")
CALLS = {
    "json": ("ecs", "list_account_settings"),
    "query": ("elbv2", "describe_load_balancers"),
    "ec2": ("ec2", "describe_vpcs"),
    "rest-json": ("lambda", "list_functions"),
    "rest-xml": ("s3", "list_buckets"),
}
CODES = {
    ("json", "throttled"): "ThrottlingException",
    ("json", "denied"): "AccessDeniedException",
    ("json", "expired"): "ExpiredTokenException",
    ("query", "throttled"): "Throttling",
    ("query", "denied"): "AccessDenied",
    ("query", "expired"): "ExpiredToken",
    ("ec2", "throttled"): "RequestLimitExceeded",
    ("ec2", "denied"): "UnauthorizedOperation",
    ("ec2", "expired"): "RequestExpired",
    ("rest-json", "throttled"): "TooManyRequestsException",
    ("rest-json", "denied"): "AccessDeniedException",
    ("rest-json", "expired"): "ExpiredTokenException",
    ("rest-xml", "throttled"): "SlowDown",
    ("rest-xml", "denied"): "AccessDenied",
    ("rest-xml", "expired"): "ExpiredToken",
}
READ = at_most(15)
HUNG = 1
"""Seconds of a client's patience: with a call that is answered, and with one that never is."""
CONNECTION = (
    errors.ConnectionClosedError,
    errors.EndpointConnectionError,
    errors.ResponseStreamingError,
    errors.IncompleteReadError,
)


def client(front: FrontAtUrl, service: str, key: str = KEY, attempts: int = 1) -> Any:
    config = Config(retries={"total_max_attempts": attempts}, read_timeout=READ, proxies={})
    return boto3.client(
        service,
        endpoint_url=front.url,
        region_name=layout.REGION,
        aws_access_key_id=key,
        aws_secret_access_key="x",
        config=config,
    )


def call(front: FrontAtUrl, protocol: str, key: str = KEY, attempts: int = 1) -> Any:
    service, operation = CALLS[protocol]
    return getattr(client(front, service, key, attempts), operation)()


async def call_async(front: FrontAtUrl, protocol: str, patience: float = READ) -> Any:
    service, operation = CALLS[protocol]
    config = AioConfig(retries={"total_max_attempts": 1}, read_timeout=patience, proxies={})
    session = aioboto3.Session(
        aws_access_key_id=KEY, aws_secret_access_key="x", region_name=layout.REGION
    )
    async with session.client(service, endpoint_url=front.url, config=config) as made:
        return await getattr(made, operation)()


@pytest.mark.parametrize("protocol", CALLS)
async def test_each_protocol_says_each_error_in_its_own_words(
    front: FrontAtUrl, protocol: str
) -> None:
    for condition in ("throttled", "denied", "expired"):
        front.faults.clear()
        front.faults.add(Fault(kind=condition))
        with pytest.raises(errors.ClientError) as caught:
            await asyncio.to_thread(call, front, protocol)
        assert caught.value.response["Error"]["Code"] == CODES[protocol, condition]
        with pytest.raises(errors.ClientError) as caught:
            await call_async(front, protocol)
        assert caught.value.response["Error"]["Code"] == CODES[protocol, condition]


@pytest.mark.parametrize("protocol", CALLS)
async def test_a_connection_that_is_cut_is_not_an_answer(front: FrontAtUrl, protocol: str) -> None:
    for kind in ("reset", "close"):
        front.faults.clear()
        front.faults.add(Fault(kind=kind))
        with pytest.raises(CONNECTION):
            await asyncio.to_thread(call, front, protocol)
        with pytest.raises(CONNECTION):
            await call_async(front, protocol)
    assert {call.outcome for call in front.calls.all()} == {"reset", "close"}


async def test_an_answer_that_is_cut_short_is_not_an_answer_either(front: FrontAtUrl) -> None:
    front.faults.add(Fault(kind="truncate"))
    with pytest.raises((*CONNECTION, errors.HTTPClientError)):
        await call_async(front, "json")


async def test_a_hang_ends_with_the_client_s_patience(front: FrontAtUrl) -> None:
    front.faults.add(Fault(kind="hang", seconds=120))
    with pytest.raises(errors.ReadTimeoutError):  # its end would be another error
        await call_async(front, "json", HUNG)


async def test_a_captive_portal_answers_everything_with_its_page(front: FrontAtUrl) -> None:
    front.faults.add(Fault(kind="html"))
    answer = await call_async(front, "json")
    assert set(answer) == {"ResponseMetadata"}
    assert answer["ResponseMetadata"]["HTTPHeaders"]["content-type"] == "text/html"
    assert front.calls.holes == ()


def test_so_often_and_then_normal_again(front: FrontAtUrl) -> None:
    call(front, "json")  # the emulator loads a service at its first call, for a second
    front.faults.add(Fault(kind="throttled", service="ecs", times=1))
    answer = call(front, "json", attempts=3)
    assert answer["ResponseMetadata"]["RetryAttempts"] == 1


class Waits(threading.Event):
    """Tells how long was waited for it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.asked.append(timeout)
        return super().wait(timeout)


def test_latency_delays_one_operation_and_no_other(
    front: FrontAtUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = Waits()
    monkeypatch.setattr(front.faults, "_ending", waits)
    front.faults.add(Fault(kind="latency", service="ecs", seconds=0.4, jitter=0.1))
    call(front, "ec2")
    assert waits.asked == []
    call(front, "json")
    (pause,) = waits.asked
    assert pause is not None
    assert 0.4 <= pause <= 0.5


def test_a_fault_may_be_for_one_account_only(front: FrontAtUrl) -> None:
    front.faults.add(Fault(kind="expired", who="billing"))
    call(front, "json")
    with pytest.raises(errors.ClientError, match="ExpiredToken"):
        call(front, "json", layout.key_of("billing"))


def test_a_stranger_s_key_is_refused(front: FrontAtUrl) -> None:
    with pytest.raises(errors.ClientError, match="UnrecognizedClientException"):
        call(front, "json", "AKIASTRANGER00000000")


def test_who_called_is_who_the_key_belongs_to(front: FrontAtUrl) -> None:
    from cockpit.world.answers.rest import identity

    front.answers["sts", "GetCallerIdentity"] = identity
    for role, account in (("triage", layout.ACCOUNT), ("billing", layout.BILLING_ACCOUNT)):
        said = client(front, "sts", layout.key_of(role)).get_caller_identity()
        assert said["Account"] == account
        assert said["Arn"].endswith(f"user/{layout.PRINCIPALS[role]}")


def test_an_operation_that_moto_lacks_is_a_hole_that_shows(front: FrontAtUrl) -> None:
    with pytest.raises((errors.ClientError, errors.BotoCoreError)):
        client(front, "cloudtrail").lookup_events()
    assert front.calls.holes == ("cloudtrail.LookupEvents",)


def test_every_call_is_written_down(front: FrontAtUrl) -> None:
    call(front, "ec2")
    with pytest.raises(errors.ClientError):
        client(front, "ecs", layout.key_of("triage")).create_cluster(clusterName="x")
    seen = [(c.service, c.operation, c.who, c.read, c.allowed) for c in front.calls.all()]
    assert seen == [
        ("ec2", "DescribeVpcs", "commander", True, True),
        ("ecs", "CreateCluster", "triage", False, False),
    ]


@pytest.mark.parametrize("size", [0, 1, 5, 6, 11])
def test_lists_are_cut_into_pages_that_add_up(front: FrontAtUrl, size: int) -> None:
    owner = client(front, "elbv2", layout.OWNER)
    network = client(front, "ec2", layout.OWNER).describe_vpcs()["Vpcs"][0]["VpcId"]
    for number in range(size):
        owner.create_target_group(
            Name=f"group-{number}", Protocol="HTTP", Port=80, VpcId=network, TargetType="ip"
        )
    reader = client(front, "elbv2")
    pages = list(
        reader.get_paginator("describe_target_groups").paginate(PaginationConfig={"PageSize": 5})
    )
    names = {group["TargetGroupName"] for page in pages for group in page["TargetGroups"]}
    assert names == {f"group-{number}" for number in range(size)}
    assert len(pages) == max(1, -(-size // 5))
    for group in owner.describe_target_groups()["TargetGroups"]:
        owner.delete_target_group(TargetGroupArn=group["TargetGroupArn"])


def test_a_token_that_is_not_ours_is_refused(front: FrontAtUrl) -> None:
    with pytest.raises(errors.ClientError, match="InvalidNextToken"):
        client(front, "ec2").describe_subnets(NextToken="cGFnZTo=", MaxResults=5)
