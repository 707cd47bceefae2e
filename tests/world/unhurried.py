"""The cockpit with four times the patience.

On a slow machine a shop that has just come up and whoever looks at it are in each other's way: the
limits that are right for a person would then tell of this machine, and not of the shop.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from cockpit.connect.aws import clients, sessions
from cockpit.connect.mysql import session as mysql
from cockpit.connect.postgres import session as postgres
from cockpit.connect.redis import session as redis
from cockpit.triage.registry import registry
from tests.patience import at_most

_LIMITS = {
    clients: ("CONNECT_TIMEOUT", "READ_TIMEOUT"),
    sessions: ("CONNECT_TIMEOUT", "READ_TIMEOUT"),
    mysql: ("_CONNECT", "_READ"),
    postgres: ("_CONNECT", "_STATEMENT_MS"),
    redis: ("_TIMEOUT",),
}


@contextmanager
def unhurried() -> Iterator[None]:
    """Every limit of a look, and of the sessions that are opened meanwhile."""
    with ExitStack() as stack:
        for module, names in _LIMITS.items():
            for name in names:
                longer = at_most(getattr(module, name))
                stack.enter_context(patch.object(module, name, longer))
        ms = postgres._STATEMENT_MS  # already the longer one: the server is told the same
        stack.enter_context(patch.dict(postgres._OPTIONS, statement_timeout=ms))
        for made, name in ((postgres.Postgres, "patience"), (redis.Redis, "timeout")):
            defaults = made.__init__.__kwdefaults__ or {}
            stack.enter_context(patch.dict(defaults, {name: at_most(defaults[name])}))
        for probe in registry().values():
            stack.callback(object.__setattr__, probe, "timeout", probe.timeout)
            object.__setattr__(probe, "timeout", at_most(probe.timeout))
        yield
