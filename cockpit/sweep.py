"""Everything that both the cockpit and `cockpit check` set up before they can look."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cockpit.clock import now
from cockpit.config import Config
from cockpit.connect.aws.budget import Budget
from cockpit.connect.aws.limits import CEILINGS
from cockpit.connect.open import Connections
from cockpit.connect.postgres.cuts import cuts
from cockpit.connect.postgres.settings import PostgresSettings
from cockpit.connect.role import Role
from cockpit.connect.session import Closable
from cockpit.connect.settings import NoSettings
from cockpit.errors import Misconfigured, Reason
from cockpit.ownership import private
from cockpit.redact import MASKER
from cockpit.text import lines
from cockpit.triage.engine import Engine, Look
from cockpit.triage.families import looking_at
from cockpit.triage.had import LookMemory
from cockpit.triage.own import OwnAct
from cockpit.triage.probe import NEVER_OLDER_THAN, AnyProbe, Blind, Reading
from cockpit.triage.registry import kinds, place_of, registry
from cockpit.triage.store import Store
from cockpit.triage.target import PLUG_IN, Target

_SERVED_WITHIN = 5.0
"""Seconds; well below the deadline of every AWS probe."""
_MOST_OF_A_PLACE = 256
"""Looks at once, of all services: some ten milliseconds of CPU each."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What looking has cost so far. `usd` is an estimate from list prices."""

    api_calls: int = 0
    usd: float = 0.0
    throttled: int = 0
    usd_per_hour: float = 0.0
    """At the pace of this moment."""
    budget: float = 0.0
    """US dollars an hour that are allowed; 0: there is no place that costs."""
    metrics_every: int = 0
    """Seconds between two looks at the metrics of what is well, when that is slower than usual to
    keep the budget; 0: it is not."""
    spent_on: Mapping[str, float] = field(default_factory=dict)
    """Namespace of metrics → its part of `usd_per_hour`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceStatus:
    """One account and region, and how it lets itself be asked."""

    region: str
    account: str = ""
    """Empty until AWS said it, unless the configuration does."""
    waiting: Mapping[str, int] = field(default_factory=dict)
    """Service → calls of ours that wait for their turn, where any does."""
    slowed: Mapping[str, float] = field(default_factory=dict)
    """Service → calls a second, where AWS' throttling has slowed us below what is configured."""


class TargetSessions:
    """The engine's door to the connections: by target instead of by name and settings."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def session(self, target: Target) -> Closable:
        """The target's read-only session. Raises `BlindError`."""
        return await self._connections.session(target.name, target.settings)

    async def discard(self, target: Target) -> None:
        """Close a session from under a hung look."""
        await self._connections.discard(target.name, target.settings)


def looks(
    config: Config,
    probes: Mapping[str, AnyProbe],
    *,
    targets: Sequence[str] = (),
    only: Sequence[str] = (),
) -> list[Look]:
    """Every look that the configuration asks for, or only those at some targets or by some probes.

    Raises `Misconfigured` for a name that is not there, so that a typing error is never “all well”.
    """
    chosen = _chosen(config.targets, targets)
    for id_ in only:
        if id_ not in probes:
            raise Misconfigured(f"no probe {id_!r}", hint=_known("probes", probes))
    found = [
        _look(config, target, probe)
        for target in chosen
        if not isinstance(target.settings, NoSettings)
        for probe in looking_at(probes, target.kind)
        if probe.asks
        if not only or probe.id in only
    ]
    if not found:
        raise Misconfigured("no probe looks at what was chosen", hint=_known("probes", probes))
    return found


def unwatched(
    config: Config, probes: Mapping[str, AnyProbe], targets: Sequence[str] = ()
) -> list[Reading]:
    """Readings of targets that no probe looks at: shown as not examined, never as healthy.

    `targets`: only these; none means all. What a plug-in lacks concerns every look and is always
    among them.
    """
    return [
        _not_looked_at(target)
        for target in config.targets
        if isinstance(target.settings, NoSettings) or not any(looking_at(probes, target.kind))
        if not targets or target.name in targets or target.kind == PLUG_IN
    ]


def _not_looked_at(target: Target) -> Reading:
    settings = target.settings
    blind = Blind(Reason.UNSUPPORTED, f"no probe of this version looks at the kind {target.kind!r}")
    if isinstance(settings, NoSettings):
        blind = Blind(Reason.MISCONFIGURED, settings.why, settings.hint)
    return Reading(
        target=target.name,
        kind=target.kind,
        probe=f"{target.kind}.none",
        at=now(),
        took=0.0,
        outcome=blind,
    )


def _look(config: Config, target: Target, probe: AnyProbe) -> Look:
    """It queues for the service of its first need, then for its place: not where that service takes
    few calls a second, whose looks would only keep seats from others.
    """
    place = place_of(target)
    lanes: tuple[str, ...] = ()
    if place:
        service = _first_service(probe)
        whole = f"aws:{place}"
        lanes = (f"{whole}:{service}",) if service in CEILINGS else (f"{whole}:{service}", whole)
    return Look(target, probe, config.settings_for(target, probe), place, lanes)


def _first_service(probe: AnyProbe) -> str:
    return probe.needs[0].partition(":")[0] if probe.needs else ""


