"""A mapping whose keys begin with a target's name, and whose next value is made cheaply.

A board of thousands of findings is new with each reading, which changes one target's: so only that
group is copied, beside one reference a target.
"""

from __future__ import annotations

from collections.abc import Collection, ItemsView, Iterable, Iterator, Mapping, ValuesView
from itertools import chain
from types import MappingProxyType
from typing import Generic, TypeVar

K = TypeVar("K", bound=tuple[str, ...])
V = TypeVar("V")


class ByTarget(Mapping[K, V], Generic[K, V]):
    """Immutable. In the order in which the targets came, and within a target the keys."""

    __slots__ = ("_count", "_groups")

    def __init__(self, items: Iterable[tuple[K, V]] = ()) -> None:
        groups: dict[str, dict[K, V]] = {}
        for key, value in items:
            groups.setdefault(key[0], {})[key] = value
        self._groups = groups
        self._count = sum(map(len, groups.values()))

    @classmethod
    def of_mapping(cls, mapping: Mapping[K, V]) -> ByTarget[K, V]:
        """The same items; what is one already is given back as it is."""
        return mapping if isinstance(mapping, ByTarget) else cls(mapping.items())

    def of(self, target: str) -> Mapping[K, V]:
        """The items of one target, at the cost of no other's."""
        return MappingProxyType(self._groups.get(target, {}))

    def groups(self) -> Collection[tuple[str, Mapping[K, V]]]:
        """The items of each target. A group that is the same object has the same items."""
        return self._groups.items()

    def with_group(self, target: str, group: Mapping[K, V]) -> ByTarget[K, V]:
        """The next value, in which these are all the items of a target."""
        groups = self._groups.copy()
        before = len(groups.pop(target, ()) if not group else groups.get(target, ()))
        if group:
            groups[target] = dict(group)
        following: ByTarget[K, V] = ByTarget()
        following._groups = groups
        following._count = self._count - before + len(group)
        return following

    def __getitem__(self, key: K) -> V:
        return self._groups[key[0]][key]

    def __contains__(self, key: object) -> bool:
        return isinstance(key, tuple) and bool(key) and key in self._groups.get(key[0], ())

    def __iter__(self) -> Iterator[K]:
        return chain.from_iterable(self._groups.values())

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


class _Values(ValuesView[V]):
    _mapping: ByTarget[tuple[str, ...], V]

    def __iter__(self) -> Iterator[V]:
        return chain.from_iterable(group.values() for _, group in self._mapping.groups())


class _Items(ItemsView[K, V]):
    _mapping: ByTarget[K, V]

    def __iter__(self) -> Iterator[tuple[K, V]]:
        return chain.from_iterable(group.items() for _, group in self._mapping.groups())
