"""The rules of a probe as its source has them: which function gives a code, and from what.

A rule is a function that gives a finding with the code, by itself or through a table. What is only
compared with a code gives none, and a table counts only where it is known: in its own module, and
where it is imported.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise

Function = ast.FunctionDef | ast.AsyncFunctionDef
_CODE = r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+"
_LABEL = re.compile(rf"{_CODE}(?:, {_CODE})*: ")
"""How a paragraph begins that is of some codes only, where one rule gives several."""


@dataclass(frozen=True, eq=False)
class Source:
    """A module as it is written."""

    name: str
    tree: ast.Module

    @cached_property
    def functions(self) -> tuple[Function, ...]:
        """All of them, the outer ones first."""
        return tuple(node for node in ast.walk(self.tree) if isinstance(node, Function))

    @cached_property
    def constants(self) -> Mapping[str, ast.expr]:
        """What stands at the module's own level; not `PROBE`, which lists every code."""
        found = {}
        for node in self.tree.body:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    found[name] = value
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                    found[name] = value
        found.pop("PROBE", None)
        return found

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The texts below its constants."""
        return tuple(
            inspect.cleandoc(after.value.value)
            for before, after in pairwise(self.tree.body)
            if isinstance(before, ast.Assign | ast.AnnAssign)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
            and isinstance(after.value.value, str)
        )

    @cached_property
    def imported(self) -> Mapping[str, tuple[str, str]]:
        """Name here → the module that it is from, and its name there."""
        return {
            alias.asname or alias.name: (node.module, alias.name)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.ImportFrom) and node.module
            for alias in node.names
        }

    def constant(self, name: str) -> ast.expr | None:
        """The value of a constant that is known here by this name; None: there is none."""
        if name in self.constants:
            return self.constants[name]
        module, there = self.imported.get(name, ("", ""))
        known = source(module) if module else None
        return known.constants.get(there) if known else None

    def function(self, name: str) -> tuple[Source, Function] | None:
        """The function of this package that a call of this name reaches, and where it stands."""
        for each in self.functions:
            if each.name == name:
                return self, each
        module, there = self.imported.get(name, ("", ""))
        near = module.partition(".")[0] == self.name.partition(".")[0]
        known = source(module) if near else None
        return known.function(there) if known and known is not self else None


@dataclass(frozen=True, slots=True)
class Rule:
    """A function that gives a finding with a code."""

    body: Function
    source: Source
    code: str
    home: str
    """The probe's own module."""

    @property
    def delegates(self) -> bool:
        """Whether it lets others judge: what it says, and judges by, is then not of one code."""
        asked = [self.source.function(ast.unparse(call.func)) for call in calls_in(self.body)]
        gives = [ast.unparse(each[1].returns or ast.Constant("")) for each in asked if each]
        forwards = any(isinstance(node, ast.YieldFrom) for node in ast.walk(self.body))
        return self.body.name == "diagnose" and (forwards or any("Finding" in g for g in gives))

    def told(self) -> tuple[str, ...]:
        """Its words on the code, a paragraph each.

        A code that is only handed on is explained by who takes it; a rule without words by those
        for whom it judges.
        """
        own = ast.get_docstring(self.body) or ""
        labelled = tuple(of_code(own, self.code, labelled=True))
        if labelled and self.delegates:
            return labelled
        takers = [] if labelled else self.takers()
        asked = [body for _, body in takers] or [self.body]
        for _ in range(3):
            said = [t for each in asked for t in of_code(ast.get_docstring(each) or "", self.code)]
            if said:
                return tuple(said)
            asked = list(self._callers(asked))
        return ()

    def takers(self) -> list[tuple[Source, Function]]:
        """The functions that are handed the code, as it stands, to make the finding of it."""
        reached = (self.source.function(ast.unparse(call.func)) for call in self.handing())
        return [each for each in reached if each is not None]

    def handing(self) -> list[ast.Call]:
        """The calls of functions with the code, as it stands, among the arguments."""
        return [
            call
            for call in calls_in(self.body)
            if isinstance(call.func, ast.Name)
            and any(
                isinstance(a, ast.Constant) and a.value == self.code for a in arguments_of(call)
            )
            and self.source.function(call.func.id) is not None
        ]

    def _callers(self, asked: list[Function]) -> Iterator[Function]:
        names = {each.name for each in asked}
        for each in self.source.functions:
            if each not in asked and each.name != "diagnose" and names & names_in(each):
                yield each


