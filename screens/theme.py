"""Colours by meaning, for every terminal: a tone is a word, a theme says how it looks.

The dark and the light theme keep the severities apart for people with protanopia, deuteranopia
and tritanopia (a test simulates them); `cockpit-16` uses the terminal's own sixteen colours and
`cockpit-plain` none at all. A state is never told by its colour alone: it has a glyph and a word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from textual.color import Color
from textual.style import Style
from textual.theme import Theme

DARK, LIGHT, SIXTEEN, PLAIN = "cockpit-dark", "cockpit-light", "cockpit-16", "cockpit-plain"


@dataclass(frozen=True, slots=True)
class Tone:
    """How a word looks: colours as text (`#ff4d6d`, `ansi_red`), empty for the widget's own."""

    colour: str = ""
    on: str = ""
    bold: bool = False
    dim: bool = False
    reverse: bool = False
    underline: bool = False

    @property
    def style(self) -> Style:
        """The tone as a partial style, to be laid over the widget's."""
        return Style(
            foreground=Color.parse(self.colour) if self.colour else None,
            background=Color.parse(self.on) if self.on else None,
            bold=self.bold or None,
            dim=self.dim or None,
            reverse=self.reverse or None,
            underline=self.underline or None,
        )


_DARK: Mapping[str, Tone] = {
    "critical": Tone("#ff4d73"),
    "high": Tone("#ff9a2e"),
    "warning": Tone("#f4e06d"),
    "info": Tone("#7cc4ff"),
    "ok": Tone("#2bb596"),
    "blind": Tone("#c3a6ff"),
    "accent": Tone("#5cc8ff"),
    "dim": Tone("#8d97a3"),
    "faint": Tone("#5d6772"),
    "strong": Tone("#ffffff", bold=True),
    "bold": Tone(bold=True),
    "cursor": Tone(on="#2b4257"),
    "place": Tone(on="#1d2730"),
    "alert": Tone("#ffffff", "#8f1d38", bold=True),
    "frozen": Tone("#10151a", "#7cc4ff", bold=True),
    "suspect": Tone(on="#3a1520"),
    "triage": Tone("#ffffff", "#5b4fc4", bold=True),
    "commander": Tone("#10151a", "#b5e34a", bold=True),
    "level": Tone("#10151a", "#ff9a2e", bold=True),
    "level-high": Tone("#ffffff", "#c2184b", bold=True),
}

_LIGHT: Mapping[str, Tone] = {
    "critical": Tone("#a3003a"),
    "high": Tone("#c45c00"),
    "warning": Tone("#544b00"),
    "info": Tone("#0b5cad"),
    "ok": Tone("#00806a"),
    "blind": Tone("#6b46c1"),
    "accent": Tone("#0068b8"),
    "dim": Tone("#56606b"),
    "faint": Tone("#8a939c"),
    "strong": Tone("#000000", bold=True),
    "bold": Tone(bold=True),
    "cursor": Tone(on="#c3dcf2"),
    "place": Tone(on="#e6ecf1"),
    "alert": Tone("#ffffff", "#a3123a", bold=True),
    "frozen": Tone("#ffffff", "#0068b8", bold=True),
    "suspect": Tone(on="#fbdfe5"),
    "triage": Tone("#ffffff", "#5546b8", bold=True),
    "commander": Tone("#10151a", "#a8d53a", bold=True),
    "level": Tone("#ffffff", "#a85400", bold=True),
    "level-high": Tone("#ffffff", "#b3003b", bold=True),
}

