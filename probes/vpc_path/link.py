"""What a part of the way does: passes, blocks, or cannot be judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Between:
    """What the way between the ends does, and whether group references work over it."""

    passes: list[tuple[str, str, str]] = field(default_factory=list)
    unknown: list[tuple[str, str, str]] = field(default_factory=list)
    blocks: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    keeps_groups: bool = True

    def stop(self, code: str, name: str, *, subject: str, summary: str, **more: Any) -> None:
        """Something stands here."""
        self.blocks.append((code, name, {"subject": subject, "summary": summary, **more}))

    @property
    def closed(self) -> bool:
        """Whether nothing at all passes."""
        return any(not (more.get("mild") or more.get("partial")) for _, _, more in self.blocks)


def together(parts: Sequence[Between]) -> Between:
    """Parts of a range that go several ways: what blocks one of them blocks only a part, as long
    as another is not blocked.
    """
    whole = Between(keeps_groups=all(part.keeps_groups for part in parts))
    some = not all(part.closed for part in parts)
    for part in parts:
        whole.passes += part.passes
        whole.unknown += [] if part.closed else part.unknown
        for code, name, more in part.blocks:
            partial = some and not more.get("mild")
            whole.blocks.append((code, name, {**more, "partial": True} if partial else more))
    return whole
