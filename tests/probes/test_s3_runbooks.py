"""The steps of the bucket's runbooks, carried out at moto with what the looks captured."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest

from cockpit.connect.aws.session import Aws, AwsActs, open_aws, open_aws_acts
from cockpit.connect.aws.settings import BucketSettings
from cockpit.errors import Misconfigured, Refused
from cockpit.triage.target import Target
from cockpit.world import layout
from probes.s3_bucket import access as access_probe
from tests.core.aws_stub import place
from tests.probes.s3_looks import ROLE, allow, policy, put
from tests.probes.step_bench import Bench, fronted

pytestmark = pytest.mark.servers
ANSWERS = {"outside": "no", "right": "yes"}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with fronted() as port:
        yield port


@pytest.fixture(scope="module")
def s3(port: int) -> Any:
    import boto3

    return boto3.Session().client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name=layout.REGION,
        aws_access_key_id=layout.key_of("commander"),
        aws_secret_access_key="x",
    )


def bench_of(book: str, bucket: str, sessions: tuple[Aws, AwsActs]) -> Bench:
    """A bucket and a runbook for it."""
    settings = BucketSettings(aws="prod", id=bucket)
    return Bench(book, Target(name=bucket, kind="s3_bucket", settings=settings), sessions, ANSWERS)


@pytest.fixture
async def sessions(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Aws, AwsActs]]:
    monkeypatch.setenv("COCKPIT_TEST_KEY", layout.key_of("commander"))
    aws, acts = await open_aws(place(port)), await open_aws_acts(place(port))
    yield aws, acts
    await aws.close()
    await acts.close()


async def test_an_open_bucket_is_closed_and_its_policy_loses_what_is_open(
    sessions: tuple[Aws, AwsActs], s3: Any
) -> None:
    s3.create_bucket(Bucket="open", ObjectOwnership="ObjectWriter")
    ours = allow({"AWS": ROLE}, Sid="ours", Resource="arn:aws:s3:::open/*")
    s3.put_bucket_policy(Bucket="open", Policy=policy(allow(Sid="web"), ours))
    s3.put_bucket_acl(Bucket="open", ACL="public-read")
    bench = bench_of("s3-public", "open", sessions)
    await bench.looked("before")
    await bench.looked("now")
    assert [bench.applies(each) for each in ("block", "policy", "delete", "acl")] == [
        True,
        True,
        False,
        True,
    ]
    assert await bench.act("block")
    assert await bench.act("policy")
    assert await bench.act("acl")
    kept = json.loads(s3.get_bucket_policy(Bucket="open")["Policy"])
    assert [each["Sid"] for each in kept["Statement"]] == ["ours"]
    assert json.loads(bench.scope["before"]["policy"])["Statement"][0]["Sid"] == "web"
    assert await bench.act("block", undo=True)


async def test_a_policy_of_which_nothing_would_stay_is_taken_away(
    sessions: tuple[Aws, AwsActs], s3: Any
) -> None:
    s3.create_bucket(Bucket="bare")
    s3.put_bucket_policy(Bucket="bare", Policy=policy(allow()))
    bench = bench_of("s3-public", "bare", sessions)
    await bench.looked("before")
    await bench.looked("now")
    assert (bench.applies("policy"), bench.applies("delete")) == (False, True)
    assert await bench.act("delete")


async def test_the_policy_from_before_is_put_back_and_taken_back(
    sessions: tuple[Aws, AwsActs], s3: Any
) -> None:
    then, now = policy(allow({"AWS": ROLE})), policy(allow({"AWS": "999999999999"}))
    s3.create_bucket(Bucket="shut")
    s3.put_bucket_policy(Bucket="shut", Policy=now)
    bench = bench_of("s3-access-denied", "shut", sessions)
    previous, _ = access_probe.previous_of(now, (put(5, now), put(90, then)))
    await bench.looked("before", previous_policy=previous, previous_known_by="CloudTrail")
    await bench.looked("now")
    assert (bench.applies("restore"), bench.applies("undelete")) == (True, False)
    assert await bench.act("restore")
    assert json.loads(s3.get_bucket_policy(Bucket="shut")["Policy"]) == json.loads(then)
    assert await bench.act("restore", undo=True)
    s3.delete_bucket_policy(Bucket="shut")
    await bench.looked("before", previous_policy=previous, previous_known_by="CloudTrail")
    await bench.looked("now")
    assert (bench.applies("restore"), bench.applies("undelete")) == (False, True)
    assert await bench.act("undelete")
    assert await bench.act("undelete", undo=True)


@pytest.mark.parametrize(
    ("text", "error", "told"),
    [
        (policy(allow()), Misconfigured, "to everybody"),
        (policy(allow({"AWS": ROLE}, Resource="*")), Misconfigured, "Resource"),
        (policy(allow(Effect="Deny", Action="s3:*")), Refused, "would deny s3:PutBucketPolicy"),
    ],
)
async def test_no_act_puts_a_policy_that_opens_or_locks(
    sessions: tuple[Aws, AwsActs], s3: Any, text: str, error: type[Exception], told: str
) -> None:
    s3.create_bucket(Bucket="guarded")
    asked: Mapping[str, object] = {"Bucket": "guarded", "Policy": text}
    with pytest.raises(error, match=told):
        await sessions[1].run("s3.PutBucketPolicy", asked)
    with pytest.raises(s3.exceptions.ClientError, match="NoSuchBucketPolicy"):
        s3.get_bucket_policy(Bucket="guarded")