def engine(
    looks: Iterable[Look],
    connections: Connections,
    *,
    store: Store,
    debug: Callable[[str], str],
    acts: Callable[[], Sequence[OwnAct]] = tuple,
    memory: LookMemory | None = None,
    never_older_than: float = NEVER_OLDER_THAN,
) -> Engine:
    """An engine over the connections. `acts`: what steps have done; our cut sessions are added.
    `memory`, `never_older_than`: see `Engine`.

    A service of a place takes as many looks at once as its rate can serve in a few seconds: enough
    to fill its calls, and not so many that a look waits its deadline away in our own queue. A place
    takes no more than our CPU can. Of a service of few calls a second, as many as it takes in one.
    """
    known = tuple(looks)
    targets = {look.target.name: look.target for look in known}
    # few of many: each reading asks for what was cut, and it went over all targets for each
    fragile = tuple(
        (target, target.settings)
        for target in targets.values()
        if isinstance(target.settings, PostgresSettings)
    )
    sizes = {f"aws:{place}": _MOST_OF_A_PLACE for place in connections.places}
    for look in known:
        if look.lanes:
            rate = connections.places[look.place].calls_per_second
            served = round(min(256, max(16, rate * _SERVED_WITHIN)))
            sizes[look.lanes[0]] = round(CEILINGS.get(_first_service(look.probe), served))
    return Engine(
        known,
        sessions=TargetSessions(connections),
        store=store,
        debug=debug,
        lanes=sizes,
        acts=lambda: (*acts(), *_cut(connections, fragile)),
        memory=memory,
        never_older_than=never_older_than,
    )


def _cut(
    connections: Connections, targets: Iterable[tuple[Target, PostgresSettings]]
) -> Iterator[OwnAct]:
    """Our own sessions that were cut: no database's trouble."""
    for target, settings in targets:
        for at in tuple(cuts(settings, connections)):
            yield OwnAct(
                at=at,
                target=target.name,
                does="",
                args={"database": settings.database},
                ended_at=at,
                vanished=1,
            )


def cost(connections: Connections) -> Cost:
    """The cost of all places together; zero before the first AWS session is open."""
    counted = [session.cost for session in connections.opened_places().values()]
    budget = connections.budget
    return Cost(
        sum(one.api_calls for one in counted),
        sum(one.estimated_usd for one in counted),
        sum(one.throttled for one in counted),
        budget.usd_now,
        budget.usd_per_hour if connections.places else 0.0,
        budget.pace.well if budget.slowed else 0,
        budget.spent_on,
    )


def places(connections: Connections, accounts: Mapping[str, str]) -> Mapping[str, PlaceStatus]:
    """Every place of the configuration, as its session is now. `accounts`: place → account."""
    opened = connections.opened_places()
    return {
        name: PlaceStatus(
            region=site.region,
            account=accounts.get(name, site.account),
            waiting=opened[name].waiting if name in opened else {},
            slowed=opened[name].slowed if name in opened else {},
        )
        for name, site in connections.places.items()
    }


def redirected(connections: Connections) -> Mapping[str, str]:
    """`prod ecs` → the endpoint that the environment or a profile, not our configuration, names."""
    return {
        f"{place} {service}": url
        for place, session in sorted(connections.opened_places().items())
        for service, url in sorted(session.redirected.items())
    }


_ACTION = re.compile(r"[a-z0-9-]+:[A-Z]\w+")
"""An IAM action among a probe's needs; the others are grants."""
_DEBUG_LOG = 400_000
"""Octets, before the file is put aside; a report has 64,000 characters at most."""


def debug_log(folder: Path) -> Callable[[str], str]:
    """Appends reports of bugs to `debug.log` of a folder, and gives its name.

    Only this user may read it. The newest reports are kept, a megabyte with the file before it
    (`debug.log.1`). The name is empty when it cannot be written: a full disk is no reason to stop.
    """

    def write(report: str) -> str:
        path = folder / "debug.log"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if path.exists() and path.stat().st_size > _DEBUG_LOG:
                path.replace(path.with_name(path.name + ".1"))
            with private(path, append=True) as file:
                file.write(MASKER.mask(lines(report) + "\n").encode(errors="replace"))
        except OSError:
            return ""
        return str(path)

    return write


def connections(config: Config, role: Role) -> Connections:
    """The door to the systems of a configuration, for a role."""
    budget = Budget(config.budget_usd_per_hour)
    wanted = _wanted(config)
    known = kinds()
    used = {each.kind: known[each.kind] for each in config.targets if each.kind in known}
    return Connections(config.places, role, used, budget=budget, wanted=wanted)


def _wanted(config: Config) -> Mapping[str, Sequence[str]]:
    """Place → IAM actions that the probes of its targets need, in the order of the targets."""
    wanted: dict[str, list[str]] = {}
    for target in config.targets:
        if not isinstance(target.settings, NoSettings) and (place := place_of(target)):
            needs = [
                need
                for probe in looking_at(registry(), target.kind)
                for need in probe.needs
                if _ACTION.fullmatch(need)
            ]
            wanted.setdefault(place, []).extend(needs)
    return wanted


def _chosen(all_: Sequence[Target], names: Sequence[str]) -> list[Target]:
    known = {target.name: target for target in all_}
    for name in names:
        if name not in known:
            raise Misconfigured(f"no target {name!r}", hint=_known("targets", known))
    return [known[name] for name in names] if names else list(all_)


def _known(what: str, names: Iterable[str]) -> str:
    return f"there are the {what} " + ", ".join(names)
