"""Writes docs/rights.md: what each probe must be allowed to do, from its `needs`.

`python -m tests.tools.rights_page` from the root of the checkout.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from cockpit.triage.probe import AnyProbe
from cockpit.triage.registry import registry

PAGE = Path(__file__).parents[2] / "docs/rights.md"
ACTION = re.compile(r"[a-z0-9-]+:[A-Z]\w+")
HEAD = """\
# What the probes must be allowed to do

Generated from the probes by `python -m tests.tools.rights_page`; a test holds it to them. With less, a probe is blind or partly blind and
says which right it lacks; nothing is taken for healthy. For triage this is all: nothing here changes anything.
"""


def is_action(need: str) -> bool:
    """Whether a need is an IAM action."""
    return ACTION.fullmatch(need) is not None


def section(kind: str, probes: list[AnyProbe]) -> Iterator[str]:
    """A kind's probes with their needs."""
    yield f"\n## {kind}\n"
    yield "| probe | needs |\n|---|---|"
    for probe in probes:
        needs = "<br>".join(f"`{need}`" for need in probe.needs) or "nothing"
        yield f"| {probe.id} | {needs} |"


def page() -> str:
    """The whole page."""
    probes = list(registry().values())
    lines = [HEAD]
    for kind in sorted({probe.kind for probe in probes}):
        lines += section(kind, [probe for probe in probes if probe.kind == kind])
    actions = sorted({need for probe in probes for need in probe.needs if is_action(need)})
    lines += ["\n## All IAM actions together\n", "```", *actions, "```"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
