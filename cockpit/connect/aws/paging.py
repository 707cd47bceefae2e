"""How lists of AWS go on: as botocore's paginators say, and where it has none, as the model does.

Of a few operations botocore has a token in question and answer and no paginator; without one the
first page would pass for the whole list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import jmespath

from cockpit.connect.aws.sessions import LOADER, off_loop

if TYPE_CHECKING:
    from jmespath.parser import ParsedResult

_TOKENS = ("NextToken", "nextToken", "NextMarker", "nextMarker", "Marker")
"""What services call the token that stands in an answer and is sent back as it is."""


@dataclass(frozen=True, slots=True)
class Paging:
    """How an operation says that there is more: botocore's paginator data."""

    inputs: tuple[str, ...]
    outputs: tuple[ParsedResult, ...]
    more: ParsedResult | None

    def following(self, answer: Mapping[str, object]) -> dict[str, object]:
        """The arguments of the next page; empty after the last."""
        if self.more is not None and not self.more.search(answer):
            return {}
        found = zip(self.inputs, (each.search(answer) for each in self.outputs), strict=True)
        return {name: token for name, token in found if token}


_PAGINGS: dict[tuple[str, str], Paging | None] = {}


async def paging_of(service: str, operation: str) -> Paging | None:
    """How the operation is paged; None when its answer is always whole."""
    where = (service, operation)
    if where not in _PAGINGS:
        _PAGINGS[where] = await off_loop(_read, service, operation)
    return _PAGINGS[where]


def _read(service: str, operation: str) -> Paging | None:
    data = None
    if service in LOADER.list_available_services("paginators-1"):
        data = LOADER.load_service_model(service, "paginators-1")["pagination"].get(operation)
    if data is None:
        return _by_model(service, operation)
    inputs, outputs = _several(data["input_token"]), _several(data["output_token"])
    more = data.get("more_results")
    return Paging(
        inputs=inputs,
        outputs=tuple(jmespath.compile(each) for each in outputs),
        more=jmespath.compile(more) if more else None,
    )


def _by_model(service: str, operation: str) -> Paging | None:
    from botocore.model import ServiceModel

    model = ServiceModel(LOADER.load_service_model(service, "service-2"), service)
    asked = model.operation_model(operation)
    both = [
        token
        for token in _TOKENS
        if asked.input_shape is not None
        and asked.output_shape is not None
        and token in asked.input_shape.members
        and token in asked.output_shape.members
    ]
    if not both:
        return None
    return Paging(inputs=(both[0],), outputs=(jmespath.compile(both[0]),), more=None)


def _several(value: str | list[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