_SIXTEEN: Mapping[str, Tone] = {
    "critical": Tone("ansi_bright_red", bold=True),
    "high": Tone("ansi_yellow", bold=True),
    "warning": Tone("ansi_yellow"),
    "info": Tone("ansi_blue"),
    "ok": Tone("ansi_green"),
    "blind": Tone("ansi_magenta"),
    "accent": Tone("ansi_cyan", bold=True),
    "dim": Tone("ansi_default"),
    "faint": Tone("ansi_default"),
    "strong": Tone("ansi_default", bold=True),
    "bold": Tone(bold=True),
    "cursor": Tone(reverse=True),
    "place": Tone(underline=True),
    "alert": Tone("ansi_white", "ansi_red", bold=True),
    "frozen": Tone("ansi_black", "ansi_cyan", bold=True),
    "suspect": Tone(bold=True),
    "triage": Tone("ansi_white", "ansi_blue", bold=True),
    "commander": Tone("ansi_black", "ansi_green", bold=True),
    "level": Tone("ansi_black", "ansi_yellow", bold=True),
    "level-high": Tone("ansi_white", "ansi_red", bold=True),
}

_PLAIN: Mapping[str, Tone] = {
    "critical": Tone(bold=True),
    "high": Tone(bold=True),
    "warning": Tone(),
    "info": Tone(),
    "ok": Tone(),
    "blind": Tone(),
    "accent": Tone(bold=True),
    "dim": Tone(),
    "faint": Tone(),
    "strong": Tone(bold=True),
    "bold": Tone(bold=True),
    "cursor": Tone(reverse=True),
    "place": Tone(underline=True),
    "alert": Tone(bold=True, reverse=True),
    "frozen": Tone(bold=True, reverse=True),
    "suspect": Tone(bold=True),
    "triage": Tone(bold=True, reverse=True),
    "commander": Tone(bold=True, reverse=True),
    "level": Tone(bold=True, reverse=True),
    "level-high": Tone(bold=True, reverse=True),
}

TONES: Mapping[str, Mapping[str, Tone]] = {
    DARK: _DARK,
    LIGHT: _LIGHT,
    SIXTEEN: _SIXTEEN,
    PLAIN: _PLAIN,
}


def _ansi_variables(accent: str) -> dict[str, str]:
    return {
        "ansi-background": "ansi_black",
        "ansi-foreground": "ansi_white",
        "border-blurred": "ansi_default",
        "block-cursor-foreground": "ansi_black",
        "block-cursor-background": "ansi_white",
        "input-cursor-background": "ansi_white",
        "input-cursor-foreground": "ansi_black",
        "input-selection-background": "ansi_white",
        "input-selection-foreground": "ansi_black",
        "screen-selection-background": "ansi_white",
        "screen-selection-foreground": "ansi_black",
        "scrollbar": "ansi_default",
        "scrollbar-hover": "ansi_default",
        "scrollbar-active": "ansi_default",
        "scrollbar-background": "ansi_default",
        "scrollbar-background-hover": "ansi_default",
        "scrollbar-background-active": "ansi_default",
        "scrollbar-corner-color": "ansi_default",
        "edge": "ansi_default",
        "edge-focus": accent,
        "bar": "ansi_default",
        "field": "ansi_default",
    }


def _ansi_theme(name: str, *, accent: str, warning: str, error: str, success: str) -> Theme:
    return Theme(
        name=name,
        ansi=True,
        primary=accent,
        secondary=accent,
        warning=warning,
        error=error,
        success=success,
        accent=accent,
        foreground="ansi_default",
        background="ansi_default",
        surface="ansi_default",
        panel="ansi_default",
        boost="ansi_default",
        variables=_ansi_variables(accent),
    )


