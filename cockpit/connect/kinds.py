"""The kinds whose connector is part of the product. Others come beside their probes or from outside
(`cockpit.triage.registry`).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cockpit.connect.aws import kind as aws
from cockpit.connect.kind import AnyKind
from cockpit.connect.memcached import kind as memcached
from cockpit.connect.mysql import kind as mysql
from cockpit.connect.net import kind as net
from cockpit.connect.postgres import kind as postgres
from cockpit.connect.postgres import pooler_kind as pooler
from cockpit.connect.redis import kind as redis

_ALL: tuple[AnyKind, ...] = (
    postgres.KIND,
    pooler.KIND,
    mysql.KIND,
    redis.KIND,
    memcached.KIND,
    net.KIND,
    aws.VPC_PATH,
    aws.METRIC,
)
KINDS: Mapping[str, AnyKind] = MappingProxyType({kind.name: kind for kind in _ALL})
