"""The dependency graph that the configuration gives: who cannot work without whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from cockpit.triage.target import Target

OTHERS = "others"
"""The group of targets that name no service and that nothing with one needs."""

_NOTHING: frozenset[str] = frozenset()


class DependencyGraph:
    """What needs what, worked out once for a configuration. Circles are safe everywhere."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self.targets = tuple(targets)
        self._known = {target.name: target for target in targets}
        self._below: dict[str, frozenset[str]] = {}
        self._below_alone: dict[str, frozenset[str]] = {}

    def below(self, name: str) -> frozenset[str]:
        """Everything that a target needs, directly or through others, without itself."""
        if name not in self._below:
            self._below[name] = self._reached(name)
        return self._below[name]

    def below_alone(self, name: str) -> frozenset[str]:
        """What a target needs and what does not need it in turn, as in a circle."""
        if name not in self._below_alone:
            self._below_alone[name] = self.below(name) - self.above(name)
        return self._below_alone[name]

    def above(self, name: str) -> frozenset[str]:
        """Everything that cannot work without a target, directly or through others."""
        return self._above.get(name, _NOTHING)

    @cached_property
    def depth(self) -> Mapping[str, int]:
        """Name → how far the target is from what nothing needs (0)."""
        needed = {need for target in self.targets for need in target.needs}
        roots = [name for name in self._known if name not in needed] or list(self._known)
        depths: dict[str, int] = {}
        queue = [(name, 0) for name in roots]
        while queue:
            name, level = queue.pop()
            beyond = level > len(self._known) or depths.get(name, -1) >= level
            if name not in self._known or beyond:
                continue
            depths[name] = level
            queue += [(need, level + 1) for need in self._known[name].needs]
        return {name: depths.get(name, 0) for name in self._known}

    @cached_property
    def places(self) -> Mapping[str, str]:
        """Name → the account and region that it is in; those of AWS alone."""
        named = {each.name: str(getattr(each.settings, "aws", "")) for each in self.targets}
        return {name: place for name, place in named.items() if place}

    @cached_property
    def services(self) -> Mapping[str, tuple[Target, ...]]:
        """Service → its targets in the order of the graph, what is needed most last.

        A target without a service of its own is shown with the first one that needs it.
        """
        groups: dict[str, list[Target]] = {}
        for target in self.targets:
            groups.setdefault(self._service(target), []).append(target)
        place = {target.name: index for index, target in enumerate(self.targets)}
        return {
            service: tuple(sorted(members, key=lambda t: (self.depth[t.name], place[t.name])))
            for service, members in sorted(groups.items(), key=lambda item: item[0] == OTHERS)
        }

    @cached_property
    def _above(self) -> Mapping[str, frozenset[str]]:
        users: dict[str, set[str]] = {}
        for name in self._known:
            for need in self.below(name):
                users.setdefault(need, set()).add(name)
        return {name: frozenset(found) for name, found in users.items()}

    def _reached(self, name: str) -> frozenset[str]:
        reached: set[str] = set()
        queue = list(self._known[name].needs) if name in self._known else []
        while queue:
            need = queue.pop()
            if need in self._known and need not in reached and need != name:
                reached.add(need)
                queue += self._known[need].needs
        return frozenset(reached)

    def _service(self, target: Target) -> str:
        if target.service:
            return target.service
        users = self.above(target.name)
        return next((t.service for t in self.targets if t.name in users and t.service), OTHERS)
