"""Steps of the kinds `aws`, `sql` and `redis`: one named call through a session."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec

from cockpit.connect.session import Acts
from cockpit.errors import UnknownOutcome
from cockpit.runbooks.kinds.result import Result
from cockpit.runbooks.output import as_text
from cockpit.runbooks.plan import Act
from cockpit.runbooks.ports import Ports
from cockpit.runbooks.scope import CouldNotLook
from cockpit.triage.target import Target


async def act(session: Acts, act: Act) -> Result:
    """Run it. Raises `UnknownOutcome` when its end does not come in time."""
    try:
        async with asyncio.timeout(act.timeout):
            answer = await session.run(act.does, act.args)
    except TimeoutError:
        raise UnknownOutcome(
            f"{act.does} was sent and gave no answer within {act.timeout:g} s",
            hint="verify before repeating it",
        ) from None
    return result_of(act.does, answer)


async def read(ports: Ports, target: Target, act: Act) -> Result:
    """The same for a step that changes nothing: through the read-only session.

    Raises `CouldNotLook` when no answer comes in time.
    """
    try:
        async with asyncio.timeout(act.timeout):
            answer = await ports.reads.read(target, act.kind, act.does, act.args)
    except TimeoutError:
        raise CouldNotLook(f"{act.does} gave no answer within {act.timeout:g} s") from None
    return result_of(act.does, answer)


def result_of(does: str, answer: Mapping[str, object]) -> Result:
    """What a session answered, as JSON: times become text.

    Named statements say `done` and `detail` themselves; an AWS answer is a success.
    """
    answer = msgspec.to_builtins(answer, str_keys=True, enc_hook=str)
    done = bool(answer.get("done", True))
    said = answer.get("detail")
    return Result(done, str(said) if said else f"{does} was accepted", as_text(answer), answer)
