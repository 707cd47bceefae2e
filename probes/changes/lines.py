"""Lines that say a difference: `+` came, `−` went, `a → b` is another now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

CAME, WENT = "+", "−"
_LONGEST = 160
MOST = 40


def listed(value: object) -> Sequence[object]:
    """The values as a list; a single one as a list of it, which is how policies are written."""
    if value is None:
        return ()
    return value if isinstance(value, list | tuple) else (value,)


def changed(what: str, before: object, after: object) -> str:
    """Empty when nothing changed. `0` and absent are the same to ECS."""
    was, now = str(before or ""), str(after or "")
    if was == now:
        return ""
    short = ("/" in was or "/" in now) and " role" in what
    if short:
        was, now = was.rpartition("/")[2], now.rpartition("/")[2]
    return f"{what}: {was or 'not set'} → {now or 'not set'}"


def cut(text: str) -> str:
    """At most so long that a line is read at a glance."""
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def settings(before: Mapping[str, object], after: Mapping[str, object]) -> tuple[str, ...]:
    """Two flat structures: what is another now."""
    told = (changed(name, before.get(name), after.get(name)) for name in sorted({*before, *after}))
    return tuple(cut(each) for each in told if each)
