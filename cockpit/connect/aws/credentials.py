"""Credentials that are renewed while many wait for them: one call for all, told by its own name.

botocore renews under a lock, one asker after the other, and each asks a dead STS again for itself;
what fails then names the service that was asked for, which saw nothing. Here the first asks, within
`DEADLINE`, and its failure holds for all others for `SHARED` seconds.

Source: botocore.credentials and aiobotocore.credentials, 1.40 and 2.25, as run.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from botocore.credentials import JSONFileCache
from botocore.exceptions import RefreshWithMFAUnsupportedError

from cockpit.clock import monotonic
from cockpit.connect.aws.codes import CODES, CodeWanted
from cockpit.connect.aws.errors import FAILURES, AwsCall, blind
from cockpit.connect.settings import AwsSite
from cockpit.connect.shared import AnswerToCome, Tasks
from cockpit.connect.workshop import ended
from cockpit.errors import BlindError, Reason

if TYPE_CHECKING:
    from botocore.credentials import CredentialResolver

DEADLINE = 4.0
"""Seconds for one renewal: shorter than a look, so that the look can tell what it died of."""
SHARED = 10.0
"""Seconds for which a failed renewal is everybody's answer."""

_ASKED = {
    "assume-role": ("sts", "AssumeRole"),
    "cockpit-role": ("sts", "AssumeRole"),
    "assume-role-with-web-identity": ("sts", "AssumeRoleWithWebIdentity"),
    "sso": ("sso", "GetRoleCredentials"),
}
"""How botocore's provider calls itself → what it asks of AWS."""

Told = TypeVar("Told")


class Renewed(Protocol):
    """What is used of botocore's refreshable credentials."""

    method: str
    _refresh_using: Callable[[], object]


class HeldAnswer:
    """One question of AWS for all who need its answer, whose failure holds for a while.

    `keeps`: a good answer is given again too, until this is made anew.
    """

    def __init__(
        self,
        call: AwsCall,
        ask: Callable[[], object],
        *,
        tasks: Tasks,
        asking: Callable[[str], None],
        keeps: bool = False,
    ) -> None:
        self._call = call
        self._ask = ask
        self._tasks = tasks
        self._asking = asking
        self._keeps = keeps
        self._answer: AnswerToCome[object] | None = None
        self._code: CodeWanted | None = None

    async def __call__(self) -> object:
        """The answer. Raises `BlindError` named after the call."""
        answer = self._answer
        if answer is None or (answer.future.done() and not self._holds(answer)):
            answer = self._answer = AnswerToCome(self._tasks.start(self._asked()))
        return await answer.get()

    def _holds(self, answer: AnswerToCome[object]) -> bool:
        if not answer.failed:
            return self._keeps
        return not answer.future.cancelled() and monotonic() - answer.born_at < SHARED

    async def _asked(self) -> object:
        self._asking(self._call.service)
        try:
            found = self._ask()
            return await self._in_time(found) if inspect.isawaitable(found) else found
        except CodeWanted as wanted:
            self._code = wanted
            raise
        except RefreshWithMFAUnsupportedError as error:
            # botocore asks a prompter once: the next session of ours asks again
            raise self._code or CodeWanted("of its profile", self._call.profile) from error
        except FAILURES as error:
            raise blind(error, self._call) from error

    async def _in_time(self, asking: Awaitable[object]) -> object:
        work = asyncio.ensure_future(asking)
        try:
            if await ended(work, DEADLINE):
                return work.result()
        finally:
            work.cancel()
        about = f"{self._call.name}: no answer within {DEADLINE:g}s, so nothing can be asked"
        raise BlindError(Reason.TIMEOUT, about)


def share(
    credentials: Told, *, place: AwsSite, profile: str, tasks: Tasks, asking: Callable[[str], None]
) -> Told:
    """Let all who wait for credentials share their renewal; those that need none stay as is."""
    # no argument of a provider takes the renewal, and a subclass would need one of each provider
    if not hasattr(credentials, "_refresh_using"):
        return credentials
    renewed = cast("Renewed", credentials)
    ask = renewed._refresh_using  # noqa: SLF001
    if not isinstance(ask, HeldAnswer):
        service, operation = _ASKED.get(renewed.method, ("credentials", renewed.method))
        call = AwsCall(service, operation, place.region, profile)
        renewed._refresh_using = HeldAnswer(call, ask, tasks=tasks, asking=asking)  # noqa: SLF001
    return credentials


class _CliCache:
    """Roles that the AWS command line assumed, with the code that it asked for; never written."""

    def __init__(self, read: Mapping[str, object]) -> None:
        self._read = read
        self._own: dict[str, object] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._own or key in self._read

    def __getitem__(self, key: str) -> object:
        return self._own[key] if key in self._own else self._read[key]

    def __setitem__(self, key: str, value: object) -> None:
        self._own[key] = value


CLI_CACHE = "~/.aws/cli/cache"


def without_prompt(resolver: CredentialResolver, profile: str) -> CredentialResolver:
    """Let no provider ask on the terminal, which is the screen; share what the CLI was told."""
    provider = resolver.get_provider("assume-role")
    provider._prompter = lambda prompt: CODES.take(prompt, profile)  # noqa: SLF001
    provider.cache = _CliCache(JSONFileCache(str(Path(CLI_CACHE).expanduser())))
    return resolver
