"""Credentials that expire in the middle of an incident, and the person who logs in again."""

from __future__ import annotations

from pathlib import Path

import pytest

from cockpit.connect.aws import clients as aws_clients
from cockpit.connect.aws import sessions as aws_sessions
from cockpit.errors import BlindError, Reason
from tests.core.aws_stub import Reply, Request, error, reading, stubbed, tag, xml

_GOOD = xml("GetCallerIdentity", tag("Account", "1") + tag("Arn", "arn:aws:iam::1:user/a"))


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "credentials"
    file.write_text("")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return file


def logged_in(file: Path, key: str) -> None:
    file.write_text(f"[prod]\naws_access_key_id = {key}\naws_secret_access_key = s3cr3t\n")


def judged(request: Request) -> Reply:
    if "AKIANEW" in request.headers.get("authorization", ""):
        return Reply(_GOOD)
    return Reply(error("ExpiredToken", "the security token has expired"), status=403)


@pytest.mark.parametrize(
    "before",
    [
        pytest.param("AKIAOLD", id="keys that expired"),
        pytest.param("", id="no profile yet"),
    ],
)
async def test_who_logs_in_again_sees_again_without_a_new_start(keys: Path, before: str) -> None:
    if before:
        logged_in(keys, before)
    async with stubbed() as stub:
        stub.answer = judged
        given = {"access_key_id": "", "secret_access_key": "", "profile": "prod"}
        async with reading(stub, **given) as aws:
            with pytest.raises(BlindError) as blind:
                await aws.call("sts", "GetCallerIdentity", {}, "Account")
            assert blind.value.reason is (Reason.EXPIRED if before else Reason.MISCONFIGURED)
            logged_in(keys, "AKIANEW")
            answer = await aws.call("sts", "GetCallerIdentity", {}, "Account")
            assert answer["Account"] == "1"


async def test_expired_keys_are_not_read_again_for_every_call(keys: Path) -> None:
    logged_in(keys, "AKIAOLD")
    async with stubbed() as stub:
        stub.answer = judged
        given = {"access_key_id": "", "secret_access_key": "", "profile": "prod"}
        async with reading(stub, **given) as aws:
            for _ in range(3):
                with pytest.raises(BlindError):
                    await aws.call("sts", "GetCallerIdentity", {}, "Account")
            assert len(aws._clients._retired) == 1
            aws._clients._renewed_at -= aws_clients._RENEWED_EVERY
            with pytest.raises(BlindError):
                await aws.call("sts", "GetCallerIdentity", {}, "Account")
            assert len(aws._clients._retired) == 2


def test_sessions_share_what_is_hung_on_clients_and_the_loader_stays_as_it_is() -> None:
    """aioboto3 adds boto3's folder to a loader for each session, and its methods to S3's clients:
    with them twice no client of S3 could be made."""
    before = list(aws_sessions.LOADER.search_paths)
    one, other = (
        aws_sessions.open_session(
            "", "us-east-1", loader=aws_sessions.LOADER, shared=lambda given: given
        )
        for _ in range(2)
    )
    assert one._original_handler is other._original_handler
    assert list(aws_sessions.LOADER.search_paths) == before
