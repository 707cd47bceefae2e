"""Incidents as data: what the rule for prime suspects is measured on."""

from __future__ import annotations

import importlib
import pkgutil


def every_family() -> None:
    """Load all stories: each module `families_*` adds its own."""
    for each in pkgutil.iter_modules(__path__):
        if each.name.startswith("families_"):
            importlib.import_module(f"{__name__}.{each.name}")
