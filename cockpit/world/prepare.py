"""What has to be there before anything runs: ports, secrets, and the configuration of the cockpit.

It imports nothing heavy and takes milliseconds, so that a screen can open on the configuration
while the servers are still coming up.
"""

from __future__ import annotations

import json
import os
import secrets as random
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cockpit.connect.role import Role
from cockpit.world import layout
from cockpit.world.folder import write_atomically
from cockpit.world.scenario import PARTS, Scenario
from cockpit.world.servers import mariadb

CONFIG = "cockpit.toml"
STATE = "world.json"
Thresholds = Mapping[str, Mapping[str, object]]
"""Probe id → its settings."""
_DEFAULTS: Thresholds = {}


@dataclass(frozen=True, slots=True)
class WorldPorts:
    """Ports on 127.0.0.1; 0 for what this machine cannot run."""

    aws: int
    orders: int
    standby: int
    sessions: int
    sessions_replica: int
    catalog: int
    front: int
    payments: int
    names: int


@dataclass(frozen=True, slots=True)
class Secrets:
    """Passwords of one world."""

    owner: str = field(default_factory=lambda: random.token_hex(12), repr=False)
    checkout: str = field(default_factory=lambda: random.token_hex(12), repr=False)
    observer: str = field(default_factory=lambda: random.token_hex(12), repr=False)
    operator: str = field(default_factory=lambda: random.token_hex(12), repr=False)


@dataclass(frozen=True, slots=True)
class PreparedWorld:
    """A folder with everything that a world and a cockpit need to know."""

    folder: Path
    scenario: str
    role: Role
    ports: WorldPorts
    secrets: Secrets

    @property
    def config(self) -> Path:
        """The configuration for the cockpit."""
        return self.folder / CONFIG


def prepare(folder: Path, chosen: Scenario, *, role: Role) -> PreparedWorld:
    """Choose ports and secrets and write the files that a scenario's world needs."""
    wanted = chosen.has("databases")
    catalog = wanted and mariadb.find_binary() is not None
    ports = _free_ports(catalog=catalog)
    prepared = PreparedWorld(folder, chosen.name, role, ports, Secrets())
    _write_secrets(prepared)
    write_atomically(
        folder / CONFIG,
        configuration(
            prepared,
            billing=chosen.billing,
            thresholds=chosen.thresholds,
            parts=chosen.parts,
            host=_host(chosen.target),
        )
        + "".join(_brought(each, folder) for each in chosen.target),
    )
    state = _first_state(prepared, parts=chosen.parts, lacking=wanted and not catalog)
    write_atomically(folder / STATE, json.dumps(state))
    _write_private(folder / "prepared.json", json.dumps(_as_data(prepared)))
    return prepared


def read(folder: Path) -> PreparedWorld | None:
    """What another process prepared in the folder; None when nothing is there."""
    try:
        data = json.loads((folder / "prepared.json").read_text())
    except OSError:
        return None
    return PreparedWorld(
        folder,
        data["scenario"],
        Role(data["role"]),
        WorldPorts(**data["ports"]),
        Secrets(**data["secrets"]),
    )


def _as_data(prepared: PreparedWorld) -> dict[str, object]:
    return {
        "scenario": prepared.scenario,
        "role": prepared.role.value,
        "ports": asdict(prepared.ports),
        "secrets": asdict(prepared.secrets),
    }


def _first_state(
    prepared: PreparedWorld, *, parts: Sequence[str], lacking: bool
) -> dict[str, object]:
    rows = ["aws"]
    if "databases" in parts:
        rows += ["orders-db", "orders-standby", "sessions"]
        rows += ["catalog"] if prepared.ports.catalog else []
    rows += ["web"] if "web" in parts else []
    return {
        "scenario": prepared.scenario,
        "ready": False,
        "failed": "",
        "control": "",
        "notes": [f"{mariadb.LACKING}: the shop has no MySQL target"] if lacking else [],
        "ports": asdict(prepared.ports),
        "parts": {part: {"state": "starting", "detail": ""} for part in (*rows, "scenario")},
    }


