"""The house from above: boxes, the arrows between them with their imports counted, and circles.

`python -m tests.tools.house` from the root of the checkout. A box is what lies directly in
`cockpit`, `cockpit/connect`, `probes` or `screens`: a folder, or a file of its own. An import is an
arrow wherever it stands, also inside a function and for type checkers only: what is deferred is
still known.
"""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
PACKAGES = ("cockpit", "probes", "screens")
FLOORS = ("cockpit", "cockpit.connect", "probes", "screens")
"""Packages whose direct children are boxes."""

Graph = Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class House:
    """Every module with its lines, and which module imports which."""

    lines: Mapping[str, int]
    imports: Graph

    def arrows(self) -> Mapping[str, Counter[str]]:
        """Box → every box that it leans on, with how many imports of modules the arrow stands for."""
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for module, others in self.imports.items():
            box = box_of(module)
            found[box].update(box_of(other) for other in others)
            del found[box][box]
        return found

    def boxes(self) -> Graph:
        """The same, by box."""
        return {box: frozenset(others) for box, others in self.arrows().items()}


def box_of(module: str) -> str:
    """`cockpit.connect.aws` of `cockpit.connect.aws.session`."""
    floor = max((f for f in FLOORS if module == f or module.startswith(f"{f}.")), key=len)
    parts = module.split(".")
    return ".".join(parts[: floor.count(".") + 2])


def read(root: Path = ROOT) -> House:
    """The house as it stands in a checkout."""
    paths = {
        _module(root, path): path for package in PACKAGES for path in (root / package).rglob("*.py")
    }
    trees = {name: path.read_text(encoding="utf-8") for name, path in paths.items()}
    return House(
        {name: len(text.splitlines()) for name, text in trees.items()},
        {
            name: frozenset(_known(ast.parse(text), paths, _package(name, paths[name]))) - {name}
            for name, text in trees.items()
        },
    )


def _module(root: Path, path: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _package(name: str, path: Path) -> str:
    """What a relative import of the module starts from."""
    return name if path.stem == "__init__" else name.rpartition(".")[0]


def _known(tree: ast.Module, modules: Iterable[str], package: str) -> Iterator[str]:
    known = set(modules)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            up = package.split(".")[: 1 - node.level or None] if node.level else []
            module = ".".join([*up, *((node.module,) if node.module else ())])
            inner = [f"{module}.{alias.name}" for alias in node.names]
            found = [name for name in inner if name in known]
            yield from found
            if len(found) < len(inner) and module in known:
                yield module


def circles(graph: Graph) -> list[tuple[str, ...]]:
    """Groups of which each member reaches every other (Tarjan), the largest first."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[tuple[str, ...]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in sorted(graph.get(name, ())):
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            place = stack.index(name)
            group, stack[place:] = tuple(sorted(stack[place:])), []
            if len(group) > 1:
                found.append(group)

    for name in sorted(graph):
        if name not in index:
            visit(name)
    return sorted(found, key=len, reverse=True)


def page(house: House) -> Iterator[str]:
    """What is printed."""
    files, lines = Counter[str](), Counter[str]()
    for module, count in house.lines.items():
        files[box_of(module)] += 1
        lines[box_of(module)] += count
    boxes, arrows = house.boxes(), house.arrows()
    for floor in FLOORS:
        inside = [b for b in sorted(boxes) if b.rpartition(".")[0] == floor or b == floor]
        yield f"{floor}: {len(inside)} boxes"
        for box in inside:
            to = ", ".join(f"{other} {count}" for other, count in sorted(arrows[box].items()))
            yield f"  {box:32} {files[box]:4} files {lines[box]:6} lines  → {to or 'nothing'}"
    sizes = [count for module, count in house.lines.items() if count > 1]
    yield f"files: {len(sizes)}, median {median(sizes):g} lines, longest {max(sizes)}"
    for word, graph in (("boxes", boxes), ("modules", house.imports)):
        found = circles(graph)
        yield f"circles of {word}: {len(found) or 'none'}"
        yield from (f"  {len(group)}: {', '.join(group)}" for group in found)


if __name__ == "__main__":
    print("\n".join(page(read())))
