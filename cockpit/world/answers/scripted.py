"""What AWS answers by a scenario's file: `[[answer]]` instead of moto, `[[amend]]` over it.

    [[answer]]
    of = "lambda.GetAccountSettings"       # service and operation
    when = { FunctionName = "thumbnails" } # arguments that it is for; see `fits`
    during = "broken"                      # until everything is mended; or the name of a `[[mend]]`
    result = { AccountLimit = { ConcurrentExecutions = 1000 } }

Members are those of AWS's own model, and another one is told. A time is a number: seconds from the
start of the world on, so what happened before is negative. A text may hold `{ago 90}` for such a
time in words, `{account}`, `{region}` and `{folder}`. Instead of `result`, `error` is the code of a
refusal, with `message` and `status`.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.model import (
    ListShape,
    MapShape,
    OperationModel,
    OperationNotFoundError,
    Shape,
    StructureShape,
)

from cockpit.errors import Misconfigured
from cockpit.world import layout
from cockpit.world.front import Amendment, Answerer, Front, Operation
from cockpit.world.identify import AwsRequest, known, operation
from cockpit.world.protocol import Refusal

Parameters = Mapping[str, Any]
Now = Callable[[str], bool]
"""Whether a phase of the scenario is now, by its name."""
_AGO = re.compile(r"\{ago (\d+)\}")
_BOUND = re.compile(r"(>=|<)\s*(-?[\d.]+)")


def fits(wanted: Parameters, given: Parameters) -> bool:
    """Whether arguments are as wanted: all that are named, to any depth.

    A text may hold `*`, and must be the last part of an ARN's path or name where an ARN is given;
    `>=512` and `<512` are bounds of a number; an empty text wants the argument absent.
    """
    return all(_is(want, given.get(name)) for name, want in wanted.items())


def _is(want: object, given: object) -> bool:
    if isinstance(want, Mapping):
        return isinstance(given, Mapping) and fits(want, given)
    if isinstance(want, list):
        return isinstance(given, list) and all(any(_is(w, g) for g in given) for w in want)
    if isinstance(want, str):
        bound = _BOUND.fullmatch(want)
        if bound and isinstance(given, int | float):
            return (given >= float(bound[2])) == (bound[1] == ">=")
        text = "" if given is None else str(given)
        return fnmatch.fnmatchcase(text, want) or (
            bool(want) and text.endswith((f":{want}", f"/{want}"))
        )
    return bool(want == given)


class Script:
    """A scenario's answers. `begun`: the start of the world, in seconds since the epoch."""

    def __init__(self, begun: float, now: Now, **texts: str) -> None:
        self.begun = begun
        self.texts = {"account": layout.ACCOUNT, "region": layout.REGION, **texts}
        """What stands for a name in braces."""
        self._now = now

    def install(
        self, front: Front, answers: tuple[Parameters, ...], amends: tuple[Parameters, ...]
    ) -> None:
        """Let the front answer by them. The first in the file that is for a call answers it."""
        for one in reversed(answers):
            front.scripts.append(self._answering(one))
        for one in amends:
            name, _ = operation_of(one)
            front.amendments[name] = self._amending(one, front.amendments.get(name))

    def _answering(self, one: Parameters) -> Callable[[Operation, dict[str, Any]], Answerer | None]:
        name, model = operation_of(one)
        result = self._filled(one.get("result", {}), model.output_shape, one["of"])

        def answer(request: AwsRequest, asked: dict[str, Any]) -> dict[str, Any]:
            if "error" in one:
                message = self.text(str(one.get("message", one["error"])))
                raise Refusal(str(one["error"]), message, int(one.get("status", 400)))
            return dict(result)

        def script(asked_for: Operation, asked: dict[str, Any]) -> Answerer | None:
            return answer if asked_for == name and self._is_for(one, asked) else None

        return script

    def _amending(self, one: Parameters, before: Amendment | None) -> Amendment:
        _, model = operation_of(one)
        over = self._filled(one["result"], model.output_shape, one["of"])

        def amend(
            request: AwsRequest, asked: dict[str, Any], told: dict[str, Any]
        ) -> dict[str, Any]:
            told = before(request, asked, told) if before else told
            return _merged(told, over) if self._is_for(one, asked) else told

        return amend

    def _is_for(self, one: Parameters, asked: Parameters) -> bool:
        now = "during" not in one or self._now(one["during"])
        return now and fits(self.filled(one.get("when", {})), asked)

    def text(self, told: str) -> str:
        """A text with its names and times filled in; other braces stay."""
        for name, value in self.texts.items():
            told = told.replace("{" + name + "}", value)
        return _AGO.sub(lambda found: self._moment(-float(found[1])).isoformat(), told)

    def filled(self, told: Any) -> Any:
        """Arguments of a call, or anything else, with the texts in it filled in."""
        if isinstance(told, str):
            return self.text(told)
        if isinstance(told, Mapping):
            return {name: self.filled(value) for name, value in told.items()}
        return [self.filled(each) for each in told] if isinstance(told, list) else told

    def _moment(self, seconds: float) -> datetime:
        return datetime.fromtimestamp(int(self.begun + seconds), UTC)

    def _filled(self, told: Any, shape: Shape | None, where: str) -> Any:
        """By the model's shape: times, texts, and every member known."""
        if isinstance(shape, StructureShape) and isinstance(told, Mapping):
            if strange := sorted(set(told) - set(shape.members)):
                raise Misconfigured(f"{where}: AWS's answer has no member {strange[0]}")
            return {n: self._filled(v, shape.members[n], f"{where}.{n}") for n, v in told.items()}
        if isinstance(shape, ListShape) and isinstance(told, list):
            return [self._filled(each, shape.member, where) for each in told]
        if isinstance(shape, MapShape) and isinstance(told, Mapping):
            return {self.text(n): self._filled(v, shape.value, where) for n, v in told.items()}
        if shape is not None and shape.type_name == "timestamp" and isinstance(told, int | float):
            return self._moment(told)
        return self.text(told) if isinstance(told, str) else told


def operation_of(one: Parameters) -> tuple[Operation, OperationModel]:
    """The operation that a row is `of`, and its model. Raises `Misconfigured` for none of AWS's."""
    service, _, name = str(one.get("of", "")).partition(".")
    if not known(service):
        raise Misconfigured(f"of = {one.get('of')!r}: AWS has no such service")
    try:
        return (service, name), operation(service, name)
    except OperationNotFoundError:
        raise Misconfigured(f"of = {one.get('of')!r}: there is no such operation") from None


def _merged(told: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` wins; structures are merged, lists are replaced."""
    both = {
        n: _merged(told[n], v)
        for n, v in over.items()
        if isinstance(v, Mapping) and isinstance(told.get(n), Mapping)
    }
    return {**told, **over, **both}
