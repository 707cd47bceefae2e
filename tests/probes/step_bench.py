"""Steps of runbooks carried out at moto, with what their looks captured."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from cockpit.connect.aws.models import parse
from cockpit.connect.aws.session import Aws, AwsActs
from cockpit.runbooks.kinds.acts import result_of
from cockpit.runbooks.library import library
from cockpit.runbooks.step import Runbook, Step, Until
from cockpit.runbooks.values import captured, holds, resolved
from cockpit.triage import recording
from cockpit.triage.registry import registry
from cockpit.triage.target import Target
from cockpit.world.answers.rest import NOTHING_TO_TELL, empty
from cockpit.world.calls import CallLog
from cockpit.world.faults import Faults
from cockpit.world.front import Front

NO_ACTIVITIES = empty(
    ("application-autoscaling", "DescribeScalingActivities", "ScalingActivities"),
)
"""What moto lacks."""


@contextmanager
def fronted() -> Iterator[int]:
    """The port of moto behind the world's front: alone it calls an empty answer a page of HTML."""
    made = Front(CallLog(), Faults())
    made.answers.update(NOTHING_TO_TELL)
    made.answers.update(NO_ACTIVITIES)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        made.serve(listener)
        made.ready.set()
        yield listener.getsockname()[1]
        made.close()


class Bench:
    """A target with the two sessions, and what a runbook has captured so far."""

    def __init__(
        self,
        book: str,
        target: Target,
        sessions: tuple[Aws, AwsActs],
        answers: Mapping[str, object],
    ) -> None:
        self.book: Runbook = library().get(book)
        self.aws, self.acts = sessions
        self.target = target
        self.scope: dict[str, Any] = {id_: {"answer": each} for id_, each in answers.items()}

    def step(self, id_: str) -> Step:
        return next(each for each in self.book.steps if each.id == id_)

    async def snapshot(self, probe: str) -> Any:
        self.aws.forget()
        return await registry()[probe].collect(self.aws, self.target)

    async def looked(self, *ids: str, **instead: Any) -> None:
        """Capture looking steps; `instead`: what moto cannot tell."""
        for id_ in ids:
            step = self.step(id_)
            told = recording.builtins(await self.snapshot(step.does)) | instead
            self.scope[id_] = captured(step.capture, told)

    def applies(self, id_: str) -> bool:
        return all(holds(check.that, self.scope) for check in self.step(id_).require)

    async def act(self, id_: str, *, undo: bool = False) -> bool:
        """Carry it out, or its undo; whether its verification holds."""
        step = self.step(id_)
        doing: Any = step.undo if undo else step
        await self.acts.run(doing.does, resolved(doing.args, self.scope))
        if doing.verify is None:
            return True
        return holds(doing.verify.until, {**self.scope, **await self._seen(doing.verify)})

    async def asked(self, *ids: str) -> None:
        """Capture steps that read AWS."""
        for id_ in ids:
            step = self.step(id_)
            told = await self._read(step.does, resolved(step.args, self.scope))
            self.scope[id_] = captured(step.capture, told)

    async def _seen(self, until: Until) -> Mapping[str, Any]:
        if until.call:
            return await self._read(until.call, resolved(until.args, self.scope))
        return recording.builtins(await self.snapshot(until.probe))

    async def _read(self, call: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        self.aws.forget()
        return result_of(call, await self.aws.read(*parse(call), **arguments)).data