def is_code(word: object) -> bool:
    """Whether a word is written as a finding's code."""
    return isinstance(word, str) and re.fullmatch(_CODE, word) is not None


def of_tables(module: str, code: str) -> Iterator[str]:
    """What the texts below the tables say of this code alone, there and in what it imports."""
    for known in closure(module):
        for words in known.words:
            if _LABEL.search(words):
                yield from (text for text in of_code(words, code, labelled=True))


def of_code(docstring: str, code: str, *, labelled: bool = False) -> Iterator[str]:
    """The paragraphs that begin with this code, `CODE: …`, then those that speak of every one.

    `labelled`: only the latter.
    """
    general = []
    for paragraph in re.split(r"\n\s*\n", docstring):
        text = " ".join(paragraph.split())
        label = _LABEL.match(text)
        if label is None:
            general += [text] if text and not labelled else []
        elif code in label[0].rstrip(": ").split(", "):
            yield text[label.end() :]
    yield from general


@cache
def source(module: str) -> Source | None:
    """A module as it is written; None where it cannot be read: compiled, or an empty file."""
    try:
        text = inspect.getsource(sys.modules.get(module) or importlib.import_module(module))
    except (ImportError, OSError, TypeError):
        return None
    return Source(module, ast.parse(text))


@cache
def closure(module: str) -> tuple[Source, ...]:
    """The module and what it imports of its own package's neighbours, itself first."""
    neighbours = module.rsplit(".", 2)[0]
    found: dict[str, Source] = {}
    left = [module]
    while left:
        name = left.pop(0)
        known = source(name) if name not in found else None
        if known is None:
            continue
        found[name] = known
        for from_, there in known.imported.values():
            if from_ == neighbours or from_.startswith(f"{neighbours}."):
                left += [from_, f"{from_}.{there}"] if _is_module(from_, there) else [from_]
    return tuple(found.values())


def rules(module: str, code: str) -> Iterator[Rule]:
    """The smallest functions that give the code, in the module and in what it imports."""
    for known in closure(module):
        tables = tables_with(known, code)
        giving = [f for f in known.functions if gives(f, code, tables)]
        for function in giving:
            inner = [f for f in giving if f is not function and f in ast.walk(function)]
            if not inner:
                yield Rule(function, known, code, module)


def gives(node: ast.AST, code: str, tables: frozenset[str]) -> bool:
    """Whether the code, or a table with it, stands there for more than a comparison."""
    given = _given(node)
    return code in given[0] or bool(tables & given[1])


def tables_with(known: Source, code: str) -> frozenset[str]:
    """The constants with a code that a module knows, by the names that they have there."""
    found: set[str] = set()
    for name, node in known.constants.items():
        if code in strings_in(node) or found & names_in(node):
            found.add(name)
    for name, (module, there) in known.imported.items():
        near = module.partition(".")[0] == known.name.partition(".")[0]
        other = source(module) if near else None
        value = other.constants.get(there) if other else None
        if value is not None and code in strings_in(value):
            found.add(name)
    return frozenset(found)


@cache  # trees are read once and kept: a page of all codes asks each of their nodes for each code
def _given(node: ast.AST) -> tuple[frozenset[str], frozenset[str]]:
    """Strings and names below a node, but for those that are only compared."""
    strings: set[str] = set()
    names: set[str] = set()
    left = [node]
    while left:
        each = left.pop()
        if isinstance(each, ast.Compare | ast.MatchValue):
            continue
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            strings.add(each.value)
        elif isinstance(each, ast.Name):
            names.add(each.id)
        left += ast.iter_child_nodes(each)
    return frozenset(strings), frozenset(names)


@cache
def strings_in(node: ast.AST) -> frozenset[str]:
    """Every string below a node."""
    found = {n.value for n in ast.walk(node) if isinstance(n, ast.Constant)}
    return frozenset(each for each in found if isinstance(each, str))


@cache
def calls_in(node: ast.AST) -> tuple[ast.Call, ...]:
    """Every call below a node."""
    return tuple(each for each in ast.walk(node) if isinstance(each, ast.Call))


def arguments_of(call: ast.Call) -> list[ast.expr]:
    """What it is called with, named or not."""
    return [*call.args, *(keyword.value for keyword in call.keywords)]


@cache
def names_in(node: ast.AST) -> frozenset[str]:
    """Every name below a node."""
    return frozenset(each.id for each in ast.walk(node) if isinstance(each, ast.Name))


def _is_module(package: str, name: str) -> bool:
    return f"{package}.{name}" in sys.modules
