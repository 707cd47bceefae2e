"""AWS's own example answers (botocore's `examples-1.json`) as a client gives them to a look."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import botocore
from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape
from botocore.utils import parse_timestamp

from cockpit.connect.aws import reads
from cockpit.connect.aws.batched import BATCHES
from tests.fuzz.shapes import Shaped, model

DATA = Path(botocore.__file__).parent / "data"
Example = tuple[str, str, int]
"""Service, operation, and which of the operation's examples."""


@cache
def given(service: str) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """Operation → its examples that have an output."""
    found = sorted(DATA.glob(f"{service}/*/examples-1.json"))
    listed = json.loads(found[-1].read_text("utf-8"))["examples"] if found else {}
    known = set(model(service).operation_names) if listed else set()
    told = {name: [one for one in all_ if one.get("output")] for name, all_ in listed.items()}
    return {name: all_ for name, all_ in told.items() if all_ and name in known}


def examples() -> list[Example]:
    """Every example of an operation that a session may read."""
    return [
        (service, operation, at)
        for service in reads.ALLOW
        for operation, all_ in given(service).items()
        if operation in reads.ALLOW[service] | reads.CONSENT.get(service, frozenset())
        for at in range(len(all_))
    ]


class Examples(Shaped):
    """An AWS that gives one example for what it is of, and full answers of any shape else; `among`
    examples where there are others.

    `used`: whether the example was asked for. `unknown`: words of its enumerations that the model
    has not, by the member that says them.
    """

    def __init__(
        self, seed: str, names: Sequence[str], example: Example, *, among: bool = False
    ) -> None:
        super().__init__(seed, names)
        self._absent = self._wrong = self._fails = self._odd = 0.0
        self._example, self._among = example, among
        self.used = False

    def _of(self, service: str, operation: str) -> Example | None:
        """The example that the operation answers with."""
        if self._example[:2] == (service, operation):
            self.used = True
            return self._example
        return (service, operation, 0) if self._among and operation in given(service) else None

    def _answer(
        self, service: str, operation: str, arguments: Mapping[str, object]
    ) -> dict[str, Any]:
        chosen = self._of(service, operation)
        if chosen is None:
            return super()._answer(service, operation, arguments)
        example = given(service)[operation][chosen[2]]
        renamed = dict(_pairs(example.get("input", {}), arguments))
        shape = self._output(service, operation)
        return {
            **{name: _empty(member) for name, member in shape.members.items()},
            **self._parsed(shape, example["output"], operation, renamed),
        }

    async def item(
        self, service: str, operation: str, /, *, key: str, **shared: object
    ) -> Mapping[str, object]:
        """The example's first item under the name that was asked for."""
        if self._of(service, operation) is None:
            return await super().item(service, operation, key=key, **shared)
        batch = BATCHES[f"{service}.{operation}"]
        found: Any = self._answer(service, operation, shared)[batch.member]
        if batch.inside:
            found = [each for one in found for each in one.get(batch.inside, ())]
        row = dict(found[0] if isinstance(found, list) and found else found or {})
        return row | ({batch.names[0]: key} if batch.names else {})

    def _parsed(self, shape: Shape, value: Any, name: str, renamed: Mapping[str, str]) -> Any:
        """A value of the file as the client's parser gives it; what the model lacks drops out."""
        match shape:
            case StructureShape():
                parts = shape.members
                return {
                    n: self._parsed(parts[n], v, n, renamed) for n, v in value.items() if n in parts
                }
            case ListShape():
                return [self._parsed(shape.member, each, name, renamed) for each in value]
            case MapShape():
                return {k: self._parsed(shape.value, v, name, renamed) for k, v in value.items()}
            case StringShape():
                if shape.enum and value not in shape.enum:
                    self.unknown[name] = str(value)
                return renamed.get(value, str(value))
        if shape.type_name == "timestamp":
            return parse_timestamp(value)
        return _SCALARS.get(shape.type_name, lambda one: one)(value)


def _pairs(example: Any, asked: Any) -> Iterator[tuple[str, str]]:
    """What the example was asked for, and what is asked for now in its place."""
    if isinstance(example, str) and isinstance(asked, str):
        yield example, asked
    elif isinstance(example, Mapping) and isinstance(asked, Mapping):
        for name in example.keys() & asked.keys():
            yield from _pairs(example[name], asked[name])
    elif isinstance(example, list) and isinstance(asked, list | tuple):
        for one, other in zip(example, asked, strict=False):
            yield from _pairs(one, other)


_SCALARS: Mapping[str, Any] = {
    "integer": int,
    "long": int,
    "double": float,
    "float": float,
    "boolean": lambda one: one in {True, "true"},
    "blob": lambda one: str(one).encode(),
}


def _empty(shape: Shape) -> Any:
    match shape:
        case StructureShape() | MapShape():
            return {}
        case ListShape():
            return []
        case StringShape():
            return ""
    return {"boolean": False, "blob": b""}.get(shape.type_name, 0)
