"""Steps of runbooks carried out at moto, with what their looks captured."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from cockpit.connect.aws.models import parse
from cockpit.connect.aws.session import Aws, AwsActs, open_aws, open_aws_acts
from cockpit.runbooks.kinds.acts import result_of
from cockpit.runbooks.library import library
from cockpit.runbooks.step import Runbook, Step, Until
from cockpit.runbooks.values import captured, holds, resolved, target_value
from cockpit.triage import recording
from cockpit.triage.registry import registry
from cockpit.triage.target import Target
from cockpit.world import layout
from cockpit.world.answers.rest import NOTHING_TO_TELL, empty
from cockpit.world.calls import CallLog
from cockpit.world.faults import Faults
from cockpit.world.front import Amendment, Answerer, Front, Operation
from tests import carried
from tests.core.aws_stub import place

Clients = Callable[[str], Any]

NO_ACTIVITIES = empty(
    ("application-autoscaling", "DescribeScalingActivities", "ScalingActivities"),
    ("cloudtrail", "LookupEvents", "Events"),
)
"""What moto lacks."""


@contextmanager
def fronted(
    answers: Mapping[Operation, Answerer] | None = None,
    amendments: Mapping[Operation, Amendment] | None = None,
) -> Iterator[int]:
    """The port of moto behind the world's front: alone it calls an empty answer a page of HTML.

    `answers` are for what moto lacks, `amendments` add to what it says.
    """
    from moto.moto_api._internal.models import moto_api_backend

    made = Front(CallLog(), Faults())
    made.answers.update(NOTHING_TO_TELL)
    made.answers.update(NO_ACTIVITIES)
    made.answers.update(answers or {})
    made.amendments.update(amendments or {})
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        made.serve(listener)
        moto_api_backend.reset()  # of what another file of this process left
        made.ready.set()
        yield listener.getsockname()[1]
        made.close()


def clients(port: int) -> Clients:
    """Clients of somebody who makes things, breaks them, and is asked what became of them."""
    import boto3

    session = boto3.Session()
    return lambda service: session.client(
        service,
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name=layout.REGION,
        aws_access_key_id=layout.key_of("commander"),
        aws_secret_access_key="x",
    )


@asynccontextmanager
async def opened(port: int, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Aws, AwsActs]]:
    """The cockpit's own two sessions, at no pace: moto has no small buckets."""
    monkeypatch.setattr("cockpit.connect.aws.limits.CEILINGS", {})
    monkeypatch.setenv("COCKPIT_TEST_KEY", layout.key_of("commander"))
    aws, acts = await open_aws(place(port)), await open_aws_acts(place(port))
    yield aws, acts
    await aws.close()
    await acts.close()


class Bench:
    """A target with the two sessions, and what a runbook has captured so far."""

    def __init__(
        self,
        book: str,
        target: Target,
        sessions: tuple[Aws, AwsActs],
        answers: Mapping[str, object],
        *others: Target,
    ) -> None:
        self.book: Runbook = library().get(book)
        self.aws, self.acts = sessions
        self.targets = {each.kind: each for each in (target, *others)}
        self.scope: dict[str, Any] = {id_: {"answer": each} for id_, each in answers.items()}
        self.scope["params"] = {
            name: target_value(self.targets[param.kind])
            for name, param in self.book.params.items()
            if param.kind in self.targets
        }

    def step(self, id_: str) -> Step:
        return next(each for each in self.book.steps if each.id == id_)

    async def snapshot(self, probe: str) -> Any:
        self.aws.forget()
        found = registry()[probe]
        return await found.collect(self.aws, self.targets[found.kind])

    async def looked(self, *ids: str, **instead: Any) -> None:
        """Capture looking steps; `instead`: what moto cannot tell."""
        for id_ in ids:
            step = self.step(id_)
            seen = await self.snapshot(step.does)
            found = registry()[step.does].diagnose(seen, registry()[step.does].settings)
            reading = {"findings": [{"code": each.code} for each in found]}
            told = recording.builtins(seen) | {"reading": reading} | instead
            self.scope[id_] = captured(step.capture, told)

    def answered(self, **answers: object) -> Bench:
        """The same with other answers: nothing is looked at again."""
        self.scope |= {id_: {"answer": each} for id_, each in answers.items()}
        return self

    def applies(self, id_: str) -> bool:
        return all(holds(check.that, self.scope) for check in self.step(id_).require)

    async def act(self, id_: str, *, undo: bool = False) -> bool:
        """Carry it out, or its undo; whether its verification holds."""
        step = self.step(id_)
        doing: Any = step.undo if undo else step
        answer = await self.acts.run(doing.does, resolved(doing.args, self.scope))
        carried.DONE.add(f"{self.book.id}:{id_}")
        if step.capture and not undo:
            self.scope[id_] = captured(step.capture, result_of(step.does, answer).data)
        return await self.proved(id_, undo=undo)

    async def proved(self, id_: str, *, undo: bool = False) -> bool:
        """Whether its verification, or that of its undo, holds now; without one it does."""
        step = self.step(id_)
        doing: Any = step.undo if undo else step
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
        told: Mapping[str, Any] = recording.builtins(await self.snapshot(until.probe))
        return told

    async def _read(self, call: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        self.aws.forget()
        service, operation = parse(call)
        return result_of(call, await self.aws.call(service, operation, arguments, "")).data
