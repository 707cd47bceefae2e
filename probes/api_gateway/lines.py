"""What lines of an access log say of each request: its status, whose answer it is, and why.

Source: API Gateway Developer Guide ("Variables for access logging"). The stage's own format says
under which name a variable stands; only formats of one JSON object a line are read.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping

from cockpit.connect.aws.answer import Answer
from cockpit.text import SafeText, visible
from probes.api_gateway.model import AnswerKind

_STATUS = ("status",)
_BACKEND = ("integration.status", "integration.integrationStatus", "integrationStatus")
_WHY = ("error.responseType",)
_SAID = (
    *("integration.error", "integrationErrorMessage", "authorizer.error", "authorize.error"),
    *("error.message", "waf.error"),
)
_ROUTE = ("routeKey", "resourcePath", "path")
_NOTHING = {"", "-", "null", "None"}
_NUMBERS = re.compile(r"\d+")
_SHOWN = 8
_TEXT = 120


class AccessLine(Answer, frozen=True, rename="camel"):
    """One line."""

    of = "logs.FilteredLogEvent"
    message: SafeText = ""


def members(template: str) -> Mapping[str, str]:
    """Variable of the context → the member of a line that has it; empty: the format is no JSON."""
    bare = re.sub(r":\s*(\$context\.[\w.-]+)\s*(?=[,}])", r':"\1"', template)
    try:
        form = json.loads(bare)
    except ValueError:
        return {}
    if not isinstance(form, dict):
        return {}
    found = {}
    for name, value in form.items():
        variable = re.fullmatch(r"\$context\.([\w.-]+)", value) if isinstance(value, str) else None
        if variable is not None:
            found[variable[1]] = str(name)
    return found


def pattern(template: str) -> str:
    """The filter pattern of answers 429 and 5xx; empty: the format does not tell the status.

    A status is text where the format puts it in quotes, and a number where it does not.
    """
    name = members(template).get("status", "")
    if not re.fullmatch(r"\w+", name):
        return ""
    if re.search(r":\s*\$context\.status\b", template):
        return f"{{ ($.{name} >= 500) || ($.{name} = 429) }}"
    return f'{{ ($.{name} = "5*") || ($.{name} = "429") }}'


def answers_of(lines: Iterable[AccessLine], template: str) -> tuple[AnswerKind, ...]:
    """The answers of each sort, the most frequent first."""
    where = members(template)
    kinds: Counter[tuple[int, str, str, str]] = Counter()
    for line in lines:
        try:
            told = json.loads(line.message)
        except ValueError:
            continue
        found = _answer(told, where) if isinstance(told, dict) else None
        if found is not None:
            kinds[found] += 1
    return tuple(
        AnswerKind(status=status, by=by, why=why, route=route, count=count)
        for (status, by, why, route), count in kinds.most_common(_SHOWN)
    )


def _answer(
    told: Mapping[str, object], where: Mapping[str, str]
) -> tuple[int, str, str, str] | None:
    status = _number(_of(told, where, _STATUS))
    if status is None:
        return None
    why, said = _of(told, where, _WHY), _of(told, where, _SAID)
    backend = _number(_of(told, where, _BACKEND))
    by = ""
    if why:
        by = "gateway"
    elif backend is not None and any(each in where for each in _BACKEND):
        by = "integration" if backend == status else "gateway"
    shape = _NUMBERS.sub("N", why or said)[:_TEXT]
    return status, by, visible(shape), visible(_of(told, where, _ROUTE)[:_TEXT])


def _of(told: Mapping[str, object], where: Mapping[str, str], names: tuple[str, ...]) -> str:
    for name in names:
        value = str(told.get(where.get(name, ""), ""))
        if value not in _NOTHING:
            return value
    return ""


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{3}", text) else None
