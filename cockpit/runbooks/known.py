"""What runbooks are checked against: codes, probes, named statements, AWS calls.

Injected, so that a file can be checked in a test without any of the real ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache

from cockpit.connect.aws.models import validate_call, validate_draft
from cockpit.connect.statements import STATEMENTS, Statement

CheckCall = Callable[[str, Mapping[str, object]], Sequence[str]]
"""(call, arguments) → what AWS' service model has against it; empty: nothing."""
CheckDraft = Callable[[str, Mapping[str, object], Callable[[object], bool]], Sequence[str]]
"""The same for a call of which some values are not known yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """None: that sort of name is not checked."""

    codes: frozenset[str] | None = None
    """Every finding code that a probe can give."""
    kinds: frozenset[str] | None = None
    """Every kind of target."""
    probes: Mapping[str, str] | None = None
    """Probe id → the kind of target that it looks at."""
    shapes: Mapping[str, type] = field(default_factory=dict)
    """Probe id → the type of its snapshots."""
    statements: Mapping[str, Statement] = field(default_factory=lambda: STATEMENTS)
    check_call: CheckCall = validate_call
    check_draft: CheckDraft = validate_draft
    today: date | None = None
    """For the freshness of `reviewed`."""


@cache
def known() -> Known:
    """The real ones. Slow the first time: imports every probe."""
    from cockpit import clock
    from cockpit.triage.registry import catalog

    probes = catalog().probes
    return Known(
        codes=frozenset(code for probe in probes.values() for code in probe.codes),
        kinds=frozenset(catalog().kinds),
        probes={id_: probe.kind for id_, probe in probes.items()},
        shapes={id_: probe.snapshot for id_, probe in probes.items()},
        today=clock.now().date(),
    )