def _free_ports(*, catalog: bool) -> WorldPorts:
    """Ports that are free now; all are held together, so no two are the same."""
    held = []
    try:
        for number in range(9):
            one = socket.socket()
            held.append(one)
            one.bind(("127.0.0.1", 0))
            if number == 8:
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
                    datagrams.bind(("127.0.0.1", one.getsockname()[1]))
        numbers = [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()
    ports = WorldPorts(*numbers)
    return ports if catalog else WorldPorts(**{**asdict(ports), "catalog": 0})


def _write_secrets(prepared: PreparedWorld) -> None:
    folder = prepared.folder / "secrets"
    folder.mkdir(mode=0o700, exist_ok=True)
    role = prepared.role.value
    files = {
        "aws-key": layout.key_of(role),
        "aws-key-fresh": layout.fresh_key_of(role),
        "aws-secret": random.token_hex(20),
        "billing-key": layout.key_of("billing"),
        "observer": prepared.secrets.observer,
        "operator": prepared.secrets.operator,
    }
    for name, value in files.items():
        _write_private(folder / name, value + "\n")


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def addresses() -> tuple[str, ...]:
    """The loopback addresses of the third party: three on Linux, one where there is only one."""
    return ("127.0.0.1", "127.0.0.2", "127.0.0.3") if sys.platform == "linux" else ("127.0.0.1",)


_SHARED_MACHINE: Thresholds = {
    "endpoint.path": {
        "dns": {"warning": 2.0, "high": 4.0},
        "first_byte": {"warning": 2.0, "high": 5.0},
        "handshake_floor": 1.0,
        "first_byte_floor": 1.0,
        "slower_floor": 1.0,
        "jitter": 1.0,
    },
    "redis.performance": {"latency": {"warning": 1.0, "high": 3.0}},
}
"""The shop shares its cores with everything else here: how fast it answers says little."""


def configuration(
    prepared: PreparedWorld,
    *,
    billing: bool = False,
    thresholds: Thresholds = _DEFAULTS,
    parts: Sequence[str] = PARTS,
    host: str = "127.0.0.1",
) -> str:
    """`cockpit.toml`: the shop as any configuration describes it."""
    ports, folder = prepared.ports, prepared.folder
    texts = [
        'environment = "prod"',
        f'role = "{prepared.role.value}"',
        _place("prod", folder, f"{host}:{ports.aws}", key="aws-key"),
    ]
    if billing:
        texts.append(_place("billing", folder, f"{host}:{ports.aws}", key="billing-key"))
    catalog = bool(ports.catalog)
    rows = [*_edge(prepared), *_services(catalog=catalog), *_data(prepared)]
    rows += [_catalog(prepared)] if catalog else []
    rows += [_invoices()] if billing else []
    here = [row for row in rows if row.part in parts or not row.part]
    names = {row.name for row in here}
    texts += [row.text(names) for row in here]
    merged = {id_: {**_SHARED_MACHINE.get(id_, {}), **given} for id_, given in thresholds.items()}
    limits = {**_SHARED_MACHINE, **merged}
    texts += [_table(f'[probes."{id_}"]', dict(given)) for id_, given in limits.items()]
    return "\n".join(texts)


@dataclass(frozen=True, slots=True)
class ShopTarget:
    """A target of the shop, and which part of the shop it is there with; empty: with any."""

    part: str
    kind: str
    name: str
    fields: dict[str, object]
    below: str = ""

    def text(self, names: set[str]) -> str:
        """Its table, with the needs that are there at all."""
        fields = dict(self.fields)
        needs = fields.pop("needs", ())
        assert isinstance(needs, list | tuple)
        if kept := [each for each in needs if each in names]:
            fields["needs"] = kept
        head = {"kind": self.kind, "name": self.name}
        return _table("[[target]]", {**head, **fields}) + self.below


def _host(more: Sequence[Mapping[str, object]]) -> str:
    """What AWS is asked at: S3 needs a name, before which it puts the account."""
    return "localhost" if any(one["kind"] == "s3_bucket" for one in more) else "127.0.0.1"


def _place(name: str, folder: Path, address: str, *, key: str) -> str:
    return _table(
        f"[aws.{name}]",
        {
            "region": layout.REGION,
            "endpoint_url": f"http://{address}",
            "access_key_id": f"file:{folder / 'secrets' / key}",
            "secret_access_key": f"file:{folder / 'secrets' / 'aws-secret'}",
            "calls_per_second": 50.0,
        },
    )


def _edge(prepared: PreparedWorld) -> list[ShopTarget]:
    ports = prepared.ports
    resolver = f"127.0.0.1:{ports.names}"
    authority = str(prepared.folder / "ca.pem")
    front: dict[str, object] = {
        "url": f"https://{layout.FRONT_HOST}:{ports.front}/",
        "expect_text": "shop",
        "tls_ca": authority,
        "resolver": resolver,
        "service": "checkout",
        "needs": ["shop-alb"],
    }
    balancer: dict[str, object] = {
        "aws": "prod",
        "arn": layout.BALANCER_ARN,
        "service": "checkout",
        "needs": ["checkout-tg", "search-tg"],
    }
    payments: dict[str, object] = {
        "url": f"https://{layout.PAYMENTS_HOST}:{ports.payments}/v1/status",
        "status_url": f"https://{layout.STATUS_HOST}:{ports.payments}/api/v2/status.json",
        "external": True,
        "tls_ca": authority,
        "resolver": resolver,
        "service": "checkout",
    }
    alarms: dict[str, object] = {"aws": "prod", "service": "checkout"}
    return [
        ShopTarget("web", "endpoint", "shop-front", front),
        ShopTarget("services", "alb", "shop-alb", balancer),
        ShopTarget("web", "endpoint", "payments", payments),
        ShopTarget("", "alarms", "alarms", alarms),
    ]


def _services(*, catalog: bool) -> list[ShopTarget]:
    checkout = ["orders-db", "sessions", "carts", "payments", "checkout-to-db"]
    search = ["catalog"] if catalog else ["orders-standby"]
    rows = []
    for service, needs in ((layout.CHECKOUT, checkout), (layout.SEARCH, search)):
        group: dict[str, object] = {
            "aws": "prod",
            "arn": service.group_arn,
            "service": service.name,
            "needs": [service.name],
        }
        tasks: dict[str, object] = {
            "aws": "prod",
            "id": service.name,
            "cluster": layout.CLUSTER,
            "service": service.name,
            "needs": needs,
        }
        rows += [
            ShopTarget("services", "target_group", service.group, group),
            ShopTarget("services", "ecs_service", service.name, tasks),
        ]
    return rows


def _data(prepared: PreparedWorld) -> list[ShopTarget]:
    ports = prepared.ports
    postgres = _login(prepared) | {"database": "orders", "sslmode": "disable", "aws": "prod"}
    path: dict[str, object] = {
        "aws": "prod",
        "source": {
            "security_group": layout.GROUPS["checkout"],
            "subnet": layout.subnet("app-a"),
        },
        "destination": {"address": layout.DB_ADDRESS},
        "port": 5432,
        "service": "checkout",
    }
    cache: dict[str, object] = {
        "host": "127.0.0.1",
        "port": ports.sessions,
        "tls": False,
        "aws": "prod",
        "elasticache": layout.CACHE,
        "expects": "primary",
        "service": "checkout",
        "needs": ["sessions-cache"],
    }
    table: dict[str, object] = {"aws": "prod", "id": layout.TABLE, "service": "checkout"}
    database: dict[str, object] = {"aws": "prod", "id": layout.DATABASE, "service": "checkout"}
    shared: dict[str, object] = {"aws": "prod", "id": layout.CACHE, "service": "checkout"}
    writer = {"rds": layout.DATABASE, "expects": "writer", "needs": ["orders"]}
    reader = {"rds": layout.STANDBY, "expects": "reader", "needs": ["orders-db"]}
    primary = {**postgres, "port": ports.orders, **writer, "service": "checkout"}
    standby = {**postgres, "port": ports.standby, **reader, "service": "checkout"}
    commander = _commander(prepared)
    return [
        ShopTarget("databases", "postgres", "orders-db", primary, commander),
        ShopTarget("databases", "postgres", "orders-standby", standby, commander),
        ShopTarget("databases", "rds", "orders", database),
        ShopTarget("databases", "redis", "sessions", cache),
        ShopTarget("databases", "elasticache", "sessions-cache", shared),
        ShopTarget("databases", "dynamodb_table", "carts", table),
        ShopTarget("network", "vpc_path", "checkout-to-db", path),
    ]


def _catalog(prepared: PreparedWorld) -> ShopTarget:
    fields = _login(prepared) | {
        "port": prepared.ports.catalog,
        "tls": "off",
        "service": "search",
    }
    return ShopTarget("databases", "mysql", "catalog", fields, _commander(prepared))


def _invoices() -> ShopTarget:
    fields: dict[str, object] = {"aws": "billing", "id": layout.INVOICES, "service": "checkout"}
    return ShopTarget("", "dynamodb_table", "invoices", fields)


def _login(prepared: PreparedWorld) -> dict[str, object]:
    return {
        "host": "127.0.0.1",
        "user": "cockpit_ro",
        "password": f"file:{prepared.folder / 'secrets' / 'observer'}",
    }


def _commander(prepared: PreparedWorld) -> str:
    return _table(
        "[target.commander]",
        {
            "user": "cockpit_ops",
            "password": f"file:{prepared.folder / 'secrets' / 'operator'}",
        },
    )


def _brought(target: Mapping[str, object], folder: Path) -> str:
    """A target that a scenario brings, with the world's folder where it is meant."""
    fields = {
        key: value.replace("{folder}", str(folder)) if isinstance(value, str) else value
        for key, value in target.items()
    }
    return _table("[[target]]", fields)


def _table(head: str, fields: dict[str, object]) -> str:
    lines = "".join(f"{name} = {_toml(value)}\n" for name, value in fields.items())
    return f"\n{head}\n{lines}"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return json.dumps(value) if isinstance(value, str) else str(value)
