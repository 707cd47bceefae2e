"""Whole looks at random answers: what they may end in, and what they must not leave out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cockpit.connect.aws.settings import AwsResource, VpcEnd, VpcPathSettings
from cockpit.errors import BlindError
from cockpit.triage import recording
from cockpit.triage.engine import Look, judged
from cockpit.triage.probe import AnyProbe, Seen
from cockpit.triage.registry import kinds, registry
from cockpit.triage.target import Target
from cockpit.triage.target_logs import TargetLogs
from tests.fuzz.shapes import AT, Shaped

NAMES = ("shop", "orders", "arn:aws:ecs:us-east-1:1:service/shop/orders")
UNTOLD = {"vpc_path.config"}
"""Probes that read more states than they need: of a network only what lies on the path counts, and
`tests/probes/test_vpc_path.py` holds that what lies there is told."""
STATES = ("status", "state")
"""What a member's name ends with that says how a thing is: a word of it must reach the screen."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A look that did not end as a look may."""

    probe: str
    seed: str
    what: str


def probes() -> list[AnyProbe]:
    """Every probe that looks through an AWS session."""
    known = kinds()
    return [
        probe
        for probe in registry().values()
        if probe.asks and probe.kind in known and known[probe.kind].place is not None
    ]


def target(probe: AnyProbe) -> Target:
    """Something of its kind."""
    settings_of = kinds()[probe.kind].settings
    settings: Any
    if settings_of is VpcPathSettings:
        ends = VpcEnd(security_group="sg-1", subnet="subnet-1"), VpcEnd(instance="i-1")
        settings = VpcPathSettings(aws="prod", source=ends[0], destination=ends[1], port=5432)
    elif issubclass(settings_of, AwsResource):
        settings = settings_of(aws="prod", id="orders", cluster="shop")
    else:
        settings = settings_of(aws="prod")
    return Target(name="orders", kind=probe.kind, settings=settings)


async def fault(probe: AnyProbe, seed: str) -> Fault | None:
    """Two looks of a seed; None: both ended as they may."""
    return await ended(probe, seed, [Shaped(f"{seed}/{number}", NAMES) for number in (1, 2)])


async def ended(probe: AnyProbe, seed: str, answering: Sequence[Shaped]) -> Fault | None:
    """Looks at one target after each other; None: all ended as they may."""
    at = target(probe)
    look = Look(at, probe, probe.settings)
    before = None
    for aws in answering:
        try:
            snapshot = await probe.collect(aws, at)
        except BlindError:
            continue
        except Exception as error:  # noqa: BLE001 - any other end is what is looked for
            return Fault(probe.id, seed, f"collect: {error!r}")
        try:
            if before is not None and probe.since is not None:
                snapshot = probe.since(before, snapshot)
            seen = judged(look, snapshot)
            kept = recording.builtins(snapshot)
        except Exception as error:  # noqa: BLE001
            return Fault(probe.id, seed, f"diagnose: {error!r}")
        if (wrong := await told_of_logs(probe, at, aws, snapshot)) is not None:
            return Fault(probe.id, seed, wrong)
        before = snapshot
        silent = [*dropped(aws, kept, seen)]
        if silent and probe.id not in UNTOLD:
            return Fault(probe.id, seed, f"read and never told: {silent}")
    return None


async def told_of_logs(probe: AnyProbe, at: Target, aws: Shaped, snapshot: object) -> str | None:
    """What goes wrong when a person opens the logs of what was looked at; None: nothing."""
    if probe.logs is None:
        return None

    async def session() -> Shaped:
        return aws

    logs = TargetLogs(at, probe, session=session, seen=snapshot)
    try:
        for source in (await logs.sources())[:2]:
            view = await logs.read(source)
            for line in view.lines[:1]:
                await logs.around(source, line)
            await logs.newer(source, AT)
    except BlindError:
        return None
    except Exception as error:  # noqa: BLE001 - any other end is what is looked for
        return f"logs: {error!r}"
    return None


def dropped(aws: Shaped, kept: object, seen: Seen) -> Iterator[str]:
    """Unknown words of states that the look kept, and that no finding, fact or table shows."""
    told = " ".join(texts(recording.builtins((seen.findings, seen.facts, seen.tables)))).lower()
    had = set(texts(kept))
    for member, word in aws.unknown.items():
        if word in had and member.lower().endswith(STATES) and word.lower() not in told:
            yield word


def texts(value: object) -> Iterator[str]:
    """Every text in plain values."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, each in value.items():
            yield str(name)
            yield from texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from texts(each)
