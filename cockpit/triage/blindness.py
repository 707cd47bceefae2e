"""Which looks are blind for one cause: told once, with how many they are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeAlias

from cockpit.triage.probe import Blind, Reading

Cause: TypeAlias = tuple[str, str, str, str]
"""Reason, words, and what to type, without what is each target's or call's own; and the target
where there is nothing to type: two servers that are silent need not be so for one cause."""
_CALL = re.compile(r"\b[a-z][a-z0-9-]+\.[A-Z]\w+\b")
"""How the connector names a call: `ecs.DescribeServices`."""
_SERVICE_AT = re.compile(r"\b[\w.-]+\.(?=[a-z]{2}(-[a-z]+)+-\d\b)")
"""What stands before the region in a name of AWS: of one region every service is the same place."""
_NUMBER = re.compile(r"\d+(\.\d+)?(?= m?s\b)")
"""A duration; ports and addresses are not one place."""


def words_of(text: str, target: str) -> str:
    """The text without what tells one target, call or moment from another."""
    plain = re.sub(rf"(?<![\w-]){re.escape(target)}(?![\w-])", "…", text) if target else text
    return _NUMBER.sub("…", _SERVICE_AT.sub("…", _CALL.sub("…", plain)))


def cause(reading: Reading) -> Cause:
    """Why a blind look is blind. One that saw has none: all is empty."""
    outcome, name = reading.outcome, reading.target
    if not isinstance(outcome, Blind):
        return "", "", "", ""
    hint = words_of(outcome.hint, name)
    own = "" if hint else name
    return outcome.reason.value, words_of(outcome.detail, name), hint, own


def alike(readings: Iterable[Reading]) -> list[tuple[Reading, ...]]:
    """The readings by their cause, in the order in which each cause comes first."""
    found: dict[Cause, list[Reading]] = {}
    for reading in readings:
        found.setdefault(cause(reading), []).append(reading)
    return [tuple(each) for each in found.values()]
