"""Looks that were recorded, and what is told of them."""

from __future__ import annotations

from pathlib import Path

from cockpit.triage import recording
from cockpit.triage.probe import AnyProbe

FOLDER = Path(__file__).parent / "recordings"


def octets(name: str) -> bytes:
    """What its file holds."""
    return (FOLDER / f"{name}.json").read_bytes()


def told(name: str, probe: AnyProbe) -> tuple[str, set[str]]:
    """The headline and the codes of what is found. Its tables can be drawn, too."""
    look = recording.decode(octets(name), probe.snapshot)
    assert probe.facts is not None
    assert probe.tables is not None
    assert [table.rows for table in probe.tables(look, probe.settings)]
    codes = {finding.code for finding in probe.diagnose(look, probe.settings)}
    return next(iter(probe.facts(look, probe.settings))).text, codes
