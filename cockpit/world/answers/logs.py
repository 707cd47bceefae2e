"""Log groups of a scenario: lines that come with time, and how CloudWatch Logs gives them.

    [[log]]
    group = "/aws/lambda/thumbnails"
    stream = "2026/11/30/[$LATEST]4f1c"
    every = 5            # seconds between two lines
    since = -600         # seconds from the start of the world on; a fault's begin at its onset
    during = "broken"
    text = "REPORT RequestId: {id} Duration: 812.40 ms ..."

`{id}` is a request's, another one in each line. A stream `app/web/*` is one of many short-lived
tasks: whichever is asked for has the lines of some seconds. Nothing is stored: the lines of a time
are counted out when somebody asks for them. moto keeps lines, and gives all of them for most filter
patterns.
"""

from __future__ import annotations

import json
import math
import re
import shlex
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cockpit.world.front import Answerer, Operation
from cockpit.world.identify import AwsRequest
from cockpit.world.protocol import Refusal

Parameters = Mapping[str, Any]
Matches = Callable[[str], bool]
_MEMBER = re.compile(r'\(?\s*\$\.(\w+)\s*(>=|=)\s*(?:"([^"]*)"|([\d.]+))\s*\)?')
_MOST = 10_000
_LIFE = 30.0
"""Seconds that a task of a stream with a star lives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """One kind of line of a group, at even distances. `since` in seconds since the epoch."""

    group: str
    stream: str
    text: str
    every: float
    since: float
    during: str = ""

    def streamed(self, at: float, asked: str) -> str:
        """The stream of a line: of `app/web/*` the one that was asked for, else one of its time."""
        if not self.stream.endswith("*"):
            return self.stream
        head = self.stream[:-1]
        task = uuid.uuid5(uuid.NAMESPACE_URL, f"{self.stream}{at // _LIFE}").hex
        return asked if asked.startswith(head) else head + task

    def between(self, start: float, end: float) -> Iterator[tuple[float, str]]:
        """Time and text of each line of a time."""
        number = max(0, math.ceil((start - self.since) / self.every))
        while (at := self.since + number * self.every) <= end:
            id_ = uuid.uuid5(uuid.NAMESPACE_URL, f"{self.group}/{self.stream}/{number}")
            yield at, self.text.replace("{id}", str(id_))
            number += 1


class LogGroups:
    """The groups, and when the lines of a phase ended. Read from any thread."""

    def __init__(self, ended: Callable[[str], float]) -> None:
        self._lines: list[Lines] = []
        self._ended = ended

    def add(self, lines: Lines) -> None:
        """Before anybody asks."""
        self._lines.append(lines)

    def table(self) -> dict[Operation, Answerer]:
        """What it answers."""
        return {
            ("logs", "FilterLogEvents"): self._filter,
            ("logs", "GetLogEvents"): self._get,
            ("logs", "DescribeLogGroups"): self._groups,
            ("logs", "DescribeLogStreams"): self._streams,
            ("logs", "DescribeSubscriptionFilters"): lambda _request, _asked: {
                "subscriptionFilters": []
            },
        }

    def _filter(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        rows = self._rows(asked, matching(str(asked.get("filterPattern") or "")))
        return {"events": rows[: int(asked.get("limit") or _MOST)], "searchedLogStreams": []}

    def _get(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        rows = [r for r in self._rows(asked, bool) if r["logStreamName"] == asked["logStreamName"]]
        size = int(asked.get("limit") or _MOST)
        chosen = rows[:size] if asked.get("startFromHead") else rows[-size:]
        events = [{k: r[k] for k in ("timestamp", "message", "ingestionTime")} for r in chosen]
        token = "f/world"  # the same token again: that is how AWS says that there is no more
        return {"events": events, "nextForwardToken": token, "nextBackwardToken": "b/world"}

    def _rows(self, asked: Parameters, matches: Matches) -> list[dict[str, Any]]:
        group = str(asked.get("logGroupName") or asked.get("logGroupIdentifier") or "")
        here = [each for each in self._lines if each.group == group]
        if not here:
            raise Refusal("ResourceNotFoundException", "The specified log group does not exist.")
        now = time.time()
        start = float(asked.get("startTime") or 0) / 1000
        end = min(float(asked.get("endTime") or now * 1000) / 1000, now)
        stream = str(asked.get("logStreamName") or "")
        if stream and any(each.stream.endswith("*") for each in here):  # a task has one short life
            start, end = (
                (start, start + _LIFE) if asked.get("startFromHead") else (end - _LIFE, end)
            )
        rows = [
            {
                "logStreamName": each.streamed(at, stream),
                "timestamp": int(at * 1000),
                "ingestionTime": int(at * 1000) + 900,
                "message": text,
                "eventId": f"{int(at * 1000)}{number:04d}",
            }
            for number, each in enumerate(here)
            for at, text in each.between(start, min(end, self._ended(each.during)))
            if matches(text)
        ]
        return sorted(rows, key=lambda row: row["timestamp"])

    def _groups(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        names = sorted({each.group for each in self._lines})
        prefix = str(asked.get("logGroupNamePrefix") or "")
        kept = [name for name in names if name.startswith(prefix)]
        return {"logGroups": [{"logGroupName": name, "storedBytes": 4096} for name in kept]}

    def _streams(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        streams = sorted({e.stream for e in self._lines if e.group == asked.get("logGroupName")})
        return {"logStreams": [{"logStreamName": name} for name in streams]}


def matching(pattern: str) -> Matches:
    """A filter pattern: `?any ?of` terms, or all of them, without a `-term`; or members of JSON
    joined by `||`. Raises `Refusal` for another one: half understood it would give too much.
    """
    if pattern.startswith("{"):
        return _json(pattern)
    if pattern.startswith("[") or "%" in pattern:
        raise Refusal("InvalidParameterException", "This world has no such filter pattern.")
    terms = shlex.split(pattern.replace("'", "\\'"))
    some = [term[1:] for term in terms if term.startswith("?")]
    none = [term[1:] for term in terms if term.startswith("-")]
    every = [term for term in terms if term[:1] not in {"?", "-"}]

    def matches(text: str) -> bool:
        return (
            all(term in text for term in every)
            and not any(term in text for term in none)
            and (not some or any(term in text for term in some))
        )

    return matches


def _json(pattern: str) -> Matches:
    wanted = [_MEMBER.fullmatch(part.strip()) for part in pattern.strip("{ }").split("||")]
    if not all(wanted):
        raise Refusal("InvalidParameterException", "This world has no such filter pattern.")

    def one(found: re.Match[str], line: Mapping[str, object]) -> bool:
        name, sign, text, number = found.groups()
        value = line.get(name)
        if text is not None:
            kind = re.escape(text).replace(r"\*", ".*")
            return isinstance(value, str) and re.fullmatch(kind, value) is not None
        if not isinstance(value, int | float):
            return False
        return value >= float(number) if sign == ">=" else value == float(number)

    def matches(text: str) -> bool:
        try:
            line = json.loads(text)
        except ValueError:
            return False
        return isinstance(line, dict) and any(one(each, line) for each in wanted if each)

    return matches
