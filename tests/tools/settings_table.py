"""Writes docs/settings.md: every setting of every probe with its default, and the environment.

`python -m tests.tools.settings_table` from the root of the checkout. What a setting means is its
docstring; what has none says it by its name and the line above the table.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

from cockpit.triage.finding import Thresholds
from cockpit.triage.probe import AnyProbe
from cockpit.triage.registry import registry

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/settings.md"
HEAD = """\
# Every setting of every probe

Generated from the probes by `python -m tests.tools.settings_table`; a test holds it to them. What belongs to targets, places,
`[incident]` and `[screen]` is in [config.example.toml](../config.example.toml).

A setting is changed for all targets, or for one (which wins):
```toml
[probes."postgres.sessions"]
connections_used = { warning = 0.7 }          # the other limits stay as they are

[[target]]
# …
[target.probes."postgres.sessions"]
long_query = { warning = 600, high = 3600 }
```
A limit in braces gives its severity from that number on; “and less” gives it from that number downwards. Severities: info, warning, high,
critical. `cockpit check` names a probe or setting that does not exist, with the nearest that does.
"""
ENVIRONMENT: Mapping[str, str] = {
    "COCKPIT_CONFIG": "The configuration file, as `--config`, which wins.",
    "COCKPIT_DATA": "The folder of the journals; wins over `folder` of `[incident]`. The demo's go there too, "
    "else to the folder `demo` beside the real ones.",
    "COCKPIT_SPARE": "The only folder for a journal's second copy, should the first stop taking entries; else "
    "`/var/tmp`, the folder for temporary files, `XDG_RUNTIME_DIR`, `/dev/shm`.",
    "COCKPIT_ACTOR": "Who writes with `cockpit note`; wins over `actor` of `[incident]`.",
    "COCKPIT_THEME": "`dark`, `light`, `16` (the terminal's own colours) or `plain` (none); wins over `theme` of "
    "`[screen]`.",
    "COCKPIT_ASCII": "`1`: only ASCII glyphs, `0`: all; wins over `ascii` of `[screen]`. Unset: by the terminal's "
    "encoding.",
    "NO_COLOR": "Set: `check`, `incidents` and `timeline` print no colour.",
}


def meanings(settings: type) -> dict[str, str]:
    """Setting → the docstring below it, on one line."""
    (record,) = ast.parse(textwrap.dedent(inspect.getsource(settings))).body
    assert isinstance(record, ast.ClassDef)
    found = {}
    for before, after in zip(record.body, record.body[1:], strict=False):
        if isinstance(before, ast.AnnAssign) and isinstance(after, ast.Expr):
            assert isinstance(before.target, ast.Name)
            assert isinstance(after.value, ast.Constant)
            found[before.target.id] = " ".join(str(after.value.value).split())
    return found


def written(value: object) -> str:
    """A default as the configuration would say it."""
    if isinstance(value, Thresholds):
        levels = ("info", "warning", "high", "critical")
        given = [(level, getattr(value, level)) for level in levels]
        limits = ", ".join(f"{level} = {written(at)}" for level, at in given if at is not None)
        return "{ " + limits + " }"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "[" + ", ".join(f'"{each}"' for each in value) + "]"
    number = float(str(value))
    return str(int(number)) if number.is_integer() else repr(value)


def section(probe: AnyProbe) -> Iterator[str]:
    """A probe's heading, what holds for all its settings, and its table."""
    about = meanings(type(probe.settings))
    yield f"\n## {probe.id}\n"
    yield " ".join((type(probe.settings).__doc__ or "").split())
    yield f"A look every {probe.every:g} s, blind after {probe.timeout:g} s.\n"
    yield "| setting | default | meaning |\n|---|---|---|"
    for spec in dataclasses.fields(probe.settings):
        default = getattr(probe.settings, spec.name)
        less = " and less" if isinstance(default, Thresholds) and default.below else ""
        yield f"| `{spec.name}` | `{written(default)}`{less} | {about.get(spec.name, '')} |"


def page() -> str:
    """The whole page."""
    lines = [HEAD]
    for probe in sorted(registry().values(), key=lambda probe: probe.id):
        lines += section(probe)
    lines += ["\n## Environment variables\n", "| variable | meaning |\n|---|---|"]
    lines += [f"| `{name}` | {about} |" for name, about in ENVIRONMENT.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
