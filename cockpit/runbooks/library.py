"""The runbooks there are: those that are shipped, and the folders of the configuration.

A runbook of the user with the id of a shipped one replaces it. One broken file never hides the
others: its problems are kept beside them.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from cockpit import plugins
from cockpit.errors import Misconfigured
from cockpit.runbooks.format import Parsed, parse, parse_file, parse_front
from cockpit.runbooks.step import Problem, Runbook
from cockpit.text import nearest

SUFFIX = ".md"
_MOST_FILES = 500


@dataclass(frozen=True, slots=True)
class Library:
    """Runbooks in the order of their ids, those of the user before the shipped ones of one code.

    What it gives by id or code is whole, also where it holds shipped ones without their steps.
    """

    runbooks: tuple[Runbook, ...] = ()
    problems: tuple[Problem, ...] = ()
    """Of files that could not be used."""

    def get(self, runbook_id: str) -> Runbook:
        """The runbook with an id. Raises `Misconfigured` with the nearest one."""
        found = self.find(runbook_id)
        if found is None:
            ids = [runbook.id for runbook in self.runbooks]
            raise Misconfigured(
                f"no runbook {runbook_id!r}{nearest(runbook_id, ids)}", hint="cockpit runbook list"
            )
        return found

    def find(self, runbook_id: str) -> Runbook | None:
        """Like `get`; None when there is none."""
        found = next((runbook for runbook in self.runbooks if runbook.id == runbook_id), None)
        return None if found is None else _whole(found)

    def for_code(self, code: str, kind: str = "") -> tuple[Runbook, ...]:
        """The runbooks that list a code in `for`, the best first: the only binding there is.

        The user's own come before the shipped ones, then the one that lists it earlier. `kind`: of
        the target that has the finding; one that looks at targets of another kind comes last.
        """
        return tuple(map(_whole, self._fitting(code, kind)))

    def best(self, code: str, kind: str = "") -> str:
        """The id of the best runbook for a code; empty when there is none."""
        return next((runbook.id for runbook in self._fitting(code, kind)), "")

    def named(self, code: str, kinds: Iterable[str]) -> str:
        """The ids of the best for each of some kinds, as text; empty when there is none."""
        return ", ".join(dict.fromkeys(filter(None, (self.best(code, kind) for kind in kinds))))

    def _fitting(self, code: str, kind: str) -> list[Runbook]:
        fitting = [runbook for runbook in self.runbooks if code in runbook.codes]
        return sorted(
            fitting,
            key=lambda each: (
                bool(kind) and _is_of_others(each, kind),
                each.shipped,
                each.codes.index(code),
            ),
        )


def _is_of_others(runbook: Runbook, kind: str) -> bool:
    """Whether it looks at what has the finding, and only where that is of another kind: the codes
    of a connection are told at endpoints, databases and caches alike.
    """
    looked_at = {
        param.kind for param in runbook.params.values() if param.source == "finding.target"
    }
    return bool(looked_at) and not looked_at & {"", kind}


def library(
    folders: Iterable[Path] = (), *, codes: Iterable[str] | None = None, whole: bool = True
) -> Library:
    """The shipped runbooks and those of some folders. Never raises for a file.

    `codes`: of the shipped ones only those that may be for one of them. `whole` False, and with
    `codes`: the shipped ones are held without their steps, which are read when one is asked for; to
    read all takes longer than a whole look at a few targets. What is best for such a code is the
    same.
    """
    ours = shipped() if codes is None and whole else _fronts(codes)
    parsed = [*ours, *brought()]
    for folder in folders:
        parsed += _folder(folder)
    return collected(parsed)


def collected(parsed: Iterable[Parsed]) -> Library:
    """The usable ones of some files; the later of two with one id wins when it is the user's."""
    found: dict[str, Runbook] = {}
    problems: list[Problem] = []
    for each in parsed:
        problems += each.problems
        runbook = each.runbook
        if runbook is None:
            continue
        taken = found.get(runbook.id)
        if taken is not None and not taken.shipped:
            told = f"the id {runbook.id!r} is taken by {taken.path}"
            problems.append(Problem(runbook.path, 0, told))
            continue
        found[runbook.id] = runbook
    ordered = sorted(found.values(), key=lambda runbook: runbook.id)
    return Library(tuple(ordered), tuple(problem for problem in problems if problem.error))


@cache
def shipped() -> tuple[Parsed, ...]:
    """What is in the package."""
    return tuple(map(_parsed, _texts()))


def _fronts(codes: Iterable[str] | None) -> Iterator[Parsed]:
    wanted = None if codes is None else tuple(codes)
    for id_, text in _texts().items():
        if wanted is None or any(code in text for code in wanted):
            yield parse_front(text, Path(id_ + SUFFIX))


def _whole(runbook: Runbook) -> Runbook:
    """With its steps, for one of ours that was read without them."""
    if runbook.steps or not runbook.shipped or runbook.id not in _texts():
        return runbook
    return _parsed(runbook.id).runbook or runbook


@cache
def _texts() -> Mapping[str, str]:
    """Id, which is the file's name, → what is in the package."""
    folder = files("cockpit.runbooks") / "library"
    return {
        entry.name.removesuffix(SUFFIX): entry.read_text(encoding="utf-8")
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(SUFFIX)
    }


@cache
def _parsed(id_: str) -> Parsed:
    return parse(_texts()[id_], Path(id_ + SUFFIX), shipped=True)


@cache
def brought() -> tuple[Parsed, ...]:
    """What other distributions bring. They may not take the place of a runbook of the product:
    only a person may, by a folder in the configuration.
    """
    documents, _ = plugins.documents(plugins.RUNBOOKS, SUFFIX)
    return tuple(
        _not_ours(
            parse(each.text, Path(each.distribution, each.name + SUFFIX), shipped=True), _texts()
        )
        for each in documents
    )


def _not_ours(parsed: Parsed, ours: Container[str]) -> Parsed:
    runbook = parsed.runbook
    if runbook is None or runbook.id not in ours:
        return parsed
    taken = Problem(runbook.path, 0, f"the id {runbook.id!r} is one of the product's own")
    return Parsed(None, (*parsed.problems, taken))


def _folder(folder: Path) -> Iterator[Parsed]:
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == SUFFIX)
    except OSError as error:
        yield Parsed(None, (Problem(folder, 0, f"cannot be read: {error.strerror}"),))
        return
    for path in paths[:_MOST_FILES]:
        yield parse_file(path)
    if len(paths) > _MOST_FILES:
        told = f"has {len(paths)} runbooks; only the first {_MOST_FILES} are read"
        yield Parsed(None, (Problem(folder, 0, told),))
