"""How much of a reply is taken: redis-py reads whatever a server announces, as deep as it nests.

Its own parser with a count in it. Source: Redis serialization protocol specification, RESP2.
"""

from __future__ import annotations

from redis._parsers.resp2 import _AsyncRESP2Parser
from redis.exceptions import InvalidResponse, ResponseError
from redis.typing import EncodableT

MOST = 6 * 1024 * 1024
"""Octets of a reply: CLIENT LIST of some fifteen thousand clients."""
MOST_VALUES = 100_000
DEEPEST = 16
"""Arrays within arrays; CLUSTER SHARDS has six."""


Reply = EncodableT | ResponseError | None
"""As redis-py types it; a list is one, too."""


class ReplyTooLarge(InvalidResponse):
    """More came, or was announced, than any answer that an observer asks for has."""


class BoundedParser(_AsyncRESP2Parser):
    """RESP2, given up where a reply gets too long. The connection is of no use then."""

    def __init__(self, socket_read_size: int) -> None:
        super().__init__(socket_read_size)
        self._octets = self._values = self._depth = 0

    async def read_response(self, disable_decoding: bool = False) -> Reply | list[EncodableT]:
        """One reply. Raises `ReplyTooLarge`, and `InvalidResponse` for what is no reply."""
        self._octets = self._values = self._depth = 0
        try:
            found: Reply | list[EncodableT] = await super().read_response(
                disable_decoding=disable_decoding
            )
        except ValueError as error:  # a line without an end, a length that is no number
            raise InvalidResponse(f"Protocol Error: {error}") from None
        return found

    async def _read_response(self, disable_decoding: bool = False) -> Reply:
        self._depth += 1
        self._values += 1
        if self._depth > DEEPEST or self._values > MOST_VALUES:
            raise ReplyTooLarge(f"a reply of more than {MOST_VALUES} values, or {DEEPEST} deep")
        found: Reply = await super()._read_response(disable_decoding=disable_decoding)
        self._depth -= 1
        return found

    async def _readline(self) -> bytes:
        line: bytes = await super()._readline()
        self._take(len(line))
        return line

    async def _read(self, length: int) -> bytes:
        self._take(length)  # before it is waited for: asyncio would keep what was announced
        found: bytes = await super()._read(length)
        return found

    def _take(self, octets: int) -> None:
        if octets < 0:
            raise InvalidResponse(f"Protocol Error: a length of {octets}")
        self._octets += octets
        if self._octets > MOST:
            raise ReplyTooLarge(f"a reply of {self._octets} octets or more; {MOST} are taken")
