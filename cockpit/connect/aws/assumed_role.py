"""The role of a place: assumed when a call needs it, narrowed by the policy that AWS takes.

How large a session policy is when AWS has packed it nobody can tell before: it is made smaller
until AWS takes it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, TypedDict

from aiobotocore.credentials import AioDeferredRefreshableCredentials, AioRefreshableCredentials
from botocore.exceptions import ClientError

from cockpit.connect.aws.policy import SessionPolicy

if TYPE_CHECKING:
    from aiobotocore.client import AioBaseClient

METHOD = "cockpit-role"
_TOO_LARGE = {"PackedPolicyTooLarge", "PackedPolicyTooLargeException"}


class _Credentials(TypedDict):
    """`sts.Credentials`."""

    AccessKeyId: str
    SecretAccessKey: str
    SessionToken: str
    Expiration: datetime


class _RoleAnswer(TypedDict):
    """What is read of `sts.AssumeRoleResponse`."""

    Credentials: _Credentials


class RoleSession:
    """Who the place's role is assumed as, and what it is narrowed to; None: the role as it is."""

    def __init__(self, arn: str, name: str, policy: SessionPolicy | None) -> None:
        self._arn = arn
        self._name = name
        self._policy = policy

    @property
    def left_out(self) -> frozenset[str]:
        """IAM actions for which the session policy had no room: AWS would deny them."""
        return self._policy.left_out if self._policy is not None else frozenset()

    async def credentials(self, sts: AioBaseClient) -> dict[str, str]:
        """Of the role, as botocore's refreshable credentials want them."""
        given = await self._assume(sts)
        return {
            "access_key": given["AccessKeyId"],
            "secret_key": given["SecretAccessKey"],
            "token": given["SessionToken"],
            "expiry_time": given["Expiration"].isoformat(),
        }

    async def _assume(self, sts: AioBaseClient) -> _Credentials:
        while True:
            narrowed = {"Policy": self._policy.text} if self._policy is not None else {}
            try:
                answer: _RoleAnswer = await sts.assume_role(
                    RoleArn=self._arn,
                    RoleSessionName=self._name,
                    DurationSeconds=3600,
                    **narrowed,
                )
            except ClientError as error:
                code = error.response.get("Error", {}).get("Code", "")
                smaller = self._policy.smaller() if self._policy is not None else None
                if code not in _TOO_LARGE or smaller is None:
                    raise
                self._policy = smaller
            else:
                return answer["Credentials"]


class AssumedRole:
    """The only source of a session's credentials: the role of the place, renewed in time.

    In place of botocore's chain of providers, which takes 20 ms to put together and is not asked.
    """

    def __init__(self, refresh: Callable[[], Awaitable[dict[str, str]]]) -> None:
        self._refresh = refresh

    async def load_credentials(self) -> AioRefreshableCredentials:
        """Credentials that are not asked for yet: what fails later is told by its name, to all."""
        return AioDeferredRefreshableCredentials(refresh_using=self._refresh, method=METHOD)