THEMES: tuple[Theme, ...] = (
    Theme(
        name=DARK,
        primary="#5cc8ff",
        secondary="#3d6d8f",
        accent="#5cc8ff",
        warning="#ff9a2e",
        error="#ff4d73",
        success="#2bb596",
        foreground="#d7dde3",
        background="#101418",
        surface="#151b21",
        panel="#1b2731",
        variables={
            "edge": "#33404b",
            "edge-focus": "#5cc8ff",
            "bar": "#1b2731",
            "field": "#1d242b",
            "scrollbar": "#3a4854",
            "scrollbar-background": "#151b21",
        },
    ),
    Theme(
        name=LIGHT,
        dark=False,
        primary="#0068b8",
        secondary="#4f86b5",
        accent="#0068b8",
        warning="#a85400",
        error="#b3003b",
        success="#00806a",
        foreground="#1b232b",
        background="#fbfcfd",
        surface="#f2f5f7",
        panel="#e2e9ef",
        variables={
            "edge": "#b9c4ce",
            "edge-focus": "#0068b8",
            "bar": "#dde6ed",
            "field": "#eef2f5",
            "scrollbar": "#a5b3bf",
            "scrollbar-background": "#eef2f5",
        },
    ),
    _ansi_theme(
        SIXTEEN,
        accent="ansi_cyan",
        warning="ansi_yellow",
        error="ansi_red",
        success="ansi_green",
    ),
    _ansi_theme(
        PLAIN,
        accent="ansi_default",
        warning="ansi_default",
        error="ansi_default",
        success="ansi_default",
    ),
)

VARIABLES = {
    "edge": "#33404b",
    "edge-focus": "#5cc8ff",
    "bar": "#1b2731",
    "field": "#1d242b",
}
"""What the style sheet needs when a theme that is not ours is chosen in the palette."""


@cache
def style(theme: str, words: str) -> Style:
    """The style of one or more tones (`critical bold`), later ones over earlier ones.

    A theme that is not ours looks like the dark one.
    """
    tones = TONES.get(theme, _DARK)
    look = Style()
    for word in words.split():
        look += tones[word].style
    return look


def choose(environ: Mapping[str, str]) -> str:
    """The theme for this terminal: `COCKPIT_THEME` when it names one of ours, else by what the
    terminal can show (`NO_COLOR`, `COLORTERM`, `TERM`).
    """
    wanted = environ.get("COCKPIT_THEME", "")
    if wanted in TONES or f"cockpit-{wanted}" in TONES:
        return wanted if wanted in TONES else f"cockpit-{wanted}"
    if environ.get("NO_COLOR"):
        return PLAIN
    term = environ.get("TERM", "")
    rich = environ.get("COLORTERM", "").lower() in {"truecolor", "24bit"} or "256" in term
    forced = environ.get("TEXTUAL_COLOR_SYSTEM", "auto")
    if forced == "standard" or (forced == "auto" and not rich and term in _SIXTEEN_TERMS):
        return SIXTEEN
    return DARK


_SIXTEEN_TERMS = {"linux", "xterm", "screen", "vt100", "vt220", "ansi", "xterm-16color", "cygwin"}


def wants_ascii(environ: Mapping[str, str], encoding: str) -> bool:
    """Whether only ASCII may be drawn: `COCKPIT_ASCII=1`, or an encoding that is not Unicode."""
    asked = environ.get("COCKPIT_ASCII", "")
    if asked:
        return asked not in {"0", "false", "no"}
    return not encoding.lower().replace("-", "").startswith("utf")


_ASCII = str.maketrans(
    {
        "✖": "X", "▲": "^", "△": "!", "●": "o", "○": ".", "✔": "+", "▶": ">", "–": "-",
        "…": "~", "·": "-", "→": ">", "←": "<", "└": "`", "├": "|", "│": "|", "─": "-",
        "×": "x", "≤": "<", "≥": ">", "⊘": "#", "✎": "*", "›": ">", "⏎": "<", "•": "*",
        "▁": "_", "▂": "_", "▃": "-", "▄": "-", "▅": "=", "▆": "=", "▇": "#", "█": "#",
        "“": '"', "”": '"', "’": "'", "‘": "'", "⏸": "=", "■": "#", "ℹ": "i", "µ": "u",
        "‹": "<", "▼": "v", "±": "~", "−": "-",
    }
)  # fmt: skip


def to_ascii(text: str) -> str:
    """The text with every other character replaced by one of the same width, `?` at the worst."""
    if text.isascii():
        return text
    from rich.cells import cell_len

    plain = text.translate(_ASCII)
    return "".join(c if c.isascii() else "?" * cell_len(c) for c in plain)
