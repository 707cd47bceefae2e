"""What the parts of the screen tell each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from screens.shown import Shown


@dataclass
class Refreshed(Message, bubble=False):
    """There is something new to draw. Carries all of it, so a later one replaces this one."""

    shown: Shown

    def can_replace(self, message: Message) -> bool:
        """The newest is enough."""
        return isinstance(message, Refreshed)


@dataclass
class Ticked(Message, bubble=False):
    """A second went by. Ages are drawn again where they changed."""

    shown: Shown

    def can_replace(self, message: Message) -> bool:
        """The newest is enough."""
        return isinstance(message, Ticked)


@dataclass
class Typed(Message):
    """A line was typed at the prompt and Enter was pressed."""

    purpose: str
    """`note`, `filter`, or what the screen asked for: `reason`, `title`."""
    text: str


@dataclass
class Typing(Message):
    """The prompt's text changed; a filter follows it."""

    purpose: str
    text: str


@dataclass
class Left(Message):
    """Esc was pressed at the prompt."""

    purpose: str
