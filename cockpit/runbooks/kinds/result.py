"""What doing a step gave, before it is judged, masked and journalled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cockpit.errors import UnknownOutcome
from cockpit.runbooks.step import NOTHING


@dataclass(frozen=True, slots=True)
class Result:
    """`done` False: it was carried out, and what was to happen has not happened.

    `text` is one line; `output` is what it printed or answered, raw; `data` is what captures
    query.
    """

    done: bool
    text: str
    output: str = ""
    data: Mapping[str, object] = field(default_factory=lambda: NOTHING)


class CutOff(UnknownOutcome):
    """It was ended from here before its own end; `output` is what it gave until then."""

    def __init__(self, message: str, *, hint: str = "", output: str = "") -> None:
        super().__init__(message, hint=hint)
        self.output = output
