"""What the settings of all kinds have in common.

Each family has its own record beside its connector, as the configuration gives it. Secrets are
references there (`env:NAME`, `file:PATH`, `command:…`, `aws-secret:ARN`, `iam`); they are resolved
by `cockpit.connect.secrets` at connect time and never stored.
"""

from __future__ import annotations

from dataclasses import Field, dataclass
from typing import ClassVar, Protocol


class ConnectionSettings(Protocol):
    """Any frozen dataclass: what one kind's connection needs."""

    __dataclass_fields__: ClassVar[dict[str, Field[object]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsSite:
    """A place to look: credentials and region. Targets name it."""

    name: str
    region: str
    profile: str = ""
    """Empty: the default chain of botocore."""
    commander_profile: str = ""
    """Used only for approved steps; empty: the same as `profile`."""
    account: str = ""
    """The account that the credentials must be of: asked of STS before the first look and act, and
    nothing is done on a mismatch. Empty: whatever account they are of."""
    role_arn: str = ""
    """A role to assume, in triage narrowed by a read-only session policy. Empty: none."""
    endpoint_url: str = ""
    """For emulators and interface endpoints; empty: AWS's own."""
    access_key_id: str = ""
    secret_access_key: str = ""
    """References, for places without profiles (the demo). Both or neither."""
    logs: bool = True
    """Whether looks may read lines of log groups: the last minutes, at most a hundred lines a call,
    secrets masked, kept as patterns and numbers. False: what needs them says that it is blind."""
    max_concurrency: int = 8
    """Calls in flight per service."""
    calls_per_second: float = 10.0
    """Per service; a token bucket with a burst of four times this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A user and where the password comes from. Empty user: the same as the observer's."""

    user: str = ""
    password: str = ""


NO_LOGIN = Login()
"""The observer's."""


@dataclass(frozen=True, slots=True)
class NoSettings:
    """Of a target that cannot be looked at: the plug-in that would know how is missing."""

    why: str
    hint: str = ""


class HasLogin(Protocol):
    """Settings with an observer's login and a commander's."""

    @property
    def user(self) -> str:
        """Who looks."""

    @property
    def password(self) -> str:
        """A reference."""

    @property
    def commander(self) -> Login:
        """Who acts; empty members are the observer's."""


def commanders_login(settings: HasLogin) -> Login:
    """Who acts: the target's own commander, else the observer's login."""
    return Login(
        user=settings.commander.user or settings.user,
        password=settings.commander.password or settings.password,
    )
