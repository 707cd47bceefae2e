"""Panes: a list or a text in a frame whose title can hold numbers in their tone."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

from screens.host import host_of
from screens.theme import style, to_ascii


def set_title(widget: Widget, title: Content) -> None:
    """Put a title with tones on the frame, only when it changed: a new title repaints the pane.

    Textual reads a `str` title as markup; this hands it finished `Content`.
    """
    if getattr(widget, "cockpit_title", None) == title.markup:
        return
    widget.cockpit_title = title.markup  # type: ignore[attr-defined]
    theme = widget.app.theme
    spans = [
        span._replace(style=style(theme, span.style)) if isinstance(span.style, str) else span
        for span in title.spans
    ]
    text = drawable(widget, title.plain)
    widget.border_title = Content(text, spans)


def set_subtitle(widget: Widget, text: str) -> None:
    """The words at the lower edge of the frame; the empty text removes them."""
    if getattr(widget, "cockpit_subtitle", "") == text:
        return
    widget.cockpit_subtitle = text  # type: ignore[attr-defined]
    widget.border_subtitle = Content(drawable(widget, text))


def drawable(widget: Widget, text: str) -> str:
    """The text as this terminal can show it."""
    return to_ascii(text) if host_of(widget).ascii_only else text
