"""What many ask one by one becomes one batched call; each asker gets its own answer or error.

Asks of a few milliseconds are gathered by operation and shared arguments, cut into calls of the
size that the API allows, and matched again by name or ARN. What an API does with an unknown id
differs (catalogue A §0.2, B §0): some list it in `failures`, some leave it out, and some refuse the
whole call; then each id is asked alone once, and the bad ones are asked alone from then on.

What somebody lists in full in this moment is not asked for besides.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeVar

from cockpit.clock import monotonic
from cockpit.connect.aws.batched import BATCHES, Batch, Item
from cockpit.connect.shared import AnswerToCome, Memory, Tasks
from cockpit.errors import BlindError, Reason

Thing = TypeVar("Thing")

GATHERING = 0.004
"""Seconds for which asks are gathered before the calls leave."""

_CHECKS = 12
"""How often a batch that still grows is let wait: fifty milliseconds."""
_WHOLE = 60.0
LISTED = 2000
"""Items of a list at most, unless its asker says otherwise."""
_KEPT = 2000
"""Items that never change, in memory at once: some hundred bytes each."""


class Caller(Protocol):
    """The connector under the batches: one call, or all pages of one."""

    def busy(self, service: str) -> bool:
        """Whether a call to the service would have to wait: then asks go on being gathered."""

    def occupied(self, *, but: str) -> bool:
        """Whether calls to other services wait for a turn or are under way."""

    async def call(
        self, service: str, operation: str, arguments: Mapping[str, object], expect: str
    ) -> Mapping[str, object]:
        """One call, limited and guarded; raises `BlindError`."""

    async def all_pages(
        self, service: str, operation: str, arguments: Mapping[str, object], *, key: str, most: int
    ) -> Sequence[object]:
        """Every item of a member over all pages; raises `BlindError`."""


@dataclass(slots=True)
class _Group:
    """Asks of one operation with the same shared arguments."""

    service: str
    operation: str
    batch: Batch
    shared: Mapping[str, object]
    waiting: dict[str, AnswerToCome[Item]] = field(default_factory=dict)
    apart: set[str] = field(default_factory=set)
    """Ids that spoiled a call before: each is asked alone until it is good again."""
    whole_until: float = 0.0
    """Until then a failing call is not asked one by one: it was not one id that spoiled it."""
    seen: int = 0
    """Asks at the last check of whether it still grows."""
    checks: int = 0

    def grows(self) -> bool:
        """Whether asks have come since the last check; no longer told after a moment."""
        before, self.seen = self.seen, len(self.waiting)
        self.checks += 1
        return self.seen > before and self.checks < _CHECKS

    @property
    def name(self) -> str:
        return f"{self.service}.{self.operation}"


class Batches:
    """Gathers, calls, and hands out."""

    def __init__(self, calls: Caller, tasks: Tasks, lists: Memory[list[object]]) -> None:
        """`lists`: what is listed in full, by `listing`."""
        self._calls = calls
        self._tasks = tasks
        self._lists = lists
        self._indexes: dict[Hashable, tuple[object, Mapping[str, Item]]] = {}
        self._groups: dict[Hashable, _Group] = {}
        self._memory: Memory[Item] = Memory()
        self._kept: dict[Hashable, Item] = {}

    async def item(
        self, service: str, operation: str, key: str, shared: Mapping[str, object]
    ) -> Item:
        """One item; `BlindError(missing)` when there is none of that name."""
        batch = BATCHES.get(f"{service}.{operation}")
        if batch is None:
            raise BlindError(Reason.BUG, f"{service}.{operation} cannot be asked item by item")
        if not key:
            raise BlindError(Reason.MISCONFIGURED, f"{service}.{operation}: the id is empty")
        # names and ARNs never share a call: ELBv2 takes the one or the other
        where = (service, operation, key.startswith("arn:"), frozen(shared))
        question = (where, key)
        kept = self._kept.get(question)
        if kept is not None:
            return kept
        answer = self._memory.find(question)
        if answer is None:
            answer = AnswerToCome(asyncio.get_running_loop().create_future())
            self._memory.keep(question, answer)
            group = self._groups.get(where)
            if group is None:
                group = self._groups[where] = _Group(service, operation, batch, shared)
            self._enrol(group, key, answer)
        item = await answer.get()
        if batch.keeps:
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            self._kept[question] = item
        return item

    def forget(self) -> None:
        """Answers from before a change are not given after it; what cannot change is kept."""
        self._memory.clear()
        self._indexes.clear()

    async def _listed(self, group: _Group) -> Mapping[str, Item]:
        """Name → item, out of the whole list that was asked for a moment ago; empty: none was."""
        batch = group.batch
        question = listing(
            group.service, group.operation, batch.member, most=LISTED, arguments=group.shared
        )
        answer = self._lists.find(question)
        if answer is None or batch.inside or not batch.names:
            return {}
        try:
            rows = await answer.get()
        except BlindError:
            return {}
        of, index = self._indexes.get(question, (None, {}))
        if of is not answer:
            index = _index(batch, [row for row in rows if isinstance(row, Mapping)])
            self._indexes[question] = answer, index
        return index

    def _enrol(self, group: _Group, key: str, answer: AnswerToCome[Item]) -> None:
        if not group.waiting:
            asyncio.get_running_loop().call_later(GATHERING, self._depart, group)
        group.waiting[key] = answer

    def _depart(self, group: _Group) -> None:
        # it would have to wait anyhow, or looks of one moment go on one after the other: what is
        # asked meanwhile fits into the same call
        if len(group.waiting) < group.batch.size and (
            self._calls.busy(group.service) or group.grows()
        ):
            asyncio.get_running_loop().call_later(GATHERING, self._depart, group)
            return
        asks, group.waiting = group.waiting, {}
        group.seen = group.checks = 0
        together = {key: answer for key, answer in asks.items() if key not in group.apart}
        for keys in chunks(tuple(together), group.batch.size):
            self._start(group, {key: together[key] for key in keys})
        for key in asks.keys() & group.apart:
            self._start(group, {key: asks[key]})

    def _start(self, group: _Group, asks: Mapping[str, AnswerToCome[Item]]) -> None:
        task = self._tasks.start(self._ask(group, asks))
        task.add_done_callback(partial(_settle, asks))
        for answer in asks.values():
            answer.abandoned = partial(_give_up, task, asks)

    async def _ask(self, group: _Group, asks: Mapping[str, AnswerToCome[Item]]) -> None:
        for answer in asks.values():
            if not answer.wanted:
                answer.future.cancel()
        listed, normal = await self._listed(group), group.batch.normal
        for key, answer in asks.items():
            if answer.wanted and (item := listed.get(normal(key))):
                _give(answer, item)
        keys = tuple(key for key, each in asks.items() if each.wanted and not each.future.done())
        if not keys:
            return
        try:
            found = await self._fetch(group, keys)
        except BlindError as error:
            if len(keys) > 1 and _spoiled(group, error):
                await self._ask_alone(group, {key: asks[key] for key in keys})
            else:
                for key in keys:
                    _fail(asks[key], error)
            return
        if len(keys) == 1:
            group.apart.discard(keys[0])
        for key in keys:
            _give(asks[key], found[key])

    async def _ask_alone(self, group: _Group, asks: Mapping[str, AnswerToCome[Item]]) -> None:
        """One bad id has spoiled the call: each is asked alone, once."""
        ends = await asyncio.gather(*(self._alone(group, key) for key in asks))
        bad = {key for key, end in zip(asks, ends, strict=True) if isinstance(end, BlindError)}
        if len(bad) == len(asks):
            group.whole_until = monotonic() + _WHOLE
        else:
            group.apart |= bad
        for answer, end in zip(asks.values(), ends, strict=True):
            _give(answer, end)

    async def _alone(self, group: _Group, key: str) -> Item | BlindError:
        try:
            return (await self._fetch(group, (key,)))[key]
        except BlindError as error:
            return error

    async def _fetch(self, group: _Group, keys: tuple[str, ...]) -> dict[str, Item | BlindError]:
        batch = group.batch
        if batch.listing and len(keys) > 1:
            items = await self._calls.all_pages(
                group.service, group.operation, group.shared, key=batch.member, most=10_000
            )
            answer: Mapping[str, object] = {batch.member: items}
        else:
            answer = await self._calls.call(
                group.service,
                group.operation,
                {**group.shared, **batch.arguments(keys)},
                batch.member,
            )
        held = answer[batch.member]
        if not batch.names:
            return {keys[0]: _structure(group, held)}
        index = _index(batch, _items(group, held))
        told = _told(answer)
        return {
            key: index.get(batch.normal(key)) or _absent(group, key, told.get(key, ""))
            for key in keys
        }


def frozen(arguments: Mapping[str, object]) -> str:
    """Arguments as one comparable text: equal questions give equal texts."""
    return json.dumps(arguments, sort_keys=True, default=str) if arguments else ""


def listing(
    service: str, operation: str, key: str, *, most: int, arguments: Mapping[str, object]
) -> Hashable:
    """The question for every item of a member."""
    return service, operation, key, most, frozen(arguments)


def chunks(things: Sequence[Thing], size: int) -> Iterator[Sequence[Thing]]:
    """The things in slices of at most `size`."""
    for start in range(0, len(things), size):
        yield things[start : start + size]


def _spoiled(group: _Group, error: BlindError) -> bool:
    """Whether it may be one id that made the whole call fail."""
    if monotonic() < group.whole_until:
        return False
    if error.reason is Reason.DENIED:
        return True
    return not group.batch.tells and error.reason in {Reason.MISSING, Reason.MISCONFIGURED}


def _index(batch: Batch, items: Sequence[Item]) -> dict[str, Item]:
    """The items by each of their names."""
    return {
        batch.normal(str(item[name])): item
        for item in items
        for name in batch.names
        if item.get(name)
    }


def _items(group: _Group, held: object) -> list[Item]:
    """The items of an answer, out of the structures that group them where there are such."""
    found = _structures(group, held)
    if not group.batch.inside:
        return found
    return [item for each in found for item in _structures(group, each.get(group.batch.inside, ()))]


def _structures(group: _Group, held: object) -> list[Item]:
    """The items of an answer. A member of another kind is unreadable: nothing is absent by it."""
    if not isinstance(held, list | tuple):
        raise _unreadable(group)
    return [_structure(group, each) for each in held]


def _structure(group: _Group, held: object) -> Item:
    if not isinstance(held, Mapping):
        raise _unreadable(group)
    return held


def _unreadable(group: _Group) -> BlindError:
    what = f"the answer's {group.batch.member} is not what it should be"
    return BlindError(Reason.UNREADABLE, f"{group.name}: {what}")


def _told(answer: Mapping[str, object]) -> dict[str, str]:
    """Id → why, out of `failures` as ECS gives them; also by the last part of an ARN."""
    reasons: dict[str, str] = {}
    failures = answer.get("failures")
    for failure in failures if isinstance(failures, list) else ():
        arn, reason = str(failure.get("arn", "")), str(failure.get("reason", ""))
        for name in (arn, arn.rpartition("/")[2]):
            reasons[name] = reason
    return reasons


def _absent(group: _Group, key: str, told: str) -> BlindError:
    detail = f" ({told})" if told and told != "MISSING" else ""
    return BlindError(Reason.MISSING, f"{group.name}: there is no {key}{detail}")


def _give(answer: AnswerToCome[Item], end: Item | BlindError) -> None:
    if isinstance(end, BlindError):
        _fail(answer, end)
    elif not answer.future.done():
        answer.future.set_result(end)


def _fail(answer: AnswerToCome[Item], error: BaseException) -> None:
    if not answer.future.done():
        answer.future.set_exception(error)


def _settle(asks: Mapping[str, AnswerToCome[Item]], task: asyncio.Task[None]) -> None:
    """Whatever ended the call, nobody is left waiting."""
    error = None if task.cancelled() else task.exception()
    for answer in asks.values():
        if error is not None:
            _fail(answer, error)
        answer.future.cancel()


def _give_up(task: asyncio.Task[None], asks: Mapping[str, AnswerToCome[Item]]) -> None:
    if any(answer.wanted for answer in asks.values()):
        return
    task.cancel()
    for answer in asks.values():
        answer.future.cancel()
