"""Writes docs/cockpit.1, the manual page, from the commands' own help.

`python -m tests.tools.man_page` from the root of the checkout.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from cockpit import __version__
from cockpit.cli.main import main_group

PAGE = Path(__file__).parents[2] / "docs/cockpit.1"
TAIL = """\
.SH EXIT STATUS
.TP
0
Nothing wrong, or done.
.TP
1, 2, 3
Of check: a warning; high or critical; something could not be examined and nothing worse was found.
.TP
64
The command line or the configuration is wrong.
.TP
70
It could not be done, or a bug of ours.
.TP
130
Interrupted.
.SH FILES
.TP
./cockpit.toml
The configuration; else the user's, or the one that --config or COCKPIT_CONFIG names.
.SH ENVIRONMENT
COCKPIT_CONFIG, COCKPIT_DATA, COCKPIT_ACTOR, COCKPIT_THEME, COCKPIT_ASCII, NO_COLOR.
"""


def plain(text: str) -> str:
    """A text as roff takes it: no request, no escape."""
    safe = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join(f"\\&{line}" if line[:1] in ".'" else line for line in safe.splitlines())


def options(command: click.Command, context: click.Context) -> Iterator[str]:
    """Each option with its help."""
    for parameter in command.get_params(context):
        told = parameter.get_help_record(context)
        if told is not None:
            yield f".TP\n.B {plain(told[0])}\n{plain(told[1])}"


def section(command: click.Command, context: click.Context, name: str) -> Iterator[str]:
    """A command with its usage, help and options, and the commands below it."""
    usage = " ".join(command.collect_usage_pieces(context))
    yield f".SS {plain(name)}\n.B cockpit {plain(name)}\n{plain(usage)}"
    for paragraph in (command.help or "").split("\n\n"):
        yield f".PP\n{plain(' '.join(paragraph.split()))}"
    yield from options(command, context)
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            below = command.get_command(context, inner)
            assert below is not None
            yield from section(below, click.Context(below, context, inner), f"{name} {inner}")


def page() -> str:
    """The whole page."""
    context = click.Context(main_group, info_name="cockpit")
    lines = [
        f'.TH COCKPIT 1 "" "cockpit {__version__}" "User Commands"',
        ".SH NAME",
        r"cockpit \- the terminal an incident commander opens when production on AWS breaks",
        ".SH SYNOPSIS",
        r".B cockpit\fR [\fIOPTIONS\fR] [\fICOMMAND\fR] [\fIARGS\fR]...",
        ".SH DESCRIPTION",
        plain(" ".join((main_group.help or "").split())),
        ".SH OPTIONS",
        *options(main_group, context),
        ".SH COMMANDS",
    ]
    for name in main_group.list_commands(context):
        command = main_group.get_command(context, name)
        assert command is not None
        lines += section(command, click.Context(command, context, name), name)
    return "\n".join(lines) + "\n" + TAIL


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
