"""What doing a step gave, before it is judged, masked and journalled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Result:
    """`done` False: it was carried out, and what was to happen has not happened.

    `text` is one line; `output` is what it printed or answered, raw; `data` is what captures
    query.
    """

    done: bool
    text: str
    output: str = ""
    data: Mapping[str, Any] = field(default=_NOTHING)
