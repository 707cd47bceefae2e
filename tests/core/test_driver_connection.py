"""A SQL driver's connection is woken when it is given up, and freed once nothing uses it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from cockpit.connect.sql.connection import DriverConnection


@dataclass
class Freed:
    """How often a driver's connection was freed."""

    times: int = 0

    def once_more(self) -> None:
        self.times += 1


@pytest.fixture
def freed() -> Freed:
    return Freed()


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def connection(
    ends: tuple[socket.socket, socket.socket], freed: Freed
) -> DriverConnection[socket.socket]:
    return DriverConnection(ends[0], ends[0].dup(), freed.once_more)


async def test_a_reader_that_hangs_is_woken_and_freed_after_its_end(
    connection: DriverConnection[socket.socket], freed: Freed
) -> None:
    reading = asyncio.get_running_loop().run_in_executor(None, connection.driver.recv, 1)
    assert not await connection.ended(reading, 0.01)
    connection.drop()
    assert freed.times == 0
    async with asyncio.timeout(10):
        assert await reading == b""
    assert freed.times == 1


async def test_one_without_a_call_is_freed_at_once(
    connection: DriverConnection[socket.socket], freed: Freed
) -> None:
    call: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    call.set_result("answer")
    assert await connection.ended(call, 10)
    connection.drop()
    assert freed.times == 1


async def test_one_without_a_call_says_goodbye_before_it_goes(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = ends
    connection = DriverConnection(ours, ours.dup(), lambda: ours.sendall(b"X"))
    connection.drop()
    connection.drop()
    assert theirs.recv(9) == b"X"


async def test_who_leaves_waits_for_what_ends_soon(
    connection: DriverConnection[socket.socket], freed: Freed
) -> None:
    call: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    await connection.ended(call, 0)
    leaving = asyncio.create_task(connection.leave(30))
    await asyncio.sleep(0)
    assert freed.times == 0
    call.set_result("answer")
    await leaving
    assert freed.times == 1


async def test_who_leaves_cuts_what_does_not_end(
    connection: DriverConnection[socket.socket],
    freed: Freed,
    ends: tuple[socket.socket, socket.socket],
) -> None:
    call: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    await connection.ended(call, 0)
    await connection.leave(0.01)
    assert ends[1].recv(1) == b""
    assert freed.times == 0
    call.cancel()
    await asyncio.sleep(0)
    assert freed.times == 1


async def test_a_call_is_never_cancelled_from_here(
    connection: DriverConnection[socket.socket], freed: Freed
) -> None:
    call: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    asking = asyncio.create_task(connection.ended(call, 10))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait({asking})
    connection.drop()
    assert not call.done()
    assert freed.times == 0
    call.set_exception(OSError("the late end of what nobody waits for"))
    await asyncio.sleep(0)
    assert freed.times == 1
