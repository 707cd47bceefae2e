"""Writes docs/rights.md: what each probe and each statement must be allowed to do, from `needs`.

`python -m tests.tools.rights_page` from the root of the checkout.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from cockpit.connect.statements import COMMANDERS_COMMANDS, STATEMENTS
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


STEPS = """
## Steps of runbooks in databases

What only looks (risk `read`) is done with the observer's login, everything else with that of `[target.commander]`. The plan says
which of these is missing, before a name is typed. On MySQL the words of `CONNECTION ADMIN` and `REPLICATION SLAVE ADMIN` are joined
by `_`; on RDS its own procedures do it. A prepared transaction is resolved by its owner alone: log in as that. A user of Redis or Valkey that is a
commander's has, besides: `{commands}`.

| engine | statement | risk | needs |
|---|---|---|---|"""


def steps() -> Iterator[str]:
    """The statements with their needs."""
    yield STEPS.format(commands=" ".join(f"+{each}" for each in COMMANDERS_COMMANDS))
    for each in STATEMENTS.values():
        sign = "+" if each.engine == "redis" else ""
        needs = "<br>".join(f"`{sign}{need}`" for need in each.needs) or "to be its owner"
        yield f"| {each.engine} | {each.name} | {each.risk} | {needs} |"


def page() -> str:
    """The whole page."""
    probes = list(registry().values())
    lines = [HEAD]
    for kind in sorted({probe.kind for probe in probes}):
        lines += section(kind, [probe for probe in probes if probe.kind == kind])
    lines += steps()
    actions = sorted({need for probe in probes for need in probe.needs if is_action(need)})
    lines += ["\n## All IAM actions together\n", "```", *actions, "```"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
