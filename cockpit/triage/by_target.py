"""A mapping whose keys begin with a target's name, and whose next value is made cheaply.

A board of thousands of findings is new with each reading, which changes one target's: so only that
group is copied, beside the references of a block of targets. With one reference for every target a
sweep of 5,000 spent a third of its CPU on copying them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, ItemsView, Iterable, Iterator, Mapping, ValuesView
from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType
from typing import Generic, TypeVar

K = TypeVar("K", bound=tuple[str, ...])
V = TypeVar("V")
Result = TypeVar("Result")
_BLOCK = 64
"""Targets whose references are copied together: of 5,000 there are then 79 blocks."""


class ByTarget(Mapping[K, V], Generic[K, V]):
    """Immutable. In the order in which the targets came, and within a target the keys."""

    __slots__ = ("_blocks", "_count", "_places")

    def __init__(self, items: Iterable[tuple[K, V]] = ()) -> None:
        groups: dict[str, dict[K, V]] = {}
        for key, value in items:
            groups.setdefault(key[0], {})[key] = value
        self._places = {target: number // _BLOCK for number, target in enumerate(groups)}
        blocks: list[dict[str, dict[K, V]]] = [{} for _ in range(-(-len(groups) // _BLOCK))]
        for target, group in groups.items():
            blocks[self._places[target]][target] = group
        self._blocks = tuple(blocks)
        self._count = sum(map(len, groups.values()))

    @classmethod
    def of_mapping(cls, mapping: Mapping[K, V]) -> ByTarget[K, V]:
        """The same items; what is one already is given back as it is."""
        return mapping if isinstance(mapping, ByTarget) else cls(mapping.items())

    def of(self, target: str) -> Mapping[K, V]:
        """The items of one target, at the cost of no other's."""
        return MappingProxyType(self._group(target))

    def groups(self) -> Collection[tuple[str, Mapping[K, V]]]:
        """The items of each target. A group that is the same object has the same items."""
        return [*chain.from_iterable(block.items() for block in self._blocks)]

    @property
    def blocks(self) -> tuple[Mapping[str, Mapping[K, V]], ...]:
        """The groups, some targets' together: a block that is the same object has the same ones."""
        return self._blocks

    def with_group(self, target: str, group: Mapping[K, V]) -> ByTarget[K, V]:
        """The next value, in which these are all the items of a target."""
        at = self._places.get(target)
        if at is None and not group:
            return self
        following: ByTarget[K, V] = ByTarget()
        following._places, blocks = self._places, [*self._blocks]
        if at is None:
            if not blocks or len(blocks[-1]) >= _BLOCK:
                blocks.append({})
            at = len(blocks) - 1
            following._places = {**self._places, target: at}
        following._count = self._count - len(blocks[at].get(target, ())) + len(group)
        blocks[at] = blocks[at].copy()
        if group:
            blocks[at][target] = dict(group)
        else:
            del blocks[at][target]
            emptied = not blocks[at]  # else what comes and goes would leave blocks behind
            if emptied:
                del blocks[at]
            following._places = {
                each: place - (emptied and place > at)
                for each, place in self._places.items()
                if each != target
            }
        following._blocks = tuple(blocks)
        return following

    def _group(self, target: str) -> dict[K, V]:
        at = self._places.get(target)
        return {} if at is None else self._blocks[at][target]

    def __getitem__(self, key: K) -> V:
        return self._group(key[0])[key]

    def __contains__(self, key: object) -> bool:
        return isinstance(key, tuple) and bool(key) and key in self._group(key[0])

    def __iter__(self) -> Iterator[K]:
        return chain.from_iterable(chain.from_iterable(b.values() for b in self._blocks))

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return repr(dict(self.items()))

    def values(self) -> ValuesView[V]:
        """Every value, without a look-up for each."""
        return _Values(self)

    def items(self) -> ItemsView[K, V]:
        """Every item, without a look-up for each."""
        return _Items(self)


class PerTarget(Generic[K, V, Result]):
    """What is worked out of the items of each target alone: anew only where they are others."""

    def __init__(self, work: Callable[[Mapping[K, V]], Result | None]) -> None:
        self._work = work
        self._kept: list[_Worked[K, V, Result]] = []

    def of(self, mapping: Mapping[K, V]) -> Iterator[tuple[str, Result]]:
        """Target → what was worked out; what comes out empty is left out."""
        blocks = ByTarget.of_mapping(mapping).blocks
        new: list[_Worked[K, V, Result]] = [_Worked({}, {}, [])] * len(blocks)
        before = [*self._kept, *new[len(self._kept) :]]
        self._kept = [
            known if known.block is block else self._worked(block, known.results)
            for block, known in zip(blocks, before, strict=False)
        ]
        return chain.from_iterable(each.told for each in self._kept)

    def _worked(
        self, block: Mapping[str, Mapping[K, V]], before: Mapping[str, tuple[object, Result | None]]
    ) -> _Worked[K, V, Result]:
        results: dict[str, tuple[object, Result | None]] = {}
        for target, group in block.items():
            known = before.get(target)
            if known is None or known[0] is not group:
                known = group, self._work(group)
            results[target] = known
        told = [(target, result) for target, (_, result) in results.items() if result]
        return _Worked(block, results, told)


@dataclass(frozen=True, slots=True)
class _Worked(Generic[K, V, Result]):
    """What was worked out of a block of targets."""

    block: Mapping[str, Mapping[K, V]]
    results: Mapping[str, tuple[object, Result | None]]
    """Target → its items and what they gave."""
    told: list[tuple[str, Result]]


class _Values(ValuesView[V]):
    _mapping: ByTarget[tuple[str, ...], V]

    def __iter__(self) -> Iterator[V]:
        return chain.from_iterable(group.values() for _, group in self._mapping.groups())


class _Items(ItemsView[K, V]):
    _mapping: ByTarget[K, V]

    def __iter__(self) -> Iterator[tuple[K, V]]:
        return chain.from_iterable(group.items() for _, group in self._mapping.groups())
