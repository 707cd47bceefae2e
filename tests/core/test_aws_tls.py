"""No request to AWS, and none for credentials, reaches a server whose certificate has another name.

The certificate is trusted each time: what is left to be wrong is the name in it. A case per way in
which a TLS context comes about, and per client that makes one.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Protocol

import botocore.credentials
import botocore.httpsession
import pytest

from cockpit.connect.aws import session as aws
from cockpit.connect.aws import transport as aws_transport
from cockpit.connect.aws.secrets import secrets_of
from cockpit.connect.aws.session import open_aws, open_aws_acts
from cockpit.errors import BlindError, Reason
from cockpit.world.net.certificates import Authority
from tests.core.aws_stub import Reply, Request, Stub, place, stubbed, tag, xml

JSON = "application/x-amz-json-1.1"
ROLE = "arn:aws:iam::123456789012:role/triage"
KEYS = {
    "AccessKeyId": "ASIA",
    "SecretAccessKey": "s3cr3t",
    "SessionToken": "token",
    "Expiration": "2099-01-01T00:00:00Z",
}


Way = Callable[[str, pytest.MonkeyPatch], dict[str, str]]
"""Make clients trust the authorities in a file; what the settings then say."""
Source = Callable[[Stub, pytest.MonkeyPatch], object]
"""Let the stub be where credentials come from."""


class Call(Protocol):
    """One exchange with the service at a port."""

    async def __call__(self, port: int, **changes: str) -> None: ...


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(autouse=True)
def _machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine with keys in its environment, that trusts nobody of ours and has no proxy."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAMACHINE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cr3t")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("COCKPIT_TEST_KEY", "testing-key")
    monkeypatch.setattr(aws, "_RETRIED", 1)
    aws_transport.trust.cache_clear()
    yield
    aws_transport.trust.cache_clear()


class Tunnel:
    """A proxy that connects its clients with whom they name."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            head = await reader.readuntil(b"\r\n\r\n")
            name = head.split()[1].decode()
            self.asked.append(name)
            there = await asyncio.open_connection("127.0.0.1", int(name.rpartition(":")[2]))
            with closing(there[1]):
                writer.write(b"HTTP/1.1 200 go on\r\n\r\n")
                await asyncio.gather(_copied(reader, there[1]), _copied(there[0], writer))


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
    except ConnectionError:
        pass
    writer.close()


@asynccontextmanager
async def tunnel(context: ssl.SSLContext | None = None) -> AsyncIterator[Tunnel]:
    proxy = Tunnel()
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, ssl=context)
    proxy.port = server.sockets[0].getsockname()[1]
    async with server:
        yield proxy


def answered(request: Request) -> Reply:
    """What each of the clients here wants to hear."""
    if request.path.startswith("/federation"):
        keys = {"accessKeyId": "ASIA", "secretAccessKey": "b", "sessionToken": "c"}
        return Reply(json.dumps({"roleCredentials": {**keys, "expiration": 4070908800000}}))
    if request.path == "/container":
        return Reply(json.dumps({**KEYS, "Token": "token"}), type="application/json")
    if request.path.startswith("/latest/api/token"):
        return Reply("a token")
    if request.path.startswith("/latest/meta-data"):
        role = json.dumps({**KEYS, "Token": "token", "Code": "Success"})
        return Reply("web" if request.path.endswith("/") else role)
    if request.operation.startswith("AssumeRole"):
        given = tag("Credentials", "".join(tag(name, value) for name, value in KEYS.items()))
        return Reply(xml(request.operation, given))
    if request.operation == "GetSecretValue":
        return Reply('{"SecretString": "pass word"}', type=JSON)
    return Reply('{"clusterArns": [], "service": {}}', type=JSON)


async def read(port: int, **changes: str) -> None:
    session = await open_aws(
        place(port, **{"endpoint_url": f"https://localhost:{port}", **changes})
    )
    try:
        await session.read("ecs", "ListClusters", expect="clusterArns")
    finally:
        await session.close()


