"""How fast and how wide a service is asked, and who waits for whom."""

from __future__ import annotations

import asyncio

import pytest

from cockpit.connect.aws import limits
from cockpit.connect.aws.limits import Limits, RateLimiter
from cockpit.connect.hurry import UNTIL
from cockpit.connect.open import Connections
from cockpit.connect.role import Role
from cockpit.connect.settings import AwsSite
from cockpit.errors import BlindError
from tests.patience import at_most, until


class Watch:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    held = Watch()
    monkeypatch.setattr(limits, "monotonic", held)
    return held


async def passed(limiter: RateLimiter, many: int) -> int:
    """How many of the callers get through at once."""
    through = 0

    async def call() -> None:
        nonlocal through
        async with limiter.turn():
            through += 1

    tasks = [asyncio.create_task(call()) for _ in range(many)]
    for _ in range(many * 3 + 5):
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return through


async def test_a_full_bucket_lets_four_seconds_worth_pass_at_once(watch: Watch) -> None:
    assert await passed(RateLimiter(10, 100), 60) == 40


async def test_the_bucket_fills_again_with_time(watch: Watch) -> None:
    limiter = RateLimiter(10, 100)
    await passed(limiter, 60)
    watch.now += 0.5
    assert await passed(limiter, 60) == 5
    watch.now += 1000
    assert await passed(limiter, 60) == 40


async def test_no_more_callers_have_a_seat_than_there_are() -> None:
    limiter = RateLimiter(1000, 2)
    inside = asyncio.Event()
    seated = 0

    async def sit() -> None:
        nonlocal seated
        async with limiter.turn():
            seated += 1
            await inside.wait()

    tasks = [asyncio.create_task(sit()) for _ in range(5)]
    await until(lambda: limiter.waiting == 3)
    assert (seated, limiter.open) == (2, False)
    inside.set()
    await asyncio.gather(*tasks)
    assert (seated, limiter.waiting, limiter.open) == (5, 0, True)


async def test_callers_pass_in_the_order_in_which_they_came() -> None:
    limiter = RateLimiter(1000, 1)
    order = []

    async def call(name: int) -> None:
        async with limiter.turn():
            order.append(name)
            await asyncio.sleep(0)

    await asyncio.gather(*(call(n) for n in range(10)))
    assert order == list(range(10))


async def test_a_caller_that_leaves_the_queue_takes_no_seat_and_no_token() -> None:
    limiter = RateLimiter(1000, 1)
    hold = asyncio.Event()

    async def sit() -> None:
        async with limiter.turn():
            await hold.wait()

    holder = asyncio.create_task(sit())
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(sit()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    hold.set()
    async with asyncio.timeout(at_most(15)):
        await asyncio.gather(holder, *waiting[1:])
    assert limiter.open


async def test_a_caller_cancelled_in_the_moment_of_its_turn_gives_it_back() -> None:
    limiter = RateLimiter(1000, 1)
    hold = asyncio.Event()

    async def sit() -> None:
        async with limiter.turn():
            await hold.wait()

    holder = asyncio.create_task(sit())
    await asyncio.sleep(0)
    waiting = asyncio.create_task(sit())
    await asyncio.sleep(0)
    hold.set()
    await asyncio.sleep(0)  # the holder ends and hands its seat to the one that waits …
    waiting.cancel()  # … which is cancelled before it could sit down
    await asyncio.gather(holder, waiting, return_exceptions=True)
    assert limiter.open


async def test_waiting_for_a_token_ends_by_itself() -> None:
    limiter = RateLimiter(50, 10)
    limiter._tokens = 0.0
    async with asyncio.timeout(at_most(15)), limiter.turn():
        pass


async def test_throttling_halves_the_rate_down_to_one_call_in_thirty_seconds(watch: Watch) -> None:
    limiter = RateLimiter(10, 5)
    limiter.throttled()
    assert limiter.rate == 5
    for _ in range(20):
        watch.now += 2
        limiter.throttled()
    assert limiter.rate == pytest.approx(1 / 30)


async def test_the_refusals_of_one_burst_halve_the_rate_once(watch: Watch) -> None:
    limiter = RateLimiter(10, 16)
    for _ in range(16):
        limiter.throttled()
        watch.now += 0.05
    assert limiter.rate == 5


async def test_the_rate_comes_back_ten_per_cent_a_minute(watch: Watch) -> None:
    limiter = RateLimiter(10, 5)
    limiter.throttled()
    watch.now += 61
    await passed(limiter, 1)
    assert limiter.rate == pytest.approx(5.5)
    watch.now += 3600
    await passed(limiter, 1)
    assert limiter.rate == 10


def test_services_with_small_buckets_are_asked_slowly_whatever_is_configured() -> None:
    place = Limits(100, 4)
    assert place.of("elbv2").rate == 100
    assert place.of("cloudtrail").rate == 1
    assert Limits(0.5, 4).of("cloudtrail").rate == 0.5
    assert place.waiting == {}
    assert place.of("elbv2") is place.of("elbv2")


PLACES = {
    "prod": AwsSite(name="prod", region="us-east-1", profile="prod", calls_per_second=8.0),
    "again": AwsSite(name="again", region="us-east-1", profile="prod", calls_per_second=4.0),
    "west": AwsSite(name="west", region="us-west-2", profile="prod"),
    "other": AwsSite(name="other", region="us-east-1", profile="other"),
    "role": AwsSite(name="role", region="us-east-1", role_arn="arn:aws:iam::111122223333:role/a"),
    "twin": AwsSite(name="twin", region="us-east-1", role_arn="arn:aws:iam::111122223333:role/b"),
}


async def test_places_of_one_account_and_region_share_their_turns_at_the_more_careful_pace() -> (
    None
):
    connections = Connections(PLACES, Role.TRIAGE)
    opened = {name: await connections.aws(name) for name in PLACES}
    await connections.close()

    turns = {name: session._limits.of("ecs") for name, session in opened.items()}
    assert turns["prod"] is turns["again"]
    assert turns["role"] is turns["twin"]
    assert len({id(turn) for turn in turns.values()}) == 4
    assert turns["prod"]._full_rate == 4.0


async def test_who_would_wait_longer_than_its_look_may_take_is_refused_at_once(
    watch: Watch,
) -> None:
    limiter = RateLimiter(1, 5, "cloudtrail")
    hold = asyncio.Event()

    async def ask(within: float) -> None:
        UNTIL.set(watch.now + within)
        async with limiter.turn():
            await hold.wait()

    asking = [asyncio.create_task(ask(1.0)) for _ in range(4)]  # the full bucket
    await asyncio.sleep(0)
    asking += [asyncio.create_task(ask(3.0)) for _ in range(2)]
    await until(lambda: limiter.waiting == 2)
    with pytest.raises(
        BlindError, match="cloudtrail: 2 calls of ours wait before this one, at 1 a"
    ):
        await asyncio.create_task(ask(2.0))
    assert limiter.waiting == 2
    for each in asking:
        each.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
