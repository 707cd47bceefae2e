"""The command line: commands, exit codes, errors. Each command is imported when it is called."""

from __future__ import annotations

import contextlib
import gc
import os
import pkgutil
import sys
import tempfile
import traceback
from functools import cache
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any

import click

from cockpit import __version__
from cockpit.cli import commands
from cockpit.errors import CockpitError, Misconfigured
from cockpit.redact import MASKER
from cockpit.text import visible

USAGE = 64
INTERRUPTED = 130
FAILED = 70

_WITHOUT_FILES = {"explain", "scenarios", "schema"}
"""Commands that read neither a configuration nor a journal."""
SECTIONS = ("An incident", "Looking", "The record", "Runbooks", "Practice")
"""The order of the list; a section that is not here stands behind them."""


@cache
def names() -> tuple[str, ...]:
    """The commands there are: the files of `cockpit.cli.commands`."""
    found = (module.name for module in pkgutil.iter_modules(commands.__path__))
    return tuple(sorted(name.replace("_", "-") for name in found))


class Commands(click.Group):
    """Loads a command's module only when it is called or listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """By name; `--help` has them by section."""
        return list(names())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command itself; the nearest name is left to click."""
        return _loaded(cmd_name)[0] if cmd_name in names() else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """In the order of an incident, not of the alphabet."""
        listed: dict[str, list[tuple[int, str, str]]] = {section: [] for section in SECTIONS}
        for name in names():
            command, section, place = _loaded(name)
            row = (place, name, command.get_short_help_str(100))
            listed.setdefault(section, []).append(row)
        for section, rows in listed.items():
            if rows:
                with formatter.section(section):
                    formatter.write_dl([(name, about) for _, name, about in sorted(rows)])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Tell the nearest command for a word that is none."""
        if args and args[0] not in names() and not args[0].startswith("-"):
            from cockpit.text import nearest

            raise Misconfigured(
                f"no command {args[0]!r}{nearest(args[0], names())}", hint="cockpit --help"
            )
        return super().resolve_command(ctx, args)


def _loaded(name: str) -> tuple[click.Command, str, int]:
    """A command, and where it stands in the list."""
    module = import_module(f"{commands.__name__}.{name.replace('-', '_')}")
    return module.COMMAND, module.SECTION, module.PLACE


@click.group(cls=Commands, invoke_without_command=True)
@click.option(
    "--config",
    "-c",
    type=click.Path(path_type=Path),
    envvar="COCKPIT_CONFIG",
    help="The configuration file (else ./cockpit.toml, else the user's).",
)
@click.option(
    "--role", type=click.Choice(["triage", "commander"]), help="Overrides the configuration's role."
)
@click.version_option(__version__, prog_name="cockpit")
@click.pass_context
def main_group(ctx: click.Context, config: Path | None, role: str | None) -> None:
    """Look at everything that can be broken, say what is wrong, and run the repair.

    Without a command: the incidents that are open, or a new one.
    """
    ctx.obj = {"config": config, "role": role}
    if ctx.invoked_subcommand not in _WITHOUT_FILES:
        _tell_moves(config)
    if ctx.invoked_subcommand is None:
        ctx.invoke(import_module("cockpit.cli.tui").start)


def _tell_moves(config: Path | None) -> None:
    """Move what 0.1 kept elsewhere, before anything reads it, and say so in a word."""
    from cockpit.config_file import FILE, find, word

    said = []
    if not os.environ.get("COCKPIT_DATA"):
        from cockpit.incident.home import home

        said.append(home().word)
    if config is None and not Path(FILE).is_file():
        with contextlib.suppress(Misconfigured):
            said.append(word(find()))
    for line in filter(None, said):
        _talk(f"cockpit: {_sanitise(line)}")


def main(arguments: list[str] | None = None) -> None:
    """The console script. Ends the process; never with a traceback."""
    with contextlib.ExitStack() as end:
        end.push(_end_of_bug)
        code = run(arguments)
        gc.freeze()  # else Python goes through all modules for garbage before it takes them apart
        sys.exit(code)


def _end_of_bug(
    kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
) -> None:
    """Python would end a bug with 1, which monitoring reads as a warning."""
    if kind is None or error is None or not issubclass(kind, Exception):
        return
    _report_bug(kind, error, trace)
    raise SystemExit(FAILED)


def _report_bug(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """A bug of ours: one line for the person, the traceback in a file that the line names."""
    report = "".join(traceback.format_exception(kind, error, trace))
    handle, path = tempfile.mkstemp(prefix="cockpit-bug-", suffix=".txt", text=True)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(MASKER.mask(report))
    _talk(f"cockpit: a bug of ours, {kind.__name__}: {_sanitise(str(error)[:200])}")
    _talk(f"  please report it with the file {path}")


def run(arguments: list[str] | None = None) -> int:
    """Run one command and give the exit code."""
    try:
        outcome: Any = main_group.main(args=arguments, prog_name="cockpit", standalone_mode=False)
    except CockpitError as error:
        tell(error)
        return USAGE if isinstance(error, Misconfigured) else FAILED
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "")
        return 0
    except click.ClickException as error:
        _talk(f"cockpit: {_sanitise(error.format_message())}")
        context = error.ctx if isinstance(error, click.UsageError) else None
        _talk(f"  try: {context.command_path if context else 'cockpit'} --help")
        return USAGE
    except (KeyboardInterrupt, click.Abort):
        _talk("cockpit: interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return INTERRUPTED
    except OSError as error:
        _talk(f"cockpit: {error.strerror or error}: {error.filename or ''}".rstrip(": "))
        return FAILED
    return outcome if isinstance(outcome, int) else 0


def tell(error: CockpitError) -> None:
    """An error as people read it: what happened, then the line to type."""
    for line in error.message.splitlines():
        _talk(f"cockpit: {_sanitise(line)}")
    if error.hint:
        _talk(f"  {_sanitise(error.hint)}")


def _talk(line: str) -> None:
    """A line on stderr, unless the terminal behind it is gone: then there is nobody to tell."""
    with contextlib.suppress(OSError):
        click.echo(line, err=True)


def _sanitise(said: str) -> str:
    """What files and servers put into an error reaches no terminal as an escape or a secret."""
    return MASKER.mask(visible(MASKER.mask(said), 2000))


if __name__ == "__main__":
    main()
