"""What other distributions bring, by entry points: found one distribution at a time.

`importlib.metadata.entry_points()` reads all of them in one go, so a single bad line in any
package's `entry_points.txt`, of whatever tool, raises for everybody (seen with CPython 3.11 to
3.13). Here each distribution is read by itself, and what is broken is one `Broken` to tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import Distribution, EntryPoint, distributions
from importlib.resources import files
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TypeVar

from cockpit.text import visible

KINDS, PROBES = "cockpit.kinds", "cockpit.probes"
RUNBOOKS, SCENARIOS = "cockpit.runbooks", "cockpit.scenarios"
GROUPS = (KINDS, PROBES, RUNBOOKS, SCENARIOS)

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Broken:
    """A plug-in, or a part of one, that cannot be used."""

    name: str
    """The entry point's name, which is what people configure: a kind, a probe's id."""
    distribution: str
    """The distribution that brings it; several joined by ` and `."""
    why: str
    group: str = ""

    @property
    def title(self) -> str:
        """How it is named in a list of targets."""
        what = f" {self.name}" if self.name else ""
        return visible(f"plug-in{what} ({self.distribution})", 120)

    def concerns(self, distribution: str) -> bool:
        """Whether it is (also) of that distribution."""
        return distribution in self.distribution.split(" and ")

    @property
    def hint(self) -> str:
        """What to do about it."""
        return f"mend or uninstall the distribution {self.distribution}; the rest works without it"


@dataclass(frozen=True, slots=True)
class Point:
    """An entry point that was read and not yet loaded."""

    entry: EntryPoint
    distribution: str

    @property
    def name(self) -> str:
        """What it calls itself."""
        return self.entry.name

    def broken(self, why: str) -> Broken:
        """The same, with the reason why it cannot be used."""
        return Broken(self.name, self.distribution, visible(why, 300), self.entry.group)


@cache
def installed() -> tuple[tuple[Point, ...], tuple[Broken, ...]]:
    """Every entry point of our groups, by distribution and name, and what could not be read."""
    points: list[Point] = []
    named, broken = _distributions()
    for name, distribution in sorted(named.items()):
        entries, why = attempt(partial(_ours, distribution))
        points += (Point(entry, name) for entry in entries or ())
        if why:
            broken.append(Broken("", name, f"its entry points cannot be read: {why}"))
    points.sort(key=lambda point: (point.entry.group, point.distribution, point.name))
    return tuple(points), tuple(broken)


def points(group: str) -> Iterator[Point]:
    """Those of one group."""
    return (point for point in installed()[0] if point.entry.group == group)


def load(point: Point) -> tuple[object, str]:
    """What an entry point names, and an empty text; or None and why it cannot be had."""
    return attempt(point.entry.load)


@dataclass(frozen=True, slots=True)
class Document:
    """A file that a plug-in brings: a runbook, a scenario."""

    name: str
    """The file's, without its suffix."""
    distribution: str
    text: str


@cache
def documents(group: str, suffix: str) -> tuple[tuple[Document, ...], tuple[Broken, ...]]:
    """The files of the packages that a group's entry points name, and the packages that fail.

    Read through `importlib.resources`: a path would fail for a package inside a zip.
    """
    found: list[Document] = []
    broken: list[Broken] = []
    for point in points(group):
        package, why = load(point)
        if not why and not isinstance(package, ModuleType):
            why = f"{point.entry.value} is no package"
        if isinstance(package, ModuleType):
            read, why = attempt(partial(_files, package, point.distribution, suffix))
            found += read or ()
        if why:
            broken.append(point.broken(why))
    return tuple(found), tuple(broken)


def _files(package: ModuleType, distribution: str, suffix: str) -> list[Document]:
    entries = sorted(files(package).iterdir(), key=lambda entry: entry.name)
    return [
        Document(entry.name.removesuffix(suffix), distribution, entry.read_text(encoding="utf-8"))
        for entry in entries
        if entry.name.endswith(suffix)
    ]


def attempt(work: Callable[[], Value]) -> tuple[Value | None, str]:
    """Do something in the code of others: its value, or None and what it raised as one line."""
    with _Blame() as blame:
        return work(), ""
    return None, blame.why


class _Blame:
    """Keeps what code of others raises, whatever it is: an import can fail in every way.

    Not a hiding place: whoever uses it must tell `why`. An interrupt by the person passes.
    """

    def __init__(self) -> None:
        self.why = ""

    def __enter__(self) -> _Blame:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if error is None or isinstance(error, KeyboardInterrupt):
            return False
        self.why = visible(f"{type(error).__name__}: {error}".removesuffix(": "), 300)
        return True


def _distributions() -> tuple[dict[str, Distribution], list[Broken]]:
    """By name; of two with one name the first on the path counts, as for an import. And those of
    our plug-ins that have none: what an interrupted installation leaves. Empty where none speaks of
    us, as on most machines: to parse the METADATA of all takes longer than all else in here.
    """
    found: dict[str, Distribution] = {}
    torn: list[Broken] = []
    known = list(distributions())
    if not any(_speaks(each) for each in known):
        return found, torn
    for each in known:
        name, why = attempt(partial(_name, each))
        if name:
            found.setdefault(name, each)
        elif any(attempt(partial(_ours, each))):
            folder = Path(
                str(getattr(each, "_path", "?"))
            ).name  # nothing public tells where it lies
            told = f"its METADATA has no name, so nothing of it is used ({why or 'no Name'})"
            torn.append(Broken("", folder, f"{told}: install it again", ""))
    return found, torn


def _name(distribution: Distribution) -> str:
    return str(distribution.metadata["Name"] or "")


def _speaks(distribution: Distribution) -> bool:
    """Whether its entry points may be ours, or cannot even be read."""
    entries, why = attempt(partial(_ours, distribution))
    return bool(entries or why)


def _ours(distribution: Distribution) -> list[EntryPoint]:
    """Of a distribution that does not speak of us nothing is parsed: it is not ours to judge."""
    text = distribution.read_text("entry_points.txt") or ""
    if not any(group in text for group in GROUPS):
        return []
    return [entry for entry in distribution.entry_points if entry.group in GROUPS]
