"""Our signature against botocore's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from cockpit.connect.aws.sigv4 import Signer

AT = datetime(2026, 11, 21, 3, 0, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: AT)


URLS = [
    "https://ecs.us-east-1.amazonaws.com/", "https://x.example", "http://127.0.0.1:4566/a//b/./c/../d/",
    "https://x.example:443/a%20b?b=2&a=1&a=0&c", "http://x.example:80/~u/%C3%BC?x=%2F", "http://[::1]:8080/?",
    "https://X.Example/a+b=c/",
]  # fmt: skip


@pytest.mark.parametrize("token", [None, "tok/en=="])
@pytest.mark.parametrize("url", URLS)
def test_the_signature_is_botocores(url: str, token: str | None) -> None:
    keys = ReadOnlyCredentials("AKIAX", "secret/+", token)
    signer = Signer()
    for method, body in (("POST", b"Action=X&a=%C3%BC"), ("GET", b""), ("PUT", b"{}")):
        for more in (
            {},
            {"X-Amz-Target": "A.  B\t c "},
            {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"},
        ):
            headers = {"Content-Type": "x; charset=utf-8", "User-Agent": "u", "Expect": "e", **more}
            theirs = AWSRequest(method=method, url=url, headers=headers, data=body)
            SigV4Auth(keys, "ecs", "eu-west-1").add_auth(theirs)
            ours = dict(headers)
            signer.sign(
                ours,
                method=method, url=url, body=body,
                keys=keys, region="eu-west-1", service="ecs", at=AT,
            )  # fmt: skip
            assert ours == dict(theirs.headers.items())


def test_a_days_key_is_made_once_and_those_of_other_days_are_not_kept_for_ever() -> None:
    signer = Signer()
    for day in range(80):
        signer.sign(
            {}, method="GET", url="https://x.example/", body=b"",
            keys=ReadOnlyCredentials("A", "s", None), region="r", service="s", at=AT + timedelta(days=day),
        )  # fmt: skip
    assert len(signer._derived) <= 32
