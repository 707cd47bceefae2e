"""Whose credentials, of which account, at whose endpoint: told before anything is asked or done."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cockpit.config import load
from cockpit.connect.aws import credentials
from cockpit.connect.aws.codes import CODES
from cockpit.connect.aws.outside import named
from cockpit.connect.aws.session import open_aws, open_aws_acts
from cockpit.errors import BlindError, Misconfigured, Reason, Refused
from cockpit.triage.registry import catalog
from tests.core.aws_stub import Reply, Request, Stub, place, reading, stubbed, tag, xml

JSON = "application/x-amz-json-1.1"
ROLE = "arn:aws:iam::111122223333:role/triage"
SERIAL = "arn:aws:iam::111122223333:mfa/eve"
LATER = "2099-01-01T00:00:00Z"
ASKS = (
    ("ecs", "ListClusters"),
    ("elbv2", "DescribeTargetGroups"),
    ("rds", "DescribeDBInstances"),
    ("elasticache", "DescribeCacheClusters"),
    ("ec2", "DescribeSubnets"),
    ("cloudwatch", "DescribeAlarms"),
)
ACT = ("ecs.UpdateService", {"service": "web", "desiredCount": 2})


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without credentials; the file is its AWS configuration."""
    names = "ACCESS_KEY_ID SECRET_ACCESS_KEY SESSION_TOKEN PROFILE ENDPOINT_URL ENDPOINT_URL_STS"
    for name in names.split():
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("COCKPIT_TEST_KEY", "testing-key")
    monkeypatch.setattr(CODES, "wanted", set())
    monkeypatch.setattr(CODES, "_typed", {})
    monkeypatch.setattr(credentials, "CLI_CACHE", str(tmp_path / "cli"))
    return tmp_path / "config"


def answered(request: Request) -> Reply:
    if request.operation == "AssumeRole":
        keys = {"AccessKeyId": "ASIA", "SecretAccessKey": "b", "SessionToken": "c"}
        inner = "".join(tag(name, value) for name, value in {**keys, "Expiration": LATER}.items())
        return Reply(xml("AssumeRole", tag("Credentials", inner)))
    if request.operation == "GetCallerIdentity":
        who = tag("Account", "111122223333") + tag("Arn", ROLE)
        return Reply(xml("GetCallerIdentity", who))
    return Reply('{"clusterArns": [], "service": {}}', type=JSON)


