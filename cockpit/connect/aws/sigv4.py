"""AWS Signature Version 4 of a request that is whole in memory, with the day's key kept.

botocore derives the key anew for every request, splits the URL five times and writes each step to a
log. What it signs is signed here, in its order and by its rules; a test holds the two together.

Source: "Create a signed AWS API request", IAM User Guide; botocore.auth.SigV4Auth 1.40, as run.
"""

from __future__ import annotations

import hmac
from collections.abc import MutableMapping
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple, Protocol
from urllib.parse import quote, urlsplit

from botocore.utils import is_valid_ipv6_endpoint_url, normalize_url_path

_UNSIGNED = frozenset({"expect", "transfer-encoding", "user-agent", "x-amzn-trace-id"})
"""Headers that somebody on the way may change."""
_PORTS = {"http": 80, "https": 443}
_KEPT = 32


class SigningKeys(Protocol):
    """What is used of botocore's frozen credentials."""

    access_key: str
    secret_key: str
    token: str | None


class _Parts(NamedTuple):
    """Of a URL, as a signature has them."""

    host: str
    path: str
    query: str


class Signer:
    """Signs for one client; keeps the keys of its days, regions and services."""

    def __init__(self) -> None:
        self._derived: dict[tuple[str, tuple[str, str, str]], bytes] = {}

    def sign(
        self,
        headers: MutableMapping[str, str],
        *,
        method: str,
        url: str,
        body: bytes,
        keys: SigningKeys,
        region: str,
        service: str,
        at: datetime,
    ) -> None:
        """Add the time, the token and the signature to the headers; `at` is in UTC."""
        stamp = at.strftime("%Y%m%dT%H%M%SZ")
        headers["X-Amz-Date"] = stamp
        if keys.token:
            headers["X-Amz-Security-Token"] = keys.token
        parts = _parts(url)
        signed = {name.lower(): value for name, value in headers.items()}
        signed = {name: value for name, value in signed.items() if name not in _UNSIGNED}
        signed.setdefault("host", parts.host)
        names = sorted(signed)
        listed = ";".join(names)
        request = "\n".join(
            (
                method.upper(),
                parts.path,
                parts.query,
                *(f"{name}:{' '.join(signed[name].split())}" for name in names),
                "",
                listed,
                signed.get("x-amz-content-sha256") or sha256(body).hexdigest(),
            )
        )
        scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
        digest = sha256(request.encode()).hexdigest()
        told = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"
        key = self._key(keys.secret_key, (stamp[:8], region, service))
        signature = hmac.digest(key, told.encode(), "sha256").hex()
        headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={keys.access_key}/{scope}, "
            f"SignedHeaders={listed}, Signature={signature}"
        )

    def _key(self, secret: str, scope: tuple[str, str, str]) -> bytes:
        found = self._derived.get((secret, scope))
        if found is None:
            found = f"AWS4{secret}".encode()
            for word in (*scope, "aws4_request"):
                found = hmac.digest(found, word.encode(), "sha256")
            if len(self._derived) >= _KEPT:
                self._derived.clear()  # past days and renewed credentials: nobody asks for them
            self._derived[secret, scope] = found
        return found


@lru_cache(512)
def _parts(url: str) -> _Parts:
    split = urlsplit(url)
    host = split.hostname or ""
    if is_valid_ipv6_endpoint_url(url):
        host = f"[{host}]"
    if split.port is not None and split.port != _PORTS.get(split.scheme):
        host = f"{host}:{split.port}"
    pairs = sorted(pair.partition("=")[::2] for pair in split.query.split("&") if split.query)
    return _Parts(
        host,
        quote(normalize_url_path(split.path), safe="/~"),
        "&".join(f"{name}={value}" for name, value in pairs),
    )
