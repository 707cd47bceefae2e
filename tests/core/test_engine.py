"""The engine: a hung, broken or throttled look costs only its own row."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from cockpit.errors import BlindError, Misconfigured, Reason, Refused
from cockpit.redact import MASK, MASKER
from cockpit.triage.board import ONE_LOOK, LookId
from cockpit.triage.engine import Engine, Look
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.triage.had import LookMemory
from cockpit.triage.probe import Blind, Probe, Seen
from cockpit.triage.sanitised import sanitise
from cockpit.triage.store import Store
from cockpit.triage.target import Target
from tests.core.builders import finding, target
from tests.patience import at_most, until

Collect = Callable[[Any, Target], Awaitable[object]]


@dataclass
class Sessions:
    discarded: list[str] = field(default_factory=list)
    opened: int = 0

    async def session(self, target: Target) -> object:
        self.opened += 1
        return object()

    async def discard(self, target: Target) -> None:
        self.discarded.append(target.name)


def look(name: str, collect: Collect, *, probe: str = "p", every: float = 60, **more: Any) -> Look:
    record: Probe[Any, Any, Any] = Probe(
        id=probe,
        kind="endpoint",
        collect=collect,
        diagnose=more.pop("diagnose", lambda snapshot, settings: ()),
        snapshot=object,
        settings=None,
        every=every,
        timeout=more.pop("timeout", 0.2),
        **more,
    )
    return Look(target(name), record, None)


async def fine(session: object, target: Target) -> object:
    return 1


async def hang(session: object, target: Target) -> object:
    await asyncio.sleep(3600)
    return 1


class Dead:
    """A server that is dead until the end of its test."""

    now = True
    waited_for = 0


async def hang_whatever_happens(session: object, target: Target) -> object:
    """As a driver does that waits for a dead server while it cancels."""
    Dead.waited_for += 1
    while Dead.now:
        try:
            await asyncio.sleep(0.02)
        except asyncio.CancelledError:
            continue
    Dead.waited_for -= 1
    return 1


async def test_what_was_had_before_and_is_not_given_any_more_is_blind_and_not_quiet() -> None:
    given = iter(["", "the extension is gone", "", "the extension is gone"])

    async def collect(session: object, target: Target) -> str:
        return next(given)

    engine = Engine(
        [look("a", collect, lacks=lambda snapshot: snapshot)],
        sessions=Sessions(),
        store=Store(ONE_LOOK),
    )
    outcomes = [(await engine.look("a", "p")).outcome for _ in range(4)]

    assert [type(outcome) for outcome in outcomes] == [Seen, Blind, Seen, Blind]
    assert outcomes[1].reason is Reason.MISSING  # type: ignore[union-attr]
    assert "extension is gone" in outcomes[1].detail  # type: ignore[union-attr]


async def test_what_an_earlier_process_had_is_missed_and_seen_again_once_it_is_back() -> None:
    given = iter(["the extension is gone", ""])

    async def collect(session: object, target: Target) -> str:
        return next(given)

    memory = LookMemory()
    memory.had([LookId("a", "p")])
    engine = Engine(
        [look("a", collect, lacks=lambda snapshot: snapshot)],
        sessions=Sessions(),
        store=Store(ONE_LOOK),
        memory=memory,
    )
    outcomes = [(await engine.look("a", "p")).outcome for _ in range(2)]

    assert [type(outcome) for outcome in outcomes] == [Blind, Seen]


async def test_what_was_never_had_is_the_probes_own_to_say() -> None:
    engine = Engine(
        [look("a", fine, lacks=lambda snapshot: "no extension")],
        sessions=Sessions(),
        store=Store(ONE_LOOK),
    )

    assert isinstance((await engine.look("a", "p")).outcome, Seen)


def raising(error: BaseException) -> Collect:
    async def collect(session: object, target: Target) -> object:
        raise error

    return collect


@pytest.fixture
async def engines() -> AsyncIterator[Callable[..., Engine]]:
    made: list[Engine] = []

    def make(*looks: Look, debug: Callable[[str], str] = lambda _: "") -> Engine:
        engine = Engine(looks, sessions=Sessions(), store=Store(ONE_LOOK), debug=debug)
        made.append(engine)
        return engine

    Dead.now = True
    yield make
    Dead.now = False
    for engine in made:
        await engine.stop()
    await until(lambda: not Dead.waited_for)


@pytest.mark.parametrize(
    ("collect", "reason"),
    [
        pytest.param(hang, Reason.TIMEOUT, id="a hung look is a timeout"),
        pytest.param(hang_whatever_happens, Reason.TIMEOUT, id="also when it will not be cancelled"),
        pytest.param(raising(BlindError(Reason.DENIED, "no")), Reason.DENIED, id="a connector's reason stands"),
        pytest.param(raising(Misconfigured("no")), Reason.MISCONFIGURED, id="a wrong setting"),
        pytest.param(raising(Refused("no")), Reason.MISCONFIGURED, id="a probe that asks for what the role refuses"),
        pytest.param(raising(KeyError("x")), Reason.BUG, id="a bug is one blind row"),
    ],
)  # fmt: skip
async def test_a_look_that_fails_is_blind_for_a_reason(
    collect: Collect, reason: Reason, engines: Callable[..., Engine]
) -> None:
    engine = engines(look("sick", collect), look("well", fine))
    async with asyncio.timeout(at_most(15)):
        sick, well = await engine.sweep()
    assert Dead.waited_for == (collect is hang_whatever_happens), "it does not wait for its end"
    assert isinstance(sick.outcome, Blind)
    assert sick.outcome.reason is reason
    assert isinstance(well.outcome, Seen)


async def test_a_hung_look_gives_its_session_up(engines: Callable[..., Engine]) -> None:
    engine = engines(look("sick", hang))
    await engine.sweep()
    assert engine._sessions.discarded == ["sick"]  # type: ignore[attr-defined]


async def test_a_bug_is_written_down_and_the_file_named(engines: Callable[..., Engine]) -> None:
    reports: list[str] = []

    def debug(report: str) -> str:
        reports.append(report)
        return "debug.log"

    engine = engines(look("sick", raising(ValueError("[/b]\x1b[31m"))), debug=debug)
    (reading,) = await engine.sweep()
    assert isinstance(reading.outcome, Blind)
    assert "see debug.log" in reading.outcome.detail
    assert "\x1b" not in reading.outcome.detail
    assert "Traceback" in reports[0]


async def test_a_failure_that_is_a_diagnosis_carries_its_finding(
    engines: Callable[..., Engine],
) -> None:
    error = BlindError(Reason.UNREACHABLE, "full", code="PG_CONN_SATURATED", severity="critical")
    engine = engines(look("db", raising(error)))
    await engine.sweep()
    (opened,) = engine.store.board.open.values()
    assert (opened.finding.code, opened.finding.severity) == (
        "PG_CONN_SATURATED",
        Severity.CRITICAL,
    )


async def test_a_bug_in_diagnose_is_blind_too(engines: Callable[..., Engine]) -> None:
    engine = engines(look("db", fine, diagnose=lambda snapshot, settings: snapshot.nothing))
    (reading,) = await engine.sweep()
    assert isinstance(reading.outcome, Blind)
    assert reading.outcome.reason is Reason.BUG


async def test_differences_are_judged_on_a_second_look(engines: Callable[..., Engine]) -> None:
    counted = iter((10, 17))

    async def collect(session: object, target: Target) -> object:
        return next(counted)

    engine = engines(
        look(
            "cache",
            collect,
            since=lambda before, now: now - before,
            diagnose=lambda snapshot, settings: [finding(subject=f"{snapshot}")],
        )
    )
    (reading,) = await engine.sweep()
    assert isinstance(reading.outcome, Seen)
    assert reading.outcome.findings[0].subject == "7"


async def test_only_one_look_is_in_flight(engines: Callable[..., Engine]) -> None:
    running, most = 0, 0

    async def collect(session: object, target: Target) -> object:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1
        return 1

    engine = engines(look("db", collect, every=0.001))
    task = asyncio.create_task(engine.run())
    for _ in range(20):
        engine.look_now("db")
        await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.wait({task})
    assert most == 1


async def test_a_person_who_asks_is_not_held_back_by_the_back_off(
    engines: Callable[..., Engine],
) -> None:
    looked = 0

    async def collect(session: object, target: Target) -> object:
        nonlocal looked
        looked += 1
        raise BlindError(Reason.UNREACHABLE, "down")

    engine = engines(look("db", collect, every=3600))
    task = asyncio.create_task(engine.run())
    await until(lambda: engine.progress.done)
    assert engine.look_now("db") == 1
    await until(lambda: looked == 2)
    task.cancel()
    await asyncio.wait({task})


async def test_a_look_that_is_asked_for_begins_after_the_asking(
    engines: Callable[..., Engine],
) -> None:
    counted = iter(range(10))

    async def collect(session: object, target: Target) -> object:
        await asyncio.sleep(0.03)
        return next(counted)

    engine = engines(look("db", collect, timeout=60))
    task = asyncio.create_task(engine.run())
    await asyncio.sleep(0.01)
    reading = await engine.look("db", "p")
    task.cancel()
    await asyncio.wait({task})
    assert isinstance(reading.outcome, Seen)
    assert reading.outcome.snapshot == 1


async def test_a_look_that_is_not_configured_is_said_so(engines: Callable[..., Engine]) -> None:
    with pytest.raises(Misconfigured):
        await engines(look("db", fine)).look("db", "q")


async def test_stopping_takes_no_time_with_everything_hung(engines: Callable[..., Engine]) -> None:
    engine = engines(
        *(look(f"db{number}", hang_whatever_happens, timeout=0.05) for number in range(50))
    )
    task = asyncio.create_task(engine.run())
    await until(lambda: engine.progress.done == 50)  # each was given up, and hangs on
    task.cancel()
    ended, _ = await asyncio.wait({task}, timeout=at_most(15))
    assert ended == {task}
    assert Dead.waited_for == 50, "it waits for none of them"


async def test_the_first_sweep_tells_how_far_it_is(engines: Callable[..., Engine]) -> None:
    answer = asyncio.Event()

    async def late(session: object, target: Target) -> object:
        return await answer.wait()

    engine = engines(look("a", fine), look("b", late, timeout=3600))
    task = asyncio.create_task(engine.run())
    await until(lambda: engine.progress.done)
    assert (engine.progress.done, engine.progress.total, engine.progress.took) == (1, 2, None)
    answer.set()
    await until(lambda: engine.progress.done == 2)
    assert engine.progress.took is not None
    task.cancel()
    await asyncio.wait({task})


async def test_a_look_that_fails_while_it_is_ended_says_nothing_on_the_terminal(
    engines: Callable[..., Engine],
) -> None:
    begun, told = asyncio.Event(), list[str]()

    async def fails_as_it_ends(session: object, target: Target) -> object:
        begun.set()
        try:
            await asyncio.sleep(3600)
        finally:
            raise BlindError(Reason.UNREACHABLE, "the session was given up")

    asyncio.get_running_loop().set_exception_handler(lambda _, said: told.append(said["message"]))
    engine = engines(look("a", fails_as_it_ends, timeout=60))
    sweep = asyncio.create_task(engine.sweep())
    await begun.wait()
    await engine.stop()
    await asyncio.gather(sweep, return_exceptions=True)
    del sweep  # its traceback would keep the failure alive: nobody would miss it yet
    await asyncio.sleep(0)
    gc.collect()
    assert told == []


async def test_who_stops_waiting_for_a_look_leaves_it_to_the_others(
    engines: Callable[..., Engine],
) -> None:
    begun, answer = asyncio.Event(), asyncio.Event()

    async def slow(session: object, target: Target) -> object:
        begun.set()
        return await answer.wait()

    engine = engines(look("db", slow, timeout=3600))
    impatient = asyncio.create_task(engine.look("db", "p"))
    sweep = asyncio.create_task(engine.sweep())
    await begun.wait()
    impatient.cancel()
    await asyncio.wait({impatient})
    answer.set()
    (reading,) = await sweep
    assert isinstance(reading.outcome, Seen)


async def test_a_look_whose_session_was_given_up_is_blind_and_not_lost(
    engines: Callable[..., Engine],
) -> None:
    async def cancelled(session: object, target: Target) -> object:
        raise asyncio.CancelledError

    (reading,) = await engines(look("db", cancelled)).sweep()
    assert isinstance(reading.outcome, Blind)
    assert reading.outcome.reason is Reason.UNREACHABLE


async def test_the_same_bug_is_written_down_once(engines: Callable[..., Engine]) -> None:
    reports: list[str] = []

    def debug(report: str) -> str:
        reports.append(report)
        return "debug.log"

    engine = engines(look("sick", raising(ValueError("x"))), debug=debug)
    for _ in range(3):
        (reading,) = await engine.sweep()
        assert isinstance(reading.outcome, Blind)
        assert "see debug.log" in reading.outcome.detail
    assert len(reports) == 1


async def test_a_secret_in_an_error_reaches_neither_the_row_nor_the_debug_log(
    engines: Callable[..., Engine],
) -> None:
    MASKER.learn("hunter2-of-the-engine")
    reports: list[str] = []

    def debug(report: str) -> str:
        reports.append(report)
        return "debug.log"

    engine = engines(
        look("bug", raising(ValueError("no login with hunter2-of-the-engine"))),
        look("blind", raising(BlindError(Reason.DENIED, "hunter2-of-the-engine is wrong"))),
        debug=debug,
    )
    for reading in await engine.sweep():
        assert isinstance(reading.outcome, Blind)
        assert "hunter2" not in reading.outcome.detail
    assert "hunter2" not in reports[0]


SAID = "the server said hunter2-of-a-finding"


@pytest.mark.parametrize(
    "told",
    [
        replace(finding("X"), summary=SAID),
        replace(finding("X"), next=SAID),
        replace(finding("X"), likely=(SAID,)),
        replace(finding("X"), against=(SAID,)),
        replace(finding("X"), evidence=(Evidence("reply", SAID),)),
    ],
    ids=["summary", "next", "likely", "against", "evidence"],
)
def test_a_secret_in_a_finding_reaches_nobody(told: Finding) -> None:
    MASKER.learn("hunter2-of-a-finding")
    assert "hunter2" not in repr(sanitise(told))
    assert f"the server said {MASK}" in repr(sanitise(told))
