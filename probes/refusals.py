"""What a failed connection is in the story of an outage, by the codes that the connectors give.

A probe adds those of its connector to its own codes.
"""

from __future__ import annotations

from cockpit.triage.nature import Codes, Trait, codes

_TCP = ("NET_TCP_REFUSED", "NET_TCP_TIMEOUT", "NET_TCP_UNREACH")

POSTGRES_REFUSALS: Codes = codes(
    cause=(
        "NET_WRONG_PROTOCOL",
        "PG_CONN_AUTH",
        "PG_CONN_CRASHED",
        "PG_CONN_DB_LIMIT",
        "PG_CONN_HBA",
        "PG_CONN_NOT_READABLE",
        "PG_CONN_NO_DB",
        "PG_CONN_RESOURCE",
        "PG_CONN_ROLE_LIMIT",
        "PG_CONN_SHUTTING_DOWN",
        "PG_CONN_STARTING",
        "PG_CONN_TLS",
        "PG_POOL_FULL",
    ),
    either=(
        *_TCP,
        "PG_CONN_DROPPED",
        "PG_CONN_MUTE",
        "PG_CONN_RESERVED_ONLY",
        "PG_CONN_SATURATED",
        "PG_POOL_WAIT",
    ),
    traits={
        Trait.NO_ANSWER: (*_TCP, "PG_CONN_DROPPED", "PG_CONN_MUTE"),
        Trait.LOAD: ("PG_CONN_RESERVED_ONLY", "PG_CONN_SATURATED", "PG_POOL_FULL", "PG_POOL_WAIT"),
    },
)
MYSQL_REFUSALS: Codes = codes(
    cause=(
        "MY_CONN_AUTH",
        "MY_CONN_HOST_BLOCKED",
        "MY_CONN_HOST_DENIED",
        "MY_CONN_NO_DB",
        "MY_CONN_NO_GRANT",
        "MY_CONN_OFFLINE",
        "MY_CONN_SHUTDOWN",
        "MY_CONN_TLS",
        "MY_CONN_TLS_REQUIRED",
        "MY_CONN_USER_LIMIT",
    ),
    either=("MY_CONN_DROPPED", "MY_CONN_MUTE", "MY_CONN_RESERVED_ONLY", "MY_CONN_SATURATED"),
    eye=(
        "MY_CONN_LOCKED",
        "MY_CONN_EXPIRED",
        "MY_CONN_BLOCKED",
        "MY_CONN_PLUGIN",
        "MY_CONN_SOCKET_ONLY",
    ),
    traits={
        Trait.LOAD: ("MY_CONN_RESERVED_ONLY", "MY_CONN_SATURATED"),
        Trait.NO_ANSWER: ("MY_CONN_DROPPED", "MY_CONN_MUTE"),
    },
)
REDIS_REFUSALS: Codes = codes(
    cause=(
        "NET_WRONG_PROTOCOL",
        "RD_CONN_AUTH",
        "RD_CONN_TLS",
        "RD_PERSIST_MISCONF",
        "RD_REPL_STALE_REFUSED",
        "RD_STATE_BUSY_SCRIPT",
    ),
    either=("RD_CONN_DROPPED", "RD_CONN_MUTE", "RD_CONN_SATURATED"),
    eye=("RD_IS_SENTINEL", "RD_OBS_BLIND"),
    traits={
        Trait.LOAD: ("RD_CONN_SATURATED",),
        Trait.NO_ANSWER: ("RD_CONN_DROPPED", "RD_CONN_MUTE"),
    },
)
MEMCACHED_REFUSALS: Codes = codes(
    cause=("MC_MUTE", "MC_CONN_TLS"),
    either=("MC_SAT_CONNECTIONS", "MC_CONN_DROPPED"),
    traits={Trait.LOAD: ("MC_SAT_CONNECTIONS",), Trait.NO_ANSWER: ("MC_MUTE", "MC_CONN_DROPPED")},
)
