"""AWS answers as records: what passes the door, and what is told of the rest."""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import msgspec
import pytest

from cockpit.connect.aws.answer import Answer, GivenText, answer_into, answers_into
from cockpit.errors import BlindError, Reason
from cockpit.text import SafeText

AT = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


class State(Answer, frozen=True):
    code: SafeText = ""


class Row(Answer, frozen=True):
    name: GivenText
    state: State = State()
    states: tuple[State, ...] = ()
    arns: tuple[SafeText, ...] = ()
    tags: dict[SafeText, SafeText] = {}  # noqa: RUF012 - msgspec copies it
    port: int | None = None
    share: float | None = None
    on: bool | None = None
    at: datetime | None = None
    multi_az: bool = msgspec.field(name="MultiAZ", default=False)


class Attributes(Answer, frozen=True):
    """An SQS queue's counts, which come as text."""

    approximate_number_of_messages: int
    fifo_queue: bool = False


class Queue(Answer, frozen=True):
    of = "sqs.GetQueueAttributesResult"
    attributes: Attributes


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        pytest.param({}, {}, id="absent members give their defaults"),
        pytest.param({"State": None, "Arns": None, "Port": None}, {}, id="so do those that are None"),
        pytest.param({"Later": object(), "NEW": [1]}, {}, id="members of a newer AWS are ignored"),
        pytest.param({"Port": 0, "On": False}, {"port": 0, "on": False}, id="zero and false are answers"),
        pytest.param({"Port": 5.0}, {"port": 5}, id="a whole number that JSON gave a point"),
        pytest.param({"Share": 3}, {"share": 3.0}, id="a share that is whole"),
        pytest.param({"Share": Decimal("0.5")}, {"share": 0.5}, id="a decimal"),
        pytest.param({"MultiAZ": True}, {"multi_az": True}, id="a name with capitals in a row"),
        pytest.param({"State": OrderedDict(Code="a")}, {"state": State(code="a")}, id="any mapping"),
        pytest.param({"State": MappingProxyType({"Code": "a"})}, {"state": State(code="a")}, id="a frozen one"),
        pytest.param({"States": ({"Code": "a"}, {})}, {"states": (State(code="a"), State())}, id="any list"),
        pytest.param({"At": AT.astimezone(timezone(timedelta(hours=5)))}, {"at": AT}, id="a moment elsewhere"),
        pytest.param({"At": AT.replace(tzinfo=None)}, {"at": AT}, id="a moment without a zone is UTC"),
        pytest.param({"Name": "a\x1b[2J\u202eb\nc"}, {"name": "a\\x1b[2J\\u202eb c"}, id="control codes are shown"),
        pytest.param({"Arns": ["a\x00"]}, {"arns": ("a\\x00",)}, id="in lists"),
        pytest.param({"Tags": {"k\x07": "v\x07"}}, {"tags": {"k\\x07": "v\\x07"}}, id="and in maps, names too"),
        pytest.param({"Name": "x" * 9000}, {"name": "x" * 1999 + "…"}, id="long text is cut"),
    ],
)  # fmt: skip
def test_an_answer_becomes_a_record(members: dict[str, Any], expected: dict[str, Any]) -> None:
    row = answer_into({"Name": "shop", **members}, Row)
    assert row == msgspec.structs.replace(Row(name="shop"), **expected)
    assert row.at is None or row.at.tzinfo is UTC


@pytest.mark.parametrize(
    ("row", "told"),
    [
        pytest.param({}, "the answer has no Name", id="a member that every answer has"),
        pytest.param({"Name": ""}, "the answer has no Name", id="or is empty"),
        pytest.param({"Name": None}, "the answer has no Name", id="or None"),
        pytest.param({"Name": 5}, "Name of the answer: expected `str`, got `int`", id="a number for text"),
        pytest.param({"Name": "a", "Port": "5"}, "Port of the answer: expected `int | null`, got `str`", id="text for a number"),
        pytest.param({"Name": "a", "Port": True}, "Port of the answer: expected `int | null`, got `bool`", id="a truth value is no number"),
        pytest.param({"Name": "a", "Port": 5.5}, "Port of the answer: expected `int | null`, got `float`", id="a share is not whole"),
        pytest.param({"Name": "a", "On": 1}, "On of the answer: expected `bool | null`, got `int`", id="a number is no truth value"),
        pytest.param({"Name": "a", "At": "2026-11-21T03:00:00Z"}, "At of the answer: expected `datetime | null`, got `str`", id="text is no time"),
        pytest.param({"Name": "a", "State": []}, "State of the answer: expected `object`, got `array`", id="a list for a structure"),
        pytest.param({"Name": "a", "States": {}}, "States of the answer: expected `array`, got `object`", id="a structure for a list"),
        pytest.param({"Name": "a", "Arns": "arn"}, "Arns of the answer: expected `array`, got `str`", id="text for a list"),
        pytest.param({"Name": "a", "States": [{}, None]}, "States[1] of the answer: expected `object`, got `null`", id="nothing in a list"),
        pytest.param({"Name": "a", "States": [{"Code": 1}]}, "States[0].Code of the answer: expected `str`, got `int`", id="deep inside"),
        pytest.param(None, "the answer: expected `object`, got `null`", id="no answer"),
        pytest.param([], "the answer: expected `object`, got `array`", id="another answer"),
    ],
)  # fmt: skip
def test_another_answer_is_unreadable_and_names_the_member(row: object, told: str) -> None:
    with pytest.raises(BlindError) as caught:
        answer_into(row, Row)
    assert caught.value.reason is Reason.UNREADABLE
    assert caught.value.message == told


def test_a_list_is_read_as_a_whole_or_not_at_all() -> None:
    assert answers_into([{"Name": "a"}, {"Name": "b"}], Row) == (Row(name="a"), Row(name="b"))
    assert answers_into([], Row) == ()
    with pytest.raises(BlindError, match=r"the answer has no \[1\].Name"):
        answers_into([{"Name": "a"}, {}], Row)


def test_counts_that_a_service_gives_as_text_are_read_where_it_is_said() -> None:
    row = {"Attributes": {"ApproximateNumberOfMessages": "12", "FifoQueue": "true"}}
    queue = answer_into(row, Queue, strict=False)
    assert queue.attributes == Attributes(approximate_number_of_messages=12, fifo_queue=True)
    with pytest.raises(BlindError, match=r"Attributes\.ApproximateNumberOfMessages of the answer"):
        answer_into(row, Queue)


FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@pytest.mark.parametrize("told", [FIRST, LAST, LAST.replace(tzinfo=timezone(-timedelta(hours=8)))])
def test_a_rule_may_reckon_with_a_time_that_means_never(told: datetime) -> None:
    at = answer_into({"Name": "a", "At": told}, Row).at
    assert at is not None
    assert at.tzinfo is UTC
    assert at - timedelta(days=365) < at < at + timedelta(days=365)
