"""Members taken out of AWS answers by name and type, and reads that a look can do without.

botocore leaves absent members out, so absence is normal for some and a broken answer for others:
`need_*` raise `BlindError(unreadable)`, the rest give a plain empty value. A member of another type
than the service model promises is always unreadable.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from cockpit.connect.session import Series
from cockpit.errors import BlindError, Reason
from cockpit.text import visible
from cockpit.triage.finding import Evidence, Finding, Severity
from probes.metrics import is_blind

Answer = Mapping[str, Any]
Result = TypeVar("Result")


def text(item: Answer, name: str) -> str:
    """A string made harmless; empty when absent."""
    value = item.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _unreadable(name, "text", value)
    return visible(value, 2000)


def need_text(item: Answer, name: str) -> str:
    """A string that a real answer has. Raises `unreadable` when absent or empty."""
    return text(item, name) or _absent(name)


def number(item: Answer, name: str) -> float | None:
    """A number; None when absent, which is not zero."""
    value = item.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _unreadable(name, "a number", value)
    return float(value)


def whole(item: Answer, name: str) -> int | None:
    """A whole number; None when absent, which is not zero."""
    value = number(item, name)
    return None if value is None else int(value)


def need_whole(item: Answer, name: str) -> int:
    """A whole number that a real answer has. Raises `unreadable` when absent."""
    value = whole(item, name)
    return _absent(name) if value is None else value


def flag(item: Answer, name: str) -> bool | None:
    """A truth value; None when absent."""
    value = item.get(name)
    if value is not None and not isinstance(value, bool):
        raise _unreadable(name, "true or false", value)
    return value


def moment(item: Answer, name: str) -> datetime | None:
    """A moment in UTC; None when absent."""
    value = item.get(name)
    if value is None:
        return None
    if not isinstance(value, datetime):
        raise _unreadable(name, "a time", value)
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def section(item: Answer, name: str) -> Answer:
    """A structure; empty when absent."""
    value = item.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _unreadable(name, "a structure", value)
    return value


def items(item: Answer, name: str) -> tuple[Answer, ...]:
    """A list of structures; empty when absent."""
    value = item.get(name)
    if value is None:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise _unreadable(name, "a list", value)
    return structures(value, name)


def structures(values: Sequence[Any], name: str) -> tuple[Answer, ...]:
    """The values, each of which has to be a structure; `name` is for the error."""
    for value in values:
        if not isinstance(value, Mapping):
            raise _unreadable(name, "structures", value)
    return tuple(values)


def need_items(item: Answer, name: str) -> tuple[Answer, ...]:
    """A list that a real answer has, empty or not. Raises `unreadable` when absent."""
    return items(item, name) if item.get(name) is not None else _absent(name)


def words(item: Answer, name: str) -> tuple[str, ...]:
    """A list of strings; empty when absent."""
    value = item.get(name)
    if value is None:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise _unreadable(name, "a list", value)
    if not all(isinstance(each, str) for each in value):
        raise _unreadable(name, "a list of text", value)
    return tuple(visible(each, 2000) for each in value)


def _absent(name: str) -> Any:
    raise BlindError(Reason.UNREADABLE, f"the answer has no {name}")


def _unreadable(name: str, promised: str, value: object) -> BlindError:
    kind = type(value).__name__
    return BlindError(Reason.UNREADABLE, f"{name} of the answer is not {promised} but {kind}")


@dataclass(frozen=True, slots=True)
class Gap:
    """A part of a look that could not be made. What it would have shown is unknown."""

    what: str
    reason: str
    detail: str


async def attempt(
    gaps: list[Gap], what: str, reading: Awaitable[Result], *, otherwise: Result
) -> Result:
    """The answer, or `otherwise` with the failure added to `gaps`: for reads a look can lack."""
    try:
        return await reading
    except BlindError as error:
        gaps.append(Gap(what, error.reason.value, visible(error.message)))
        return otherwise


def blind_series(series: Mapping[str, Series]) -> tuple[Gap, ...]:
    """CloudWatch's own refusals (`Forbidden`, `InternalError`), by the name of the metric."""
    return tuple(
        Gap(f"metric {name}", "denied" if each.status == "Forbidden" else "unreachable", "")
        for name, each in series.items()
        if is_blind(each)
    )


def partly_blind(code: str, gaps: Sequence[Gap]) -> Iterator[Finding]:
    """One finding for everything that a look lacked: what was not seen is not healthy."""
    if not gaps:
        return
    what = ", ".join(sorted({gap.what for gap in gaps}))
    yield Finding(
        code,
        Severity.INFO,
        f"could not look at {what}; what depends on it is not judged",
        evidence=tuple(Evidence(gap.what, f"{gap.reason}: {gap.detail}") for gap in gaps[:8]),
        next="add the permission or the setting that the reason names",
    )
