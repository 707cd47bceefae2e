"""The dependency graph that the configuration gives: who cannot work without whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from cockpit.triage.target import Target

OTHERS = "others"
"""The group of targets that name no service and that nothing with one needs."""


def depth(targets: Iterable[Target]) -> Mapping[str, int]:
    """Name → how far the target is from what nothing needs (0). Safe for circles."""
    known = {target.name: target for target in targets}
    needed = {need for target in known.values() for need in target.needs}
    depths: dict[str, int] = {}
    queue = [(name, 0) for name in known if name not in needed] or [(name, 0) for name in known]
    while queue:
        name, level = queue.pop()
        if name not in known or level > len(known) or depths.get(name, -1) >= level:
            continue
        depths[name] = level
        queue += [(need, level + 1) for need in known[name].needs]
    return {name: depths.get(name, 0) for name in known}


def below(targets: Iterable[Target], name: str) -> frozenset[str]:
    """Everything that a target needs, directly or through others, without itself."""
    known = {target.name: target for target in targets}
    reached: set[str] = set()
    queue = list(known[name].needs) if name in known else []
    while queue:
        need = queue.pop()
        if need in known and need not in reached and need != name:
            reached.add(need)
            queue += known[need].needs
    return frozenset(reached)


def above(targets: Sequence[Target], name: str) -> frozenset[str]:
    """Everything that cannot work without a target, directly or through others."""
    return frozenset(other.name for other in targets if name in below(targets, other.name))


def services(targets: Sequence[Target]) -> Mapping[str, tuple[Target, ...]]:
    """Service → its targets in the order of the graph, what is needed most last.

    A target without a service of its own is shown with the first service that needs it.
    """
    depths = depth(targets)
    groups: dict[str, list[Target]] = {}
    for target in targets:
        groups.setdefault(_service(target, targets), []).append(target)
    place = {target.name: index for index, target in enumerate(targets)}
    return {
        service: tuple(sorted(members, key=lambda t: (depths[t.name], place[t.name])))
        for service, members in sorted(groups.items(), key=lambda item: item[0] == OTHERS)
    }


def _service(target: Target, targets: Sequence[Target]) -> str:
    if target.service:
        return target.service
    users = above(targets, target.name)
    return next((t.service for t in targets if t.name in users and t.service), OTHERS)
