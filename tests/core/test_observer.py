"""The one life of every session with a server: when it connects, asks again, gives up and waits."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import pytest

from cockpit.connect.observer import Lost, ServerSession
from cockpit.errors import BlindError, Reason

DOWN = BlindError(Reason.UNREACHABLE, "nobody is there")


@dataclass(eq=False)
class Line:
    """A connection to nowhere; `number`: the how many-th it is."""

    number: int
    dropped: int = 0
    gone: bool = False


@dataclass
class Script:
    """What happens to one connection after the other, and what was done with them."""

    connects: list[BlindError | None] = field(default_factory=list)
    """What each attempt to connect ends with; None, and whatever is behind the end: it comes."""
    greets: Callable[[Line], object] = lambda _: None
    lines: list[Line] = field(default_factory=list)
    attempts: int = 0
    losses: list[str] = field(default_factory=list)
    hold: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.hold.set()


class Scripted(ServerSession[Line]):
    """A connector whose server is a script."""

    def __init__(self, script: Script) -> None:
        super().__init__("db:1")
        self.script = script

    async def connect(self) -> Line:
        number = self.script.attempts
        self.script.attempts += 1
        await self.script.hold.wait()
        failure = self.script.connects[number] if number < len(self.script.connects) else None
        if failure is not None:
            raise failure
        self.script.lines.append(Line(number))
        return self.script.lines[-1]

    async def greet(self, connection: Line) -> None:
        self.script.greets(connection)

    def alive(self, connection: Line) -> bool:
        return not connection.gone

    async def drop(self, connection: Line) -> None:
        connection.dropped += 1

    async def why(self, lost: Lost) -> BlindError:
        self.script.losses.append(str(lost))
        return BlindError(Reason.UNREACHABLE, f"because {lost}")

    async def ask(self, *answers: str | Exception, again: bool = True) -> str:
        """Ask once; the n-th attempt at it gets the n-th answer."""
        left = list(answers)

        async def one(line: Line) -> str:
            answer = left.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return f"{answer} from {line.number}"

        return await self._answer(one, again=again)

    async def hang(self, asked: asyncio.Event) -> str:
        """Ask what is never answered; dropping the line ends it."""

        async def one(line: Line) -> str:
            asked.set()
            while not line.dropped:
                await asyncio.sleep(0)
            raise Lost("dropped")

        return await self._answer(one)


class Silent(Scripted):
    """One whose server takes connections also when it is full."""

    greets: ClassVar[bool] = False


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def session(script: Script) -> Scripted:
    return Scripted(script)


def dropped(script: Script) -> list[int]:
    return [line.dropped for line in script.lines]


async def test_it_connects_at_the_first_question_and_keeps_the_connection(
    script: Script, session: Scripted
) -> None:
    assert script.attempts == 0
    assert [await session.ask("a"), await session.ask("b")] == ["a from 0", "b from 0"]


async def test_a_session_that_was_cut_is_opened_again_once(
    script: Script, session: Scripted
) -> None:
    await session.ask("a")
    assert await session.ask(Lost("cut"), "b") == "b from 1"
    assert (dropped(script), script.losses) == ([1, 0], [])


@pytest.mark.parametrize(
    ("before", "again", "losses", "tried"),
    [
        pytest.param(True, True, [Lost("cut"), Lost("again")], 2, id="the second time, too"),
        pytest.param(False, True, [Lost("cut")], 1, id="nothing was open before"),
        pytest.param(True, False, [Lost("cut")], 1, id="what may not be sent twice"),
        pytest.param(
            True, True, [Lost("late", late=True)], 1, id="late: who asks would wait twice"
        ),
        pytest.param(True, True, [Lost("cut"), Lost("late", late=True)], 2, id="late at last"),
    ],
)
async def test_a_loss_that_is_told(
    script: Script, session: Scripted, before: bool, again: bool, losses: list[Lost], tried: int
) -> None:
    if before:
        await session.ask("a")
    with pytest.raises(BlindError, match=f"because {losses[-1]}"):
        await session.ask(*losses, again=again)
    assert script.losses == [str(losses[-1])]
    assert (script.attempts, dropped(script)) == (tried, [1] * tried)


async def test_what_is_known_already_is_told_without_another_look(
    script: Script, session: Scripted
) -> None:
    await session.ask("a")
    with pytest.raises(BlindError) as caught:
        await session.ask(Lost(told=DOWN))
    assert caught.value is DOWN
    assert (script.attempts, dropped(script), script.losses) == (1, [1], [])


async def test_a_failed_answer_keeps_the_connection(script: Script, session: Scripted) -> None:
    with pytest.raises(BlindError, match="nobody"):
        await session.ask(DOWN)
    assert await session.ask("a") == "a from 0"
    assert dropped(script) == [0]


async def test_a_connection_that_is_seen_to_be_gone_is_not_asked(
    script: Script, session: Scripted
) -> None:
    await session.ask("a")
    script.lines[0].gone = True
    assert await session.ask("b") == "b from 1"
    assert dropped(script) == [1, 0]


async def test_a_refused_connection_is_not_knocked_on_again_at_once(
    script: Script, session: Scripted
) -> None:
    script.connects = [DOWN]
    for _ in range(2):
        with pytest.raises(BlindError, match="nobody is there"):
            await session.ask("a")
    assert script.attempts == 1


async def test_a_reopening_that_fails_is_the_diagnosis(script: Script, session: Scripted) -> None:
    script.connects = [None, DOWN]
    await session.ask("a")
    with pytest.raises(BlindError, match="nobody is there"):
        await session.ask(Lost("cut"))
    with pytest.raises(BlindError, match="nobody is there"):
        await session.ask("b")
    assert (script.attempts, script.losses) == (2, [])


@pytest.mark.parametrize("failure", [DOWN, Lost(told=DOWN)], ids=["refused", "lost"])
async def test_a_greeting_that_fails_leaves_no_connection(
    script: Script, session: Scripted, failure: Exception
) -> None:
    def refuse(_: Line) -> None:
        raise failure

    script.greets = refuse
    for _ in range(2):
        with pytest.raises(BlindError, match="nobody is there"):
            await session.ask("a")
    assert (script.attempts, dropped(script)) == (1, [1])


async def test_a_loss_begins_no_pause_where_the_server_greets(
    script: Script, session: Scripted
) -> None:
    with pytest.raises(BlindError, match="because cut"):
        await session.ask(Lost("cut"))
    assert await session.ask("a") == "a from 1"


@pytest.mark.parametrize("loss", [Lost("cut"), Lost(told=DOWN)], ids=["cut", "told"])
async def test_where_nothing_greets_every_loss_begins_a_pause(script: Script, loss: Lost) -> None:
    session = Silent(script)
    with pytest.raises(BlindError) as first:
        await session.ask(loss)
    with pytest.raises(BlindError) as second:
        await session.ask("a")
    assert first.value.message == second.value.message
    assert script.attempts == 1


LONGEST_FIRST_PAUSE = 6.1
"""Seconds: five and their jitter. The second pause is longer."""


@dataclass
class Clock:
    """A clock that a test sets."""

    now: float = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("cockpit.clock.monotonic", made.monotonic)
    return made


async def test_a_connection_ends_the_back_off_where_the_server_greets(
    script: Script, session: Scripted, clock: Clock
) -> None:
    script.connects = [DOWN, None, DOWN]
    for _ in range(3):
        with contextlib.suppress(BlindError):
            await session.ask(DOWN)
        clock.now += LONGEST_FIRST_PAUSE
        if script.lines:
            script.lines[0].gone = True
    assert await session.ask("a") == "a from 3"


async def test_a_connection_is_no_sign_of_life_where_nothing_greets(
    script: Script, clock: Clock
) -> None:
    session = Silent(script)
    for _ in range(2):
        with pytest.raises(BlindError, match="because cut"):
            await session.ask(Lost("cut"))
        clock.now += LONGEST_FIRST_PAUSE
    with pytest.raises(BlindError, match="because cut"):
        await session.ask("a")
    assert script.attempts == 2


async def test_a_whole_answer_ends_the_back_off_where_nothing_greets(
    script: Script, clock: Clock
) -> None:
    session = Silent(script)
    for answer in (Lost("cut"), "a", Lost(told=DOWN)):
        with contextlib.suppress(BlindError):
            await session.ask(answer)
        clock.now += LONGEST_FIRST_PAUSE
    assert await session.ask("b") == "b from 2"


async def test_who_walks_away_leaves_no_connection_with_half_an_answer(
    script: Script, session: Scripted
) -> None:
    asked = asyncio.Event()
    asking = asyncio.create_task(session.hang(asked))
    await asked.wait()
    asking.cancel()
    await asyncio.wait({asking})
    assert asking.cancelled()
    assert dropped(script) == [1]
    assert await session.ask("a") == "a from 1"


async def test_one_question_at_a_time(session: Scripted) -> None:
    asked = asyncio.Event()
    hanging = asyncio.create_task(session.hang(asked))
    await asked.wait()
    waiting = asyncio.create_task(session.ask("a"))
    await asyncio.sleep(0)
    hanging.cancel()
    assert await waiting == "a from 1"


async def test_closed_under_a_question_it_is_neither_opened_again_nor_looked_into(
    script: Script, session: Scripted
) -> None:
    await session.ask("a")
    asked = asyncio.Event()
    hanging = asyncio.create_task(session.hang(asked))
    await asked.wait()
    waiting = asyncio.create_task(session.ask("b"))
    await session.close()
    for each in (hanging, waiting):
        with pytest.raises(BlindError, match="given up"):
            await each
    assert (script.attempts, dropped(script), script.losses) == (1, [1], [])


async def test_closed_under_its_first_question_nothing_is_looked_into(
    script: Script, session: Scripted
) -> None:
    asked = asyncio.Event()
    hanging = asyncio.create_task(session.hang(asked))
    await asked.wait()
    await session.close()
    with pytest.raises(BlindError, match="given up"):
        await hanging
    assert (script.attempts, script.losses) == (1, [])


async def test_closed_while_it_connects_it_holds_no_connection(
    script: Script, session: Scripted
) -> None:
    greeted: list[Line] = []
    script.greets = greeted.append
    script.hold.clear()
    asking = asyncio.create_task(session.ask("a"))
    while not script.attempts:
        await asyncio.sleep(0)
    await session.close()
    script.hold.set()
    with pytest.raises(BlindError, match="given up"):
        await asking
    assert (dropped(script), greeted) == ([1], [])


async def test_closed_in_a_pause_it_says_that_it_is_closed(
    script: Script, session: Scripted
) -> None:
    script.connects = [DOWN]
    with pytest.raises(BlindError, match="nobody is there"):
        await session.ask("a")
    await session.close()
    with pytest.raises(BlindError, match="given up"):
        await session.ask("a")


async def test_who_walks_away_from_a_greeting_leaves_no_connection(
    script: Script, session: Scripted
) -> None:
    def cancelled(_: Line) -> None:
        raise asyncio.CancelledError

    script.greets = cancelled
    with pytest.raises(asyncio.CancelledError):
        await session.ask("a")
    await session.close()
    assert dropped(script) == [1]


@pytest.mark.parametrize("lost", [False, True])
async def test_closed_while_it_greets_it_holds_no_connection(
    script: Script, session: Scripted, lost: bool
) -> None:
    def closes(_: Line) -> None:
        session._closed = True  # as `close` does in another task
        if lost:
            raise Lost("dropped")

    script.greets = closes
    with pytest.raises(BlindError, match="given up"):
        await session.ask("a")
    assert (dropped(script), script.losses) == ([1], [])


async def test_the_pace_knows_what_failed_slowly(session: Scripted, clock: Clock) -> None:
    def fail_slowly() -> None:
        with session._paced("SELECT"):
            clock.now += 1.5
            raise DOWN

    for _ in range(2):
        with pytest.raises(BlindError):
            fail_slowly()
    assert (session.pace.slow, session.pace.factor) == (1.5, 2.0)


DENIED = BlindError(Reason.DENIED, "not let in")


@pytest.mark.parametrize(
    ("connects", "answer", "asked"),
    [
        pytest.param([DENIED], "a", False, id="it was never asked"),
        pytest.param([], DENIED, False, id="the server answered"),
        pytest.param([], Lost("cut"), True, id="the answer was lost"),
        pytest.param([], Lost(told=DENIED), True, id="and what that means is known"),
    ],
)
async def test_an_error_tells_whether_what_was_asked_for_may_have_been_done(
    script: Script,
    session: Scripted,
    *,
    connects: list[BlindError | None],
    answer: str | Exception,
    asked: bool,
) -> None:
    DENIED.asked = False
    script.connects = connects
    with pytest.raises(BlindError) as told:
        await session.ask(answer, again=False)
    assert told.value.asked is asked