def with_code(config: Path, stub: Stub, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A profile whose role wants a code; what makes a place use it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{stub.port}")
    config.write_text(
        f"[profile prod]\nrole_arn = {ROLE}\nsource_profile = keys\nmfa_serial = {SERIAL}\n"
        "[profile keys]\naws_access_key_id = A\naws_secret_access_key = b\n"
    )
    return {"access_key_id": "", "secret_access_key": "", "profile": "prod"}


async def test_a_code_is_asked_of_a_person_and_never_on_the_terminal(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stubbed() as stub:
        stub.answer = answered
        given = with_code(machine, stub, monkeypatch)
        async with reading(stub, **given) as session:
            for _ in range(2):  # the second look says the same
                with pytest.raises(BlindError, match="MFA") as blind:
                    await session.read("ecs", "ListClusters")
                assert blind.value.reason is Reason.EXPIRED
                assert "press M" in blind.value.hint
                assert SERIAL in blind.value.message
            assert stub.requests == []
            assert CODES.wanted == {SERIAL}
            assert CODES.give(SERIAL, "12345") == "a code has six digits"
            assert CODES.give(SERIAL, " 123456 ") == ""
            session.forget()
            await session.read("ecs", "ListClusters")
            assert stub.requests[0].form["TokenCode"] == ["123456"]
            assert stub.requests[0].form["SerialNumber"] == [SERIAL]
            assert CODES.wanted == set()


async def test_a_role_that_the_command_line_assumed_needs_no_second_code(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CLI's cache: the file is named after the role and the device, as botocore names it."""
    async with stubbed() as stub:
        stub.answer = answered
        given = with_code(machine, stub, monkeypatch)
        folder = machine.with_name("cli")
        folder.mkdir()
        asked: list[str] = []

        class Named(dict[str, object]):
            def __contains__(self, key: object) -> bool:
                asked.append(str(key))
                return False

        with monkeypatch.context() as patch:
            patch.setattr(credentials, "JSONFileCache", lambda _: Named())
            async with reading(stub, **given) as session:
                with pytest.raises(BlindError, match="MFA"):
                    await session.read("ecs", "ListClusters")
        role = (
            f'{{"Credentials": {{"AccessKeyId": "ASIACLI", "SecretAccessKey": "b",'
            f' "SessionToken": "c", "Expiration": "{LATER}"}}}}'
        )
        (folder / f"{asked[0]}.json").write_text(role)
        async with reading(stub, **given) as session:
            await session.read("ecs", "ListClusters")
        assert "ASIACLI" in stub.requests[-1].headers["authorization"]
        assert [path.read_text() for path in folder.iterdir()] == [role]  # read, never written


async def test_a_dead_sts_is_told_as_sts_at_once_to_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "DEADLINE", 2.0)

    def dead(request: Request) -> Reply:
        return Reply(fault="hang") if request.operation == "AssumeRole" else answered(request)

    async with stubbed() as stub:
        stub.answer = dead
        async with reading(stub, role_arn=ROLE) as session:
            reads = (session.read(*each) for each in ASKS)
            ends = await asyncio.gather(*reads, return_exceptions=True)
            again = await asyncio.gather(
                session.read("ecs", "ListServices"), return_exceptions=True
            )
            cost = session.cost.api_calls
        assert stub.operations == ["AssumeRole"]
    for end in [*ends, *again]:
        assert isinstance(end, BlindError)
        assert end.message.startswith("sts.AssumeRole: no answer")
        assert end.reason is Reason.TIMEOUT
    assert cost == 1  # STS is counted, what never left is not


async def test_sts_is_asked_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "SHARED", 0.0)
    async with stubbed() as stub, reading(stub, role_arn=ROLE) as session:
        with pytest.raises(BlindError, match=r"sts\.AssumeRole"):
            await session.read("ecs", "ListClusters")
        stub.answer = answered
        session.forget()
        await session.read("ecs", "ListClusters")


async def test_an_act_without_credentials_was_certainly_not_done() -> None:
    async with stubbed() as stub:
        acts = await open_aws_acts(place(stub.port, role_arn=ROLE))
        try:
            with pytest.raises(BlindError, match=r"sts\.AssumeRole"):
                await acts.run(*ACT)
        finally:
            await acts.close()


@pytest.mark.parametrize("role", ["", ROLE])
async def test_credentials_of_another_account_ask_and_do_nothing(role: str) -> None:
    async with stubbed() as stub:
        stub.answer = answered
        bound = {"account": "999900001111", "role_arn": role}
        acts = await open_aws_acts(place(stub.port, **bound))
        async with reading(stub, **bound) as session:
            for asked in (session.read("ecs", "ListClusters"), acts.run(*ACT)):
                with pytest.raises(BlindError, match="999900001111") as blind:
                    await asked
                assert blind.value.reason is Reason.MISCONFIGURED
                assert "111122223333: nothing was asked" in blind.value.message
        await acts.close()
        assert set(stub.operations) <= {"GetCallerIdentity", "AssumeRole"}


async def test_credentials_of_the_bound_account_are_asked_once() -> None:
    async with stubbed() as stub:
        stub.answer = answered
        async with reading(stub, account="111122223333") as session:
            reads = (session.read(*each) for each in ASKS)
            await asyncio.gather(*reads, return_exceptions=True)
        assert len(stub.operations) > len(ASKS)
        assert stub.operations.count("GetCallerIdentity") == 1


async def test_an_endpoint_of_the_shell_is_told_and_gets_no_act(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with stubbed() as stub:
        stub.answer = answered
        url = f"http://127.0.0.1:{stub.port}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        session = await open_aws(place(stub.port, endpoint_url=""))
        acts = await open_aws_acts(place(stub.port, endpoint_url=""))
        try:
            await session.read("ecs", "ListClusters")
            assert session.redirected == {"ecs": url}
            with pytest.raises(Refused, match="environment or the profile") as refused:
                await acts.run(*ACT)
            assert "AWS_ENDPOINT_URL" in refused.value.hint
            assert stub.operations == ["ListClusters"]
        finally:
            await session.close()
            await acts.close()


async def test_an_endpoint_of_the_configuration_is_nothing_to_tell() -> None:
    async with stubbed() as stub:
        stub.answer = answered
        async with reading(stub) as session:
            await session.read("ecs", "ListClusters")
            assert session.redirected == {}


@pytest.mark.parametrize(
    ("environment", "profile", "sections", "found"),
    [
        pytest.param({}, {}, {}, "", id="AWS"),
        pytest.param({"AWS_ENDPOINT_URL": "a"}, {}, {}, "a", id="all of a shell"),
        pytest.param(
            {"AWS_ENDPOINT_URL": "a", "AWS_ENDPOINT_URL_DYNAMODB": "b"}, {}, {}, "b", id="one"
        ),
        pytest.param({"AWS_ENDPOINT_URL_SQS": "b"}, {}, {}, "", id="another service"),
        pytest.param({}, {"endpoint_url": "c"}, {}, "c", id="profile"),
        pytest.param(
            {},
            {"endpoint_url": "c", "services": "local"},
            {"local": {"dynamodb": {"endpoint_url": "d"}}},
            "d",
            id="services section",
        ),
        pytest.param({}, {"services": "gone"}, {}, "", id="a section that is not there"),
    ],
)
def test_the_order_of_endpoints_is_awss(
    environment: dict[str, str],
    profile: dict[str, object],
    sections: dict[str, object],
    found: str,
) -> None:
    said = named("dynamodb", environment=environment, profile=profile, sections=sections)
    assert said == found


def test_an_account_is_twelve_digits(tmp_path: Path) -> None:
    file = tmp_path / "cockpit.toml"
    file.write_text('[aws.prod]\nregion = "us-east-1"\naccount = "1234"\n')
    with pytest.raises(Misconfigured, match=r"aws\.prod\.account"):
        load(file, catalog())
