"""What a step gave, made harmless: no escape, no secret, no more than a person reads."""

from __future__ import annotations

import json
from collections.abc import Mapping

from cockpit import text
from cockpit.redact import MASKER

SHOWN = 16_000
"""Characters that are shown and journalled; the whole is kept as a blob."""
KEPT = 1024 * 1024
"""Characters of an output that are kept at all."""


def sanitise(content: str, limit: int = KEPT) -> str:
    """Without escapes, control codes and known secrets; line breaks stay."""
    return MASKER.mask(text.lines(MASKER.mask(content), limit))


def shown(content: str) -> str:
    """The head of an output that is already harmless."""
    if len(content) <= SHOWN:
        return content
    left = len(content) - SHOWN
    return f"{content[:SHOWN]}\n… {left:,} more characters are kept in the record"


def line(value: object, limit: int = 200) -> str:
    """A value in one line."""
    return MASKER.mask(text.visible(str(value), limit))


def whole(value: object) -> str:
    """A value in one line, never cut: what a person approves is shown completely."""
    content = str(value)
    return MASKER.mask(text.visible(content, max(400, len(content) * 10)))


def literal(value: object) -> str:
    """A value as a call shows it: `"text"`, `42`, `{"a": [1]}`."""
    return whole(json.dumps(value, ensure_ascii=False, default=str))


def as_text(answer: Mapping[str, object]) -> str:
    """A structured answer as indented JSON, without AWS' transport metadata."""
    kept = {key: value for key, value in answer.items() if key != "ResponseMetadata"}
    return json.dumps(kept, ensure_ascii=False, indent=1, default=str) if kept else ""
