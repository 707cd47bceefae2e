"""Two task definitions: what differs, environment and secrets by their names only."""

from __future__ import annotations

from collections.abc import Mapping

from probes.changes.lines import CAME, MOST, WENT, changed, cut, listed

_VALUES = "values of environment variables are never read: one that changed is not seen"


def task_definition(before: Mapping[str, object], after: Mapping[str, object]) -> tuple[str, ...]:
    """Two answers of `DescribeTaskDefinition`, without what did not change."""
    told = [
        changed(name, before.get(member), after.get(member))
        for member, name in (
            ("cpu", "task cpu"),
            ("memory", "task memory"),
            ("networkMode", "network mode"),
            ("taskRoleArn", "task role"),
            ("executionRoleArn", "execution role"),
        )
    ]
    told.append(changed("platform", *(_platform(each) for each in (before, after))))
    old, new = _by_name(before), _by_name(after)
    for name in sorted(old.keys() | new.keys()):
        if name not in old:
            told.append(f"{CAME} container {name} ({new[name].get('image', '')})")
        elif name not in new:
            told.append(f"{WENT} container {name}")
        else:
            told += _container(name, old[name], new[name])
    lines = tuple(cut(each) for each in told if each)
    return (*lines[:MOST], _VALUES) if lines else (f"nothing that is read; {_VALUES}",)


def _by_name(definition: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
    return {
        str(each.get("name", "")): each
        for each in listed(definition.get("containerDefinitions"))
        if isinstance(each, Mapping)
    }


def _platform(definition: Mapping[str, object]) -> str:
    platform = definition.get("runtimePlatform")
    if not isinstance(platform, Mapping):
        return ""
    parts = (platform.get("operatingSystemFamily"), platform.get("cpuArchitecture"))
    return " ".join(str(each) for each in parts if each)


def _container(name: str, before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    told = [
        changed(f"{name} image", before.get("image"), after.get("image")),
        changed(f"{name} cpu", before.get("cpu"), after.get("cpu")),
        changed(f"{name} memory", before.get("memory"), after.get("memory")),
        changed(
            f"{name} memory reservation",
            before.get("memoryReservation"),
            after.get("memoryReservation"),
        ),
        changed(f"{name} essential", before.get("essential"), after.get("essential")),
        changed(f"{name} ports", _ports(before), _ports(after)),
        changed(f"{name} health check", _check(before), _check(after)),
        changed(f"{name} log driver", _driver(before), _driver(after)),
    ]
    for member, noun in (("environment", "variable"), ("secrets", "secret")):
        was, now = _named(before, member), _named(after, member)
        told += [f"{CAME} {name} {noun} {each}" for each in sorted(now - was)]
        told += [f"{WENT} {name} {noun} {each}" for each in sorted(was - now)]
    return told


def _named(container: Mapping[str, object], member: str) -> set[str]:
    return {
        str(each["name"])
        for each in listed(container.get(member))
        if isinstance(each, Mapping) and each.get("name")
    }


def _ports(container: Mapping[str, object]) -> str:
    found = [
        f"{each.get('containerPort')}/{each.get('protocol', 'tcp')}"
        for each in listed(container.get("portMappings"))
        if isinstance(each, Mapping)
    ]
    return ", ".join(sorted(found))


def _check(container: Mapping[str, object]) -> str:
    """Without its command, which may hold a secret and is never read."""
    check = container.get("healthCheck")
    if not isinstance(check, Mapping):
        return ""
    told = [
        f"{word} {check[word]}"
        for word in ("interval", "timeout", "retries", "startPeriod")
        if word in check
    ]
    return ", ".join(told) or "there"


def _driver(container: Mapping[str, object]) -> str:
    logs = container.get("logConfiguration")
    return str(logs.get("logDriver", "")) if isinstance(logs, Mapping) else ""
