"""Writes docs/keys.md: what every key does, from the one table of keys.

`python -m tests.tools.keys_page` from the root of the checkout.
"""

from __future__ import annotations

from pathlib import Path

from screens.bindings import as_markdown

PAGE = Path(__file__).parents[2] / "docs/keys.md"


def page() -> str:
    """The whole page."""
    return as_markdown().strip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
