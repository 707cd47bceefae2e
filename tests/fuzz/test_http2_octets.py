"""Whatever a server says in place of HTTP/2 is an outcome, and never an error of ours."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from cockpit import clock
from cockpit.connect.net import http2
from cockpit.connect.net.wire import Wire

OUTCOMES = {"ok", "malformed", "dropped", "truncated", "too_long", "unprocessed", "not_serving"}
GOOD = bytes.fromhex("88")
"""HPACK for `:status: 200`."""


class Said(Wire):
    """What a server said, in pieces, and then its end."""

    def __init__(self, octets: bytes, piece: int) -> None:
        self._octets, self._piece = octets, piece
        self.unsealed = False

    async def send(self, data: bytes) -> None:
        """Nobody listens."""

    async def receive(self) -> bytes:
        said, self._octets = self._octets[: self._piece], self._octets[self._piece :]
        return said


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from([0, 0, 1, 1, 3, 4, 5, 6, 7, 8, 9, 12]))
    flags = draw(st.sampled_from([0, 1, 4, 5, 8, 0x2D, 255]))
    stream = draw(st.sampled_from([0, 1, 1, 1, 2, 3, 2**32 - 1]))
    load = draw(st.one_of(st.just(GOOD), st.binary(max_size=24)))
    return len(load).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + load


@given(said=st.lists(frames(), max_size=6), piece=st.sampled_from([1, 9, 4096]), grpc=st.booleans())
@settings(max_examples=300, deadline=None)
async def test_no_octets_of_a_server_are_an_error_of_ours(
    said: list[bytes], piece: int, grpc: bool
) -> None:
    wire = Said(bytes.fromhex("000000040000000000") + b"".join(said), piece)
    asked = http2.Http2Request(
        scheme="http", authority="shop.test", path="/", agent="a", service="" if grpc else None
    )
    look = await http2.exchange(wire, asked, first_byte=60, whole=60, marker="", wall=clock.now())
    assert look.outcome in OUTCOMES
