"""Writes cockpit/schema/config.json: the configuration for editors, without plug-ins.

`python -m tests.tools.config_schema` from the root of the checkout.
"""

from __future__ import annotations

import json
from pathlib import Path

from cockpit.config.schema import schema
from cockpit.triage.registry import catalog

FILE = Path(__file__).parents[2] / "cockpit/schema/config.json"


def page() -> str:
    """The whole file."""
    return json.dumps(schema(catalog()), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(page(), encoding="utf-8")
