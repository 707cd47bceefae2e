"""Scenarios: what is broken, why, what a cockpit must say about it, and what mends it."""

from __future__ import annotations

import fnmatch
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from importlib import resources
from typing import Any

from cockpit.errors import Misconfigured

DEFAULT = "checkout-lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One file of `scenarios/`. Findings are written `CODE@target`, blind looks `reason@target`;
    `*` stands for any text. What is neither in `must` nor in `may` is not expected.
    """

    name: str
    title: str
    symptom: str
    """What somebody reported: the title of the incident, which does not tell the cause."""
    story: str
    cause: str
    """The true cause, one sentence."""
    culprit: str = ""
    """The target that the cause sits in; empty when nothing is wrong."""
    runbook: str = ""
    fix: tuple[str, ...] = ()
    """What mends it, in words; empty when nothing does or nothing has to."""
    onset: float = 300.0
    """Seconds before the start at which the first symptom showed in the metrics."""
    needs: str = ""
    """A server that not every machine has: `mariadb`, or empty."""
    billing: bool = False
    """Whether the shop has its second account."""
    node_type: str = "cache.m7g.large"
    thresholds: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Probe id → settings for the cockpit's configuration, where the defaults speak of hours."""
    must: tuple[str, ...] = ()
    may: tuple[str, ...] = ()
    must_not: tuple[str, ...] = ()
    blind: tuple[str, ...] = ()
    fault: tuple[Mapping[str, Any], ...] = ()
    distractor: tuple[Mapping[str, Any], ...] = ()
    series: tuple[Mapping[str, Any], ...] = ()

    def expects(self, finding: str) -> bool:
        """Whether a finding, written `CODE@target`, is one that must or may be there."""
        return any(fnmatch.fnmatchcase(finding, one) for one in (*self.must, *self.may))

    def forbids(self, finding: str) -> bool:
        """Whether a finding must not be there, whatever its severity."""
        return any(fnmatch.fnmatchcase(finding, one) for one in self.must_not)

    def missing(self, findings: frozenset[str]) -> tuple[str, ...]:
        """What must be there and is not."""
        return tuple(
            one for one in self.must if not any(fnmatch.fnmatchcase(f, one) for f in findings)
        )


@cache
def names() -> tuple[str, ...]:
    """The scenarios there are; the default one first."""
    found = sorted(
        file.name.removesuffix(".toml")
        for file in _folder().iterdir()
        if file.name.endswith(".toml")
    )
    return tuple(sorted(found, key=lambda name: name != DEFAULT))


@cache
def load(name: str) -> Scenario:
    """A scenario by its name. Raises `Misconfigured` for another name or a file that is wrong."""
    if name not in names():
        import difflib

        near = difflib.get_close_matches(name, names(), 1)
        hint = f"did you mean {near[0]}?" if near else "cockpit scenarios"
        raise Misconfigured(f"there is no scenario {name!r}", hint=hint)
    document = tomllib.loads((_folder() / f"{name}.toml").read_text(encoding="utf-8"))
    known = {one.name for one in fields(Scenario)} - {"name"}
    strange = sorted(set(document) - known)
    if strange:
        raise Misconfigured(f"{name}.toml: unknown key {strange[0]}")
    frozen: dict[str, Any] = {
        key: tuple(v) if isinstance(v, list) else v for key, v in document.items()
    }
    try:
        return Scenario(name=name, **frozen)
    except TypeError as error:
        raise Misconfigured(f"{name}.toml: {error}") from None


def _folder() -> Any:
    return resources.files("cockpit.world") / "scenarios"
