"""Which file to read, and what it says before it is checked."""

from __future__ import annotations

import shlex
import tomllib
from pathlib import Path
from typing import Any

from cockpit.errors import Misconfigured
from cockpit.ownership import stranger
from cockpit.text import visible

FILE = "cockpit.toml"
EXAMPLE = "config.example.toml"
_LONGEST = 2000
"""Characters of a problem."""
NAME, OLD_NAME = "incident-cockpit", "cockpit"


class ConfigProblems(Misconfigured):
    """Everything that is wrong with a file; `problems` holds one line each."""

    def __init__(self, path: Path, problems: list[str]) -> None:
        self.problems = tuple(visible(f"{path.name}: {each}", _LONGEST) for each in problems)
        super().__init__("\n".join(self.problems), hint=f"every setting is shown in {example()}")


def example() -> Path:
    """The manual of the configuration: in the package when installed, else in the checkout."""
    here = Path(__file__).parent
    shipped = here / EXAMPLE
    return shipped if shipped.is_file() else here.parent / EXAMPLE


def find(explicit: Path | None = None) -> Path:
    """The file to read: the one named, else the current folder's, else the user's.

    Raises `Misconfigured` when there is none, and for one that nobody named and a stranger may
    have written: it says which programs run for its secrets.
    """
    import platformdirs

    if explicit is not None:
        if (why := _no_file(explicit)) is not None:
            raise Misconfigured(f"{explicit}: {why}", hint="cockpit --config PATH")
        return explicit
    places = (Path(FILE), platformdirs.user_config_path(NAME) / FILE)
    for place in (*places, old_file()):
        if place.is_file():
            _must_be_ours(place)
            return place
    raise Misconfigured(
        f"no configuration: neither ./{FILE} nor {places[1]} exists",
        hint=f"cp {shlex.quote(str(example()))} {FILE}, or try: cockpit demo",
    )


def _must_be_ours(place: Path) -> None:
    try:
        found = stranger(place.absolute())
    except OSError as error:
        raise Misconfigured(f"{place}: cannot be read: {error.strerror}") from None
    if found is None:
        return
    where, why = found
    mend = "" if "belongs" in why else f"chmod go-w {shlex.quote(str(where))}, or "
    raise Misconfigured(
        f"{place} is not read: {why}, and a configuration says which programs run",
        hint=f"{mend}if you trust it: cockpit --config {shlex.quote(str(place))}",
    )


def old_file() -> Path:
    """Where 0.1 looked for the user's file: that folder is the Linux admin console's."""
    import platformdirs

    return platformdirs.user_config_path(OLD_NAME) / FILE


def word(path: Path) -> str:
    """What to tell of the file that is read; empty for one that lies where it should."""
    if path != old_file():
        return ""
    import platformdirs

    new = platformdirs.user_config_path(NAME) / FILE
    folder, here, there = (shlex.quote(str(each)) for each in (new.parent, path, new))
    move = f"mkdir -p {folder} && mv {here} {there}"
    return f"the configuration of 0.1 is read from {path}; to put it in its place: {move}"


def _no_file(path: Path) -> str | None:
    """Why a path is no file that can be read; None when it is one."""
    try:
        path.stat()
    except FileNotFoundError:
        return "no such file"
    except OSError as error:
        return error.strerror or "cannot be read"
    if path.is_dir():
        return "is a folder, not a file"
    return None if path.is_file() else "is not a file"


def glance(explicit: Path | None = None) -> tuple[Path, dict[str, Any]] | None:
    """The file and what it says, unchecked: for what must work while the rest is wrong.

    None when nobody named a file and none can be read. Raises `Misconfigured` for one that was
    named and cannot.
    """
    try:
        path = find(explicit)
        return path, document(path)
    except Misconfigured:
        if explicit is not None:
            raise
        return None


def document(path: Path) -> dict[str, Any]:
    """What a file says, unchecked. Raises `ConfigProblems`."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigProblems(path, [f"cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError as error:
        raise ConfigProblems(path, [f"is not UTF-8 text (byte {error.start})"]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigProblems(path, [f"is not TOML: {error}"]) from None
