"""A process of its own that looks at servers: how much memory what they sent took.

`python -m tests.core.memory_taken KIND PORT…`: the first server is an honest one, so that all modules
are loaded; prints what each look at the others said, and by how many MB the process grew at most.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from cockpit.connect.aws.session import open_aws
from cockpit.connect.memcached.session import open_memcached
from cockpit.connect.memcached.settings import MemcachedSettings
from cockpit.connect.mysql.session import open_mysql
from cockpit.connect.mysql.settings import MysqlSettings
from cockpit.connect.postgres.session import open_postgres
from cockpit.connect.postgres.settings import PostgresSettings
from cockpit.connect.redis.session import open_redis
from cockpit.connect.redis.settings import RedisSettings
from cockpit.errors import BlindError
from tests.core.aws_stub import place


def _peak() -> float:
    """MB; of this process alone, unlike `ru_maxrss`, which begins with its parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


async def _aws(port: int) -> object:
    return await (await open_aws(place(port))).read(
        "ecs", "DescribeTaskDefinition", taskDefinition="a"
    )


async def _redis(port: int) -> object:
    settings = RedisSettings(host="127.0.0.1", port=port, tls=False)
    return await (await open_redis(settings)).command("INFO")


async def _memcached(port: int) -> object:
    settings = MemcachedSettings(host="127.0.0.1", port=port, tls=False)
    return await (await open_memcached(settings)).command("stats")


async def _postgres(port: int) -> object:
    settings = PostgresSettings(host="127.0.0.1", port=port, user="a", sslmode="disable")
    return await (await open_postgres(settings)).dicts("SELECT 1")


async def _mysql(port: int) -> object:
    settings = MysqlSettings(host="127.0.0.1", port=port, user="a", tls="off")
    return await (await open_mysql(settings)).dicts("SELECT 1")


_LOOKS = {
    "aws": _aws,
    "redis": _redis,
    "memcached": _memcached,
    "postgres": _postgres,
    "mysql": _mysql,
}


async def _main(kind: str, ports: Sequence[int]) -> None:
    look = _LOOKS[kind]
    await look(ports[0])
    before, found = _peak(), []
    for port in ports[1:]:
        said = "seen"
        try:
            await look(port)
        except BlindError as error:
            said = f"{error.reason.value}: {error.message}"
        found.append({"over": _peak() - before, "said": said})
    sys.stdout.write(json.dumps(found))
    sys.stdout.flush()
    os._exit(0)  # what is still open is the servers' matter


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], [int(port) for port in sys.argv[2:]]))
