"""A sweep of twenty kinds, fifty targets each: how near it comes to what the calls alone take.

The session is the product's; under it answers of botocore's shapes come after 50 ms. They are
random but always the same, so most targets look sick and are looked at in full. `python -m
tests.bench.many` prints these rows alone.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore import xform_name
from botocore.model import Shape, StructureShape

from cockpit import config, sweep
from cockpit.connect.aws.batched import BATCHES
from cockpit.connect.aws.limits import CEILINGS
from cockpit.connect.role import Role
from cockpit.triage.board import ONE_LOOK
from cockpit.triage.probe import Seen
from cockpit.triage.registry import catalog, registry
from cockpit.triage.store import Store
from tests.bench.mixed import LATENCY, Client
from tests.bench.sweep import lag, told
from tests.bench.table import Row, percentile, render
from tests.fuzz.shapes import Shaped, model

EACH = 50
SEATS = 32
KINDS = (
    "alb", "target_group", "ecs_service", "ecs_cluster", "rds", "elasticache", "dynamodb_table",
    "lambda_function", "api_gateway", "sqs_queue", "kinesis_stream", "state_machine", "cloudfront",
    "autoscaling_group", "ec2_instance", "s3_bucket", "athena_workgroup", "sns_topic", "waf_acl",
    "log_group",
)  # fmt: skip
_ARNS = {
    "alb": "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/x{0}/{0:016x}",
    "target_group": "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/x{0}/{0:016x}",
    "sns_topic": "arn:aws:sns:us-east-1:123456789012:x{0}",
    "state_machine": "arn:aws:states:us-east-1:123456789012:stateMachine:x{0}",
    "ec2_instance": "i-{0:017x}",
    "sqs_queue": "https://sqs.us-east-1.amazonaws.com/123456789012/x{0}",
}
HEAD = f"""environment = "bench"
budget_usd_per_hour = 1000.0
[aws.prod]
region = "us-east-1"
max_concurrency = {SEATS}
calls_per_second = 100000.0
"""


class _Full(Shaped):
    """Whole answers: every member is there, of its type, and no page follows."""

    def __init__(self, seed: str, names: list[str]) -> None:
        super().__init__(seed, names)
        self._absent = self._wrong = self._fails = self._odd = 0.0

    def _structure(self, shape: StructureShape, depth: int) -> dict[str, Any]:
        made = super()._structure(shape, depth)
        return {name: each for name, each in made.items() if not name.lower().endswith(_FOLLOWS)}

    def answer(self, service: str, operation: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        made = self._answer(service, operation, asked)
        batch = BATCHES.get(f"{service}.{operation}")
        if batch is None or not batch.names:
            return made
        shape: Any = self._output(service, operation).members[batch.member]
        if isinstance(shape, StructureShape):
            made[batch.member][batch.names[0]] = next(_texts(asked), "")
        else:
            wanted = self._names if batch.listing else list(_texts(asked))
            made[batch.member] = [self._named(shape.member, batch.names[0], n) for n in wanted]
        return made

    def _named(self, shape: Shape, member: str, name: str) -> Any:
        made = self._made(shape, "", 1)
        return {**made, member: name} if isinstance(made, dict) else name


_FOLLOWS = ("token", "marker", "hasmore")


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


@dataclass
class Shop:
    """Stands in for the clients of a session; counts the calls of each service."""

    names: list[str]
    calls: Counter[str] = field(default_factory=Counter)
    redirected: Mapping[str, str] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self._full = _Full("many", self.names)
        self._operations: dict[str, str] = {}

    async def reads(self, service: str) -> Client:
        return Client(self, service)  # type: ignore[arg-type]

    async def close(self) -> None:
        """Nothing is open."""

    def renew(self) -> None:
        """Nothing is old."""

    def answer(self, service: str, operation: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        self.calls[service] += 1
        if operation == "get_metric_data":
            return {"MetricDataResults": [_metric(each) for each in asked["MetricDataQueries"]]}
        return self._full.answer(service, self._named(service, operation), asked)

    def _named(self, service: str, method: str) -> str:
        key = f"{service}.{method}"
        if key not in self._operations:
            names = model(service).operation_names
            self._operations |= {f"{service}.{xform_name(name)}": name for name in names}
        return self._operations[key]


def _metric(query: Mapping[str, Any]) -> dict[str, Any]:
    at = datetime.now(UTC).replace(second=0, microsecond=0)
    return {"Id": query["Id"], "StatusCode": "Complete", "Timestamps": [at], "Values": [1.0]}


def _written(path: Path) -> list[str]:
    lines, names = [HEAD], []
    for kind in KINDS:
        for n in range(EACH):
            id_ = _ARNS.get(kind, "x{0}").format(n)
            names.append(id_)
            more = 'cluster = "shop"\n' if kind == "ecs_service" else ""
            lines.append(
                f'[[target]]\nkind = "{kind}"\nname = "{kind}-{n}"\naws = "prod"\nid = "{id_}"\n{more}'
            )
    path.write_text("".join(lines))
    return names


async def _swept(
    path: Path, names: list[str]
) -> tuple[float, float, list[float], Shop, Counter[str]]:
    settings = config.load(path, catalog())
    connections = sweep.connections(settings, Role.TRIAGE)
    looks = sweep.looks(settings, registry())
    engine = sweep.engine(looks, connections, store=Store(ONE_LOOK), debug=told)
    session, shop, late = await connections.aws("prod"), Shop(names), list[float]()
    session._clients = shop  # type: ignore[assignment]
    for look in looks[:: len(looks) // 40]:  # models and modules, once
        await engine.look(look.target.name, look.probe.id)
    await asyncio.sleep(2.1)  # so that no answer of before is shared
    shop.calls.clear()
    watch = asyncio.create_task(lag(late))
    started, cpu = time.perf_counter(), time.process_time()
    readings = await engine.sweep()
    took, cpu = time.perf_counter() - started, time.process_time() - cpu
    watch.cancel()
    blind = Counter(
        f"{each.probe}: {each.outcome.reason}"
        for each in readings
        if not isinstance(each.outcome, Seen)
    )
    await engine.stop()
    await connections.close()
    return took, cpu, late, shop, blind


def _least(service: str, calls: int) -> float:
    """Seconds that a service's calls take at least: by latency, and by the rate that it is asked."""
    rate = CEILINGS.get(service)
    paced = (calls - 4 * rate) / rate if rate else 0.0
    return max(calls / SEATS * LATENCY, paced)


def rows(folder: Path) -> list[Row]:
    """The sweep against its floor."""
    path = folder / "many.toml"
    took, cpu, late, shop, blind = asyncio.run(_swept(path, _written(path)))
    asked, service = max((_least(each, many), each) for each, many in shop.calls.items())
    floor = max(asked, cpu)
    note = f"{took:.1f} s, {shop.calls.total()} calls, CPU {cpu:.1f} s, {blind.total()} unseen"
    base = "CPU floor" if cpu > asked else f"floor of {service}"
    name = f"{len(KINDS)} kinds × {EACH} targets, 50 ms"
    worst = f"worst {max(late) * 1000:.0f} ms"
    return [
        Row(f"sweep of {name}", took / floor, "× floor", 1.25, base, note),
        Row("… loop lag p99", percentile(late, 0.99) * 1000, "ms", 50, "", worst, gauge=True),
    ]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        print(render(rows(Path(made))))
