"""Full answers of AWS, one member changed at a time: nothing odd is read as an empty value.

`full_looks.json` was written by the readers before the declarations: what they saw is still seen.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from cockpit import clock
from cockpit.errors import BlindError, Reason
from cockpit.triage import recording
from cockpit.triage.registry import registry
from tests.probes.fake_aws import AT, FakeAws
from tests.probes.full_answers import FULL, Full

LOOKS = json.loads((Path(__file__).parent / "full_looks.json").read_text())
FREE = "PendingModifiedValues"
"""A structure of which every member is told, whatever its name and type."""
ALL = pytest.mark.parametrize("full", FULL.values(), ids=FULL)


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: AT)


async def look(full: Full, answers: Mapping[str, Any]) -> dict[str, Any]:
    """The snapshot in plain values."""
    snapshot = await registry()[full.probe].collect(FakeAws(answers), full.target)
    plain: dict[str, Any] = recording.builtins(snapshot)
    return plain


def told(value: Any) -> Any:
    """The value without what is empty, to be short."""
    if isinstance(value, Mapping):
        return {key: told(each) for key, each in value.items() if each not in ("", None, [], {})}
    return [told(each) for each in value] if isinstance(value, list) else value


Path_ = tuple[str | int, ...]


def members(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    """Where every member of a structure is."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield (*path, name)
            if name != FREE:
                yield from members(each, (*path, name))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from members(each, (*path, number))


def put(root: Any, path: Path_, value: object) -> Any:
    """A copy with one member changed."""
    copy: Any = dict(root) if isinstance(root, Mapping) else list(root)
    copy[path[0]] = put(copy[path[0]], path[1:], value) if path[1:] else value
    return copy


def _at(root: Any, path: Path_) -> Any:
    for step in path:
        root = root[step]
    return root


def without(root: Any, path: Path_) -> Any:
    """A copy with one member left out."""
    copy: Any = dict(root) if isinstance(root, Mapping) else list(root)
    if path[1:]:
        copy[path[0]] = without(copy[path[0]], path[1:])
    else:
        del copy[path[0]]
    return copy


def wider(value: Any) -> Any:
    """The same, with a member more in every structure."""
    if isinstance(value, Mapping):
        grown = {name: each if name == FREE else wider(each) for name, each in value.items()}
        return {**grown, "OfTheNextYear": object()}
    return [wider(each) for each in value] if isinstance(value, list) else value


def hostile(value: Any) -> Any:
    """The same, with control codes in all text."""
    if isinstance(value, Mapping):
        return {name: hostile(each) for name, each in value.items()}
    if isinstance(value, list):
        return [hostile(each) for each in value]
    return f"{value}\x1b[2J\u202e" if isinstance(value, str) else value


@pytest.mark.parametrize("name", FULL)
async def test_a_full_answer_gives_the_look_that_it_always_gave(name: str) -> None:
    assert told(await look(FULL[name], FULL[name].answers)) == LOOKS[name]


@ALL
async def test_members_of_a_newer_aws_change_nothing(full: Full) -> None:
    answers = {
        call: wider(answer)
        if isinstance(answer, list)
        else {k: wider(v) for k, v in answer.items()}
        for call, answer in full.answers.items()
    }
    assert await look(full, answers) == await look(full, full.answers)


@ALL
async def test_a_member_that_is_none_is_absent(full: Full) -> None:
    for call, path in _everywhere(full):
        answer = full.answers[call]
        none = await _outcome(full, {**full.answers, call: put(answer, path, None)})
        absent = await _outcome(full, {**full.answers, call: without(answer, path)})
        assert none == absent, (call, path)


@ALL
@pytest.mark.parametrize("wrong", [b"bytes", [7], 5.5], ids=["bytes", "numbers", "a share"])
async def test_a_member_of_another_type_is_never_read_as_empty(full: Full, wrong: object) -> None:
    for call, path in _everywhere(full):
        if wrong == 5.5 and isinstance(_at(full.answers[call], path), float):
            continue
        answers = {**full.answers, call: put(full.answers[call], path, wrong)}
        found = await _outcome(full, answers)
        gaps = [] if isinstance(found, Reason) else found["gaps"]
        why = {Reason(gap["reason"]) for gap in gaps} if gaps else {found}
        # a row is found by its name, so one with another name is missing
        assert why & {Reason.UNREADABLE, Reason.MISSING}, (call, path)


@ALL
async def test_no_text_gets_in_as_it_came(full: Full) -> None:
    for call, answer in full.answers.items():
        found = await _outcome(full, {**full.answers, call: hostile(answer)})
        shown = json.dumps(found, ensure_ascii=False, default=str)
        assert "\\u001b" not in shown
        assert "\u202e" not in shown


def _everywhere(full: Full) -> Iterator[tuple[str, Path_]]:
    for call, answer in full.answers.items():
        yield from ((call, path) for path in members(answer) if path != ("Table",))


async def _outcome(full: Full, answers: Mapping[str, Any]) -> Any:
    """The look, or why there was none."""
    try:
        return await look(full, answers)
    except BlindError as error:
        return error.reason
