"""What a commander may do to Redis: named commands, checked before and after.

Source: Redis documentation, CLIENT KILL, CLIENT PAUSE, FAILOVER, SCRIPT KILL, CONFIG SET.
ElastiCache blocks CONFIG.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from cockpit.connect.kind import Secret
from cockpit.connect.observer import sent
from cockpit.connect.redis.session import Field, Redis
from cockpit.connect.redis.settings import RedisSettings
from cockpit.connect.secrets import resolve_async
from cockpit.connect.session import Acts, Right
from cockpit.connect.settings import commanders_login
from cockpit.connect.sql.acts import became
from cockpit.connect.statements import Statement, checked, statement
from cockpit.errors import BlindError, Misconfigured, Reason, Refused
from cockpit.text import visible

_POLICIES = frozenset(
    {
        "noeviction", "allkeys-lru", "allkeys-lfu", "allkeys-random",
        "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl",
    }
)  # fmt: skip
_BETWEEN = 0.1
_PROTECTED_FLAGS = frozenset("SMO")
"""In CLIENT LIST: a replica, our primary, a client in MONITOR."""


class RedisActs:
    """A commander's session for one approved plan."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def run(self, call: str, arguments: Mapping[str, object]) -> Mapping[str, object]:
        """One named command: `{"done": bool, "detail": str, …}`, as in `PostgresActs.run`."""
        known = statement(call, "redis")
        values = checked(known, arguments)
        if call == "client_kill":
            await self._check_client(values)
        if call == "set_maxmemory_policy" and values["policy"] not in _POLICIES:
            raise Misconfigured(f"{values['policy']!r} is no eviction policy")
        if call in _HELD_UP:
            return await self._let_go(call, known)
        if call == "set_maxmemory":
            return await self._set_maxmemory(known, values)
        try:
            reply = await self._sent(known, values)
        except BlindError as error:
            if "NOTBUSY" not in error.message:
                raise
            raise Refused("it ended by itself just now: nothing is held up by it") from None
        if known.risk == "read":
            return {"done": True, "detail": known.effect, "value": reply}
        if call in {"script_kill", "function_kill"}:
            return await self._script_ended(call.removesuffix("_kill"))
        if call == "client_kill":
            gone = reply == 1
            return {"done": gone, "detail": "the client is gone" if gone else "no such client"}
        return {"done": reply == "OK", "detail": str(reply)}

    async def may(self, call: str, arguments: Mapping[str, object]) -> Right:
        """See `TellsRights`. The server tells by `ACL DRYRUN`, from 7.0 on."""
        known = statement(call, "redis")
        said: dict[str, str] = {}
        try:
            user = str(await self._redis.send("ACL", "WHOAMI", retry=False))
            for need in known.needs:
                words = need.split("|")
                if words == [word.lower() for word in known.words[: len(words)]]:
                    words = _words_of(known, checked(known, arguments))
                answer = await self._redis.send("ACL", "DRYRUN", user, *words, retry=False)
                if answer != "OK":
                    said[need] = visible(str(answer))
        except BlindError as error:
            if error.reason in {Reason.TIMEOUT, Reason.UNREACHABLE}:
                raise
            return Right(None, f"the server does not tell: {error.message}")
        if not said:
            return Right(held=True)
        missing = " ".join(f"+{need}" for need in said)
        return Right(False, "; ".join(said.values()), f"ACL SETUSER {visible(user, 40)} {missing}")

    async def close(self) -> None:
        """See `Acts`."""
        await self._redis.close()

    async def _script_ended(self, what: str) -> dict[str, object]:
        """It ends at its next instruction that looks: wait until something is answered."""
        for _ in range(20):
            try:
                await self._redis.command("PING")
            except BlindError as error:
                if error.code != "RD_STATE_BUSY_SCRIPT":
                    raise
                await asyncio.sleep(_BETWEEN)
            else:
                return {"done": True, "detail": f"the {what} was ended"}
        return {"done": False, "detail": f"accepted, but the {what} still runs"}

    async def _set_maxmemory(
        self, known: Statement, values: dict[str, object]
    ) -> dict[str, object]:
        info = await self._redis.info("memory")
        wanted, used = values["bytes"], info.get("used_memory")
        assert isinstance(wanted, int)
        if not isinstance(used, int):
            raise BlindError(Reason.UNREADABLE, "INFO does not say how much memory is in use")
        if 0 < wanted < used:
            raise Refused(
                f"{wanted} bytes are less than the {used} in use: it would evict or refuse at once"
            )
        reply = await self._sent(known, values)
        before = info.get("maxmemory")
        return {
            "done": reply == "OK",
            "detail": f"maxmemory was {before}, is {wanted}",
            "before": before,
        }

    async def _let_go(self, call: str, known: Statement) -> dict[str, object]:
        """End what holds writes up, if it still does. Raises `Refused`, and sends nothing, where it
        is over by now, or is another hold-up than was approved.
        """
        why = _HELD_UP[call](await self._redis.info())
        if why:
            raise Refused(f"{why}: nothing was sent")
        reply = await self._sent(known, {})
        now = await became(self._redis.info(), what=" ".join(known.words))
        done = reply == "OK" and (call == "client_unpause" or not _hands_over(now))
        state = now.get("paused_reason" if call == "client_unpause" else "master_failover_state")
        told = "the server does not tell" if state is None else visible(str(state), 60)
        return {"done": done and state != "client_pause", "detail": f"{reply}; now: {told}"}

    async def _check_client(self, values: dict[str, object]) -> None:
        listed = str(await self._redis.command("CLIENT", "LIST", "ID", str(values["id"])))
        fields = dict(part.split("=", 1) for part in listed.split() if "=" in part)
        if not fields:
            raise Refused(f"client {values['id']} is gone already: nothing was sent")
        if set(fields.get("flags", "")) & _PROTECTED_FLAGS or fields.get("name", "").startswith(
            "incident-cockpit"
        ):
            raise Refused(f"client {values['id']} is protected: replication, or ourselves")

    async def _sent(self, known: Statement, values: Mapping[str, object]) -> object:
        reply = self._redis.send(*_words_of(known, values), retry=False)
        return await (reply if known.risk == "read" else sent(reply))


def _words_of(known: Statement, values: Mapping[str, object]) -> list[str]:
    return [str(values[word[1:-1]]) if word.startswith("{") else word for word in known.words]


def _hands_over(info: Mapping[str, Field]) -> bool:
    return info.get("master_failover_state", "no-failover") != "no-failover"


def _not_paused(info: Mapping[str, Field]) -> str:
    """Why CLIENT UNPAUSE is not sent; empty: it may be. Before Valkey 9 no server tells of a pause,
    and there it does nothing where nothing is paused. Redis 6.2 has one pause for both, so that
    UNPAUSE in a FAILOVER would take writes that are lost with it.
    """
    if _hands_over(info):
        return "a FAILOVER holds the writes up: FAILOVER ABORT ends that"
    reason = info.get("paused_reason", "client_pause")
    return "" if reason == "client_pause" else "no CLIENT PAUSE is on any more"


def _not_handing_over(info: Mapping[str, Field]) -> str:
    """Why FAILOVER ABORT is not sent; empty: it may be."""
    return "" if _hands_over(info) else "no FAILOVER is under way any more"


_HELD_UP = {"client_unpause": _not_paused, "failover_abort": _not_handing_over}


async def open_redis_acts(settings: RedisSettings, *, secret: Secret = resolve_async) -> Acts:
    """The commander's session: named commands only, with the commander's login."""
    login = commanders_login(settings)
    return RedisActs(Redis(settings, secret=secret, login=login, timeout=5.0))
