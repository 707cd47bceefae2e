"""A runbook file → a `Runbook`, or every problem with its line.

A runbook is Markdown. Front matter is TOML between `+++` lines; a step is a heading, some prose,
and one fenced block with the info string `toml step`. Nothing else in it ever runs.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from cockpit.errors import Misconfigured
from cockpit.runbooks.block import RESERVED, read_step
from cockpit.runbooks.step import Param, Problem, Runbook, Step
from cockpit.runbooks.table import Keys, Problems, toml
from cockpit.runbooks.values import NAME, TYPES

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

LARGEST = 512 * 1024
SOURCES = ("finding.target", "finding.subject", "near")
INFO = "toml step"
_FENCE = "+++"
_FRONT = ("id", "title", "for", "aliases", "owner", "reviewed", "params")
_FILE_ID = re.compile(r"[a-z][a-z0-9-]*\Z")


@dataclass(frozen=True, slots=True)
class Parsed:
    """What became of a file. `runbook` None: it cannot be used, and `problems` say why."""

    runbook: Runbook | None
    problems: tuple[Problem, ...] = ()

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that make it unusable."""
        return tuple(problem for problem in self.problems if problem.error)


class RunbookProblems(Misconfigured):
    """Everything that is wrong with a file."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


def load(path: Path) -> Runbook:
    """The runbook of a file. Raises `RunbookProblems` with all of them."""
    parsed = parse_file(path)
    if parsed.runbook is None:
        raise RunbookProblems(parsed.errors)
    return parsed.runbook


def parse_file(path: Path, *, shipped: bool = False) -> Parsed:
    """Read and parse a file; one that cannot be read is a problem, not an error."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            return Parsed(None, (Problem(path, 0, f"larger than {LARGEST // 1024} KiB"),))
        text = content.decode("utf-8")
    except OSError as error:
        return Parsed(None, (Problem(path, 0, f"cannot be read: {error.strerror}"),))
    except UnicodeDecodeError:
        return Parsed(None, (Problem(path, 0, "is not UTF-8 text"),))
    return parse(text, path, shipped=shipped)


def parse(text: str, path: Path, *, shipped: bool = False) -> Parsed:
    """The runbook in a text. Pure; `path` only names it."""
    problems = Problems(path)
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    front, body_line = _front(text, problems)
    if front is None:
        return Parsed(None, tuple(problems.found))
    document = _document("\n".join(text.split("\n")[body_line - 1 :]), body_line, problems)
    keys = Keys(front.table, front.text, 2, problems)
    if keys.words("aliases"):
        problems.advise(keys.line("aliases"), "aliases is no longer read: put codes into `for`")
    runbook = _runbook(keys, document, text, path=path, shipped=shipped)
    keys.finish(_FRONT)
    _check_names(runbook, keys)
    found = tuple(sorted(problems.found, key=lambda problem: problem.line))
    broken = any(problem.error for problem in found)
    return Parsed(None if broken else runbook, found)


def parse_front(text: str, path: Path) -> Parsed:
    """A shipped runbook without its steps, for who only asks what it is for: its document is not
    looked at, which takes nine tenths of the time. What is shipped was wholly read by the tests.
    """
    problems = Problems(path)
    front, _ = _front(text, problems)
    if front is None:
        return Parsed(None, tuple(problems.found))
    keys = Keys(front.table, front.text, 2, problems)
    return Parsed(_runbook(keys, _Document(), text, path=path, shipped=True))


def _runbook(keys: Keys, document: _Document, text: str, *, path: Path, shipped: bool) -> Runbook:
    reviewed = _reviewed(keys)
    return Runbook(
        id=_id(keys),
        title=str(keys.take("title", str, "", needed=True)),
        codes=keys.words("for"),
        owner=str(keys.take("owner", str, "")),
        reviewed=reviewed,
        params=_params(keys),
        steps=tuple(document.steps),
        intro=document.intro,
        source=text,
        digest=hashlib.sha256(text.encode()).hexdigest(),
        path=path,
        shipped=shipped,
    )


@dataclass(frozen=True, slots=True)
class _Front:
    table: Mapping[str, object]
    text: str


def _front(text: str, problems: Problems) -> tuple[_Front | None, int]:
    """The front matter, and the file's line on which the document begins."""
    lines = text.split("\n")
    if lines[0].strip() != _FENCE:
        problems.add(1, "a runbook begins with +++, its front matter in TOML, and +++ again")
        return None, 1
    for number, line in enumerate(lines[1:], start=2):
        if line.strip() == _FENCE:
            inner = "\n".join(lines[1 : number - 1])
            table = toml(inner, 2, problems)
            return (None if table is None else _Front(table, inner)), number + 1
    problems.add(1, "the front matter is not closed by a second +++")
    return None, 1


def _id(keys: Keys) -> str:
    name = str(keys.take("id", str, "", needed=True))
    if name and not _FILE_ID.match(name):
        keys.complain("id", f"{name!r} should be lower case letters, digits and hyphens")
    return name


def _reviewed(keys: Keys) -> date | None:
    keys.taken.add("reviewed")
    value = keys.table.get("reviewed")
    if value is None:
        return None
    if type(value) is not date:
        keys.complain("reviewed", "should be a date without quotes: 2026-11-21")
        return None
    return value


def _params(outer: Keys) -> dict[str, Param]:
    params = {}
    for name, table in outer.take("params", dict, {}).items():
        if not isinstance(table, dict):
            outer.complain(name, "should be a table: [params.NAME]")
            continue
        params[name] = _param(name, outer.inner(name, table))
    return params


def _param(name: str, keys: Keys) -> Param:
    if not NAME.match(name) or name in RESERVED:
        keys.complain(name, "should be another name: lower case, not params, finding or reading")
    param = Param(
        name=name,
        type=keys.one_of("type", TYPES, "text"),
        kind=str(keys.take("kind", str, "")),
        source=keys.one_of("from", SOURCES),
        default=keys.table.get("default"),
        choices=keys.words("choices"),
        help=str(keys.take("help", str, "")),
        line=keys.line(name),
    )
    keys.taken.add("default")
    if param.type != "target" and (param.kind or param.source in {"finding.target", "near"}):
        keys.complain("type", 'should be "target" for a value that comes from a target')
    if param.type == "choice" and not param.choices:
        keys.complain("choices", "are missing")
    keys.finish()
    return param


@dataclass(slots=True)
class _Document:
    steps: list[Step] = field(default_factory=list)
    intro: str = ""


@dataclass(slots=True)
class _Section:
    """A heading with its prose and blocks while the file is read."""

    title: str
    line: int
    level: int = 0
    """1 for the document's title."""
    prose: list[str] = field(default_factory=list)
    blocks: list[tuple[str, int]] = field(default_factory=list)


def _document(body: str, first_line: int, problems: Problems) -> _Document:
    document = _Document()
    intro: list[str] = []
    for section in _sections(body, first_line, problems):
        prose = "\n\n".join(part for part in section.prose if part)
        if not section.blocks:
            if not document.steps:
                intro.append(prose if section.level < 2 else f"{section.title}\n{prose}")
            continue
        if not section.title:
            problems.add(section.blocks[0][1] - 1, "a step needs a heading above it")
        for _, extra in section.blocks[1:]:
            problems.add(extra - 1, "a second step under one heading: give it its own")
        content, line = section.blocks[0]
        table = toml(content, line, problems)
        if table is None:
            continue
        keys = Keys(table, content, line, problems)
        step = read_step(keys, title=section.title, prose=prose)
        if step is not None:
            document.steps.append(step)
    document.intro = "\n\n".join(part for part in intro if part)
    return document


def _sections(body: str, first_line: int, problems: Problems) -> list[_Section]:
    tokens = _markdown().parse(body)
    sections = [_Section("", first_line)]
    for number, token in enumerate(tokens):
        line = first_line + (token.map[0] if token.map else 0)
        before = tokens[number - 1] if number else None
        if token.type == "inline":
            text = _words(token)
            if before is not None and before.type == "heading_open":
                sections.append(_Section(text, line, int(before.tag[1:])))
            else:
                item = number > 1 and tokens[number - 2].type == "list_item_open"
                sections[-1].prose.append(f"• {text}" if item else text)
        elif token.type == "fence":
            _fence(token, line, sections[-1], problems)
    return sections


@cache
def _markdown() -> MarkdownIt:
    """Made once: its rules take as long as a file."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark")


def _fence(token: Token, line: int, section: _Section, problems: Problems) -> None:
    info = " ".join(token.info.split())
    if info == INFO:
        section.blocks.append((token.content, line + 1))
    elif info.startswith("toml ") or info.replace("-", " ").replace("_", " ") == INFO:
        problems.add(line, f"a block {info!r} never runs; a step's block is {INFO!r}")
    else:
        section.prose.append(token.content.rstrip("\n"))


def _words(token: Token) -> str:
    """The text of an inline token without its markup."""
    parts = []
    for child in token.children or ():
        if child.type in {"text", "code_inline"}:
            parts.append(child.content)
        elif child.type in {"softbreak", "hardbreak"}:
            parts.append(" ")
        elif child.type == "image":
            parts.append(child.content)
    return "".join(parts)


def _check_names(runbook: Runbook, keys: Keys) -> None:
    seen: dict[str, int] = {}
    for step in runbook.steps:
        if step.id in seen:
            keys.problems.add(step.line, f"the id {step.id!r} is taken by line {seen[step.id]}")
        if step.id in runbook.params:
            keys.problems.add(step.line, f"{step.id!r} is already the name of a parameter")
        seen.setdefault(step.id, step.line)
    if not runbook.steps and not keys.problems.found:
        keys.problems.add(0, f"has no step: a heading and a fenced block {INFO!r}")