async def act(port: int, **changes: str) -> None:
    acts = await open_aws_acts(
        place(port, **{"endpoint_url": f"https://localhost:{port}", **changes})
    )
    try:
        await acts.run("ecs.UpdateService", {"service": "web", "desiredCount": 3})
    finally:
        await acts.close()


async def log_in(port: int, **changes: str) -> None:
    where = place(port, endpoint_url=f"https://localhost:{port}", **changes)
    resolve = secrets_of(where, host="db", port=5432, user="u")
    assert await resolve("aws-secret:arn:x") == "pass word"


async def assume(port: int, **changes: str) -> None:
    await read(port, role_arn=ROLE, **changes)


def default_store(file: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setattr(botocore.httpsession, "where", lambda: file)
    return {}


def bundle_of_aws(file: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("AWS_CA_BUNDLE", file)
    return {}


def bundle_of_requests(file: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", file)
    return {}


def bundle_of_a_profile(file: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    profiled(f"ca_bundle = {file}", monkeypatch)
    return {"profile": "ours"}


def empty_bundle_of_aws(file: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("AWS_CA_BUNDLE", "")
    return default_store(file, monkeypatch)


def empty_bundle_of_requests(file: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "")
    return default_store(file, monkeypatch)


WAYS = [
    default_store,
    bundle_of_aws,
    bundle_of_requests,
    bundle_of_a_profile,
    empty_bundle_of_aws,
    empty_bundle_of_requests,
]


def profiled(lines: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile `ours` with these lines, next to one with keys."""
    keys = "aws_access_key_id = A\naws_secret_access_key = b\n"
    Path(os.environ["AWS_CONFIG_FILE"]).write_text(
        f"[profile ours]\n{lines}\n[profile keys]\n{keys}"
    )


async def refused(stub: Stub, asked: Awaitable[None]) -> None:
    """Nothing arrived, and the end says so: an act was certainly not done."""
    with pytest.raises(BlindError, match=r"(?i)certificate.*match|mismatch") as caught:
        await asked
    assert caught.value.reason is Reason.UNREACHABLE
    assert stub.requests == []


@pytest.mark.parametrize("call", [read, act, log_in, assume])
@pytest.mark.parametrize("through", ["direct", "proxy"])
@pytest.mark.parametrize("way", WAYS)
async def test_only_a_server_with_the_right_name_is_asked(
    way: Way,
    through: str,
    call: Call,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    changes = way(str(authority.ca_file), monkeypatch)
    if changes:
        changes |= {"commander_profile": changes["profile"]}
    async with tunnel() as proxy:
        if through == "proxy":
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        async with stubbed(authority.issue("wrong-name").context()) as stub:
            stub.answer = answered
            await refused(stub, call(stub.port, **changes))
        async with stubbed(authority.issue().context()) as stub:
            stub.answer = answered
            await call(stub.port, **changes)
            assert stub.requests
        assert bool(proxy.asked) == (through == "proxy")


async def test_a_bundle_that_has_changed_is_read_again(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "bundle.pem"
    (tmp_path / "other").mkdir()
    shutil.copy(Authority(tmp_path / "other").ca_file, bundle)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    async with stubbed(authority.issue().context()) as stub:
        stub.answer = answered
        with pytest.raises(BlindError, match="unable to get local issuer"):
            await read(stub.port)
        with bundle.open("ab") as file:
            file.write(authority.ca_file.read_bytes())
        await read(stub.port)
        assert stub.requests


@pytest.mark.parametrize("call", [read, act])
async def test_behind_a_proxy_a_server_that_nobody_trusts_is_not_asked(
    call: Call, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tunnel() as proxy, stubbed(authority.issue().context()) as stub:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(BlindError, match="unable to get local issuer"):
            await call(stub.port)
        assert stub.requests == []
        assert proxy.asked


@pytest.mark.parametrize("call", [read, act])
async def test_a_proxy_with_another_name_is_told_nothing(
    call: Call, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.ca_file))
    async with (
        tunnel(authority.issue("wrong-name").context()) as proxy,
        stubbed(authority.issue().context()) as stub,
    ):
        monkeypatch.setenv("HTTPS_PROXY", f"https://localhost:{proxy.port}")
        await refused(stub, call(stub.port))
        assert proxy.asked == []


@pytest.mark.parametrize("call", [read, act])
async def test_an_address_as_an_endpoint_needs_a_certificate_for_the_address(
    call: Call, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.ca_file))
    for names, right in ((("localhost",), False), (("127.0.0.1",), True)):
        async with stubbed(authority.issue(names=names).context()) as stub:
            stub.answer = answered
            asked = call(stub.port, endpoint_url=f"https://127.0.0.1:{stub.port}")
            if right:
                await asked
                assert stub.requests
            else:
                await refused(stub, asked)


def role_of_a_profile(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"https://localhost:{stub.port}")
    profiled(f"role_arn = {ROLE}\nsource_profile = keys", monkeypatch)


def web_identity(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    token = Path(os.environ["AWS_CONFIG_FILE"]).with_name("token")
    token.write_text("an identity")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"https://localhost:{stub.port}")
    profiled(f"role_arn = {ROLE}\nweb_identity_token_file = {token}", monkeypatch)


def sso(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    start = "https://login.invalid/start"
    cache = Path(os.environ["AWS_CONFIG_FILE"]).with_name("sso")
    cache.mkdir()
    token = {"accessToken": "an identity", "expiresAt": "2099-01-01T00:00:00Z"}
    name = hashlib.sha1(start.encode()).hexdigest()
    (cache / f"{name}.json").write_text(json.dumps(token))
    monkeypatch.setattr(botocore.credentials.SSOProvider, "_SSO_TOKEN_CACHE_DIR", str(cache))
    monkeypatch.setenv("AWS_ENDPOINT_URL_SSO", f"https://localhost:{stub.port}")
    profiled(
        f"sso_start_url = {start}\nsso_region = us-east-1\n"
        "sso_account_id = 123456789012\nsso_role_name = triage",
        monkeypatch,
    )


def container(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "AWS_CONTAINER_CREDENTIALS_FULL_URI", f"https://localhost:{stub.port}/container"
    )
    profiled("region = us-east-1", monkeypatch)


def machine(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"https://localhost:{stub.port}/")
    profiled("region = us-east-1", monkeypatch)


SOURCES = [role_of_a_profile, web_identity, sso, container, machine]


@pytest.mark.parametrize("call", [read, act])
@pytest.mark.parametrize("source", SOURCES)
async def test_no_credentials_are_taken_from_a_server_with_another_name(
    source: Source,
    call: Call,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    default_store(str(authority.ca_file), monkeypatch)
    keyless = {"access_key_id": "", "secret_access_key": "", "profile": "ours"}
    keyless["commander_profile"] = "ours"
    async with (
        stubbed(authority.issue().context()) as service,
        stubbed(authority.issue("wrong-name").context()) as stub,
    ):
        service.answer = stub.answer = answered
        source(stub, monkeypatch)
        with pytest.raises(BlindError):
            await call(service.port, **keyless)
        assert (stub.requests, service.requests) == ([], [])


@pytest.mark.parametrize("source", SOURCES)
async def test_credentials_are_taken_from_a_server_with_its_name(
    source: Source, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    default_store(str(authority.ca_file), monkeypatch)
    keyless = {"access_key_id": "", "secret_access_key": "", "profile": "ours"}
    async with stubbed(authority.issue().context()) as stub:
        stub.answer = answered
        source(stub, monkeypatch)
        await read(stub.port, **keyless)
        assert len(stub.requests) >= 2
        assert "ASIA" in stub.requests[-1].headers["authorization"]
