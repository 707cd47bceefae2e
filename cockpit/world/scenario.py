"""Scenarios: what is broken, why, what a cockpit must say about it, and what mends it."""

from __future__ import annotations

import fnmatch
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from importlib import resources
from typing import Any

from cockpit import plugins
from cockpit.errors import Misconfigured
from cockpit.text import nearest

DEFAULT = "checkout-lock"
PARTS = ("network", "services", "databases", "web")
"""What a shop has besides its AWS account; services stand in the network."""
_SUFFIX = ".toml"


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
    """Who must be suspected first: the target with the cause, `zone NAME` or `AWS at PLACE`;
    empty: nothing is wrong, or nothing can be seen, and nobody is to be named."""
    unclear: str = ""
    """Why the culprit may be first and yet *unclear*, and is never *likely*, in words: only
    warnings are open, or nothing is measured that users feel. Empty: it is *likely* or *possible*.
    """
    runbook: str = ""
    fix: tuple[str, ...] = ()
    """What mends it, in words; empty when nothing does or nothing has to."""
    onset: float = 300.0
    """Seconds before the start at which the first symptom showed in the metrics."""
    history: float = 10800.0
    """Seconds before the start of which CloudWatch has anything."""
    needs: str = ""
    """A server that not every machine has: `mariadb`, or empty."""
    parts: tuple[str, ...] = PARTS
    """Which of `PARTS` are there: what a scenario does not need is not started, and its targets are
    not in the configuration."""
    billing: bool = False
    """Whether the shop has its second account."""
    node_type: str = "cache.m7g.large"
    thresholds: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Probe id → settings for the cockpit's configuration, where the defaults speak of hours."""
    target: tuple[Mapping[str, Any], ...] = ()
    """More targets for the cockpit's configuration, `kind` and `name` among their keys: for kinds
    that the shop does not have. `{folder}` in a text is the world's own folder."""
    must: tuple[str, ...] = ()
    may: tuple[str, ...] = ()
    must_not: tuple[str, ...] = ()
    blind: tuple[str, ...] = ()
    fault: tuple[Mapping[str, Any], ...] = ()
    distractor: tuple[Mapping[str, Any], ...] = ()
    series: tuple[Mapping[str, Any], ...] = ()
    """The broken course of series, from `onset` on."""
    resource: tuple[Mapping[str, Any], ...] = ()
    """What the account holds besides the shop; see `cockpit.world.resources`."""
    metric: tuple[Mapping[str, Any], ...] = ()
    """More series with their normal course: `namespace`, `metric`, `dimensions`, `about`."""
    alarm: tuple[Mapping[str, Any], ...] = ()
    log: tuple[Mapping[str, Any], ...] = ()
    """Lines of log groups; see `cockpit.world.answers.logs`."""
    answer: tuple[Mapping[str, Any], ...] = ()
    """What AWS answers where moto cannot; see `cockpit.world.answers.scripted`."""
    amend: tuple[Mapping[str, Any], ...] = ()
    """What is put over an answer of moto."""
    mend: tuple[Mapping[str, Any], ...] = ()
    """Calls that repair it; see `cockpit.world.healing`."""

    def has(self, part: str) -> bool:
        """Whether one of `PARTS` is there."""
        return part in self.parts

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
def _texts() -> Mapping[str, str]:
    """Name → the file's text: those of the product, then those that plug-ins bring."""
    found = {
        file.name.removesuffix(_SUFFIX): file.read_text(encoding="utf-8")
        for file in (resources.files("cockpit.world") / "scenarios").iterdir()
        if file.name.endswith(_SUFFIX)
    }
    brought, _ = plugins.documents(plugins.SCENARIOS, _SUFFIX)
    return {each.name: each.text for each in brought} | found


@cache
def names() -> tuple[str, ...]:
    """The scenarios there are; the default one first."""
    return tuple(sorted(_texts(), key=lambda name: (name != DEFAULT, name)))


@cache
def load(name: str) -> Scenario:
    """A scenario by its name. Raises `Misconfigured` for another name or a file that is wrong."""
    if name not in names():
        near = nearest(name, names()).replace("'", "").removeprefix("; ")
        raise Misconfigured(f"there is no scenario {name!r}", hint=near or "cockpit scenarios")
    try:
        document = tomllib.loads(_texts()[name])
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"{name}.toml: is not TOML: {error}") from None
    known = {one.name for one in fields(Scenario)} - {"name"}
    strange = sorted(set(document) - known)
    if strange:
        raise Misconfigured(f"{name}.toml: unknown key {strange[0]}")
    frozen: dict[str, Any] = {
        key: tuple(v) if isinstance(v, list) else v for key, v in document.items()
    }
    try:
        made = Scenario(name=name, **frozen)
    except TypeError as error:
        raise Misconfigured(f"{name}.toml: {error}") from None
    _check_parts(made)
    if made.unclear and not made.culprit:
        raise Misconfigured(f"{name}.toml: unclear says how sure its culprit is, and it has none")
    return made


def _check_parts(made: Scenario) -> None:
    if odd := sorted(set(made.parts) - set(PARTS)):
        raise Misconfigured(f"{made.name}.toml: the shop has no part {odd[0]!r}")
    if made.has("services") and not made.has("network"):
        raise Misconfigured(f"{made.name}.toml: services stand in the network: name it too")
    if made.has("databases") and not made.has("services"):
        raise Misconfigured(f"{made.name}.toml: databases are used by services: name them too")
