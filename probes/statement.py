"""Long statements live in files beside the probe that sends them: an editor colours them there."""

from __future__ import annotations

from importlib.resources import files


def statement(family: str, file: str) -> str:
    """The text of a file such as `probes/postgres/pulse.sql`, also inside a zip."""
    return (files("probes") / family / file).read_text(encoding="utf-8").strip()
