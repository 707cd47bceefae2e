"""AWS answers by declaration: a record names the members that a look reads, and their types.

    class LoadBalancer(Answer, frozen=True):
        of = "elbv2.LoadBalancer"
        load_balancer_arn: GivenText
        state: State = State()
        created_time: datetime | None = None

    row = answer_into(await aws.item("elbv2", "DescribeLoadBalancers", key=name), LoadBalancer)

A field without a default is a member that every real answer has. botocore leaves absent members
out, so absence is normal for the others and gives the default. Members that are not declared are
ignored; a member of another type than declared is `unreadable`, never an empty value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, ClassVar, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from cockpit.errors import BlindError, Reason
from cockpit.text import SafeText, visible

GivenText = Annotated[SafeText, msgspec.Meta(min_length=1)]
"""Text that a real answer has: neither absent nor empty."""


class Answer(msgspec.Struct, frozen=True, rename="pascal"):
    """What is read of one AWS structure; made by `answer_into`, so all text in it is safe.

    Fields are called like the members in Python's spelling: `vpc_id` reads `VpcId`. Services that
    begin small take `rename="camel"`, names with capitals in a row `msgspec.field(name="MultiAZ")`.
    """

    of: ClassVar[str] = ""
    """The shape of the service model, `elbv2.LoadBalancer`: a test holds every member and type
    against it, since a misspelled name would read as absent. Empty: a part of another record."""


Record = TypeVar("Record", bound=Answer)
Into = TypeVar("Into")


def answer_into(row: object, into: type[Record], *, strict: bool = True) -> Record:
    """One structure as a record.

    Times are in UTC. `strict=False` is for attributes that a service gives as text: `"12"` is read
    where a number is declared, `"true"` where a truth value is. Raises `BlindError(unreadable)`,
    naming the member that is missing or of the wrong type.
    """
    return _convert(_safe(row, into), into, strict=strict)


def answers_into(rows: object, into: type[Record], *, strict: bool = True) -> tuple[Record, ...]:
    """A list of structures as records, all or none."""
    several = tuple[into, ...]  # type: ignore[valid-type]
    return _convert(_safe(rows, into), several, strict=strict)


def _convert(value: object, into: type[Into], *, strict: bool) -> Into:
    try:
        # with datetime as a type of its own, text is not parsed as a time
        return msgspec.convert(value, into, strict=strict, builtin_types=(datetime,))
    except msgspec.ValidationError as error:
        raise BlindError(Reason.UNREADABLE, visible(_told(str(error)), 300)) from None


_PLACE = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<where>.*)`)?", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`", re.DOTALL)
_EMPTY = "Expected `str` of length >= 1"


def _told(error: str) -> str:
    """Msgspec's words with the member first: `State.Code of the answer: expected `str`, …`."""
    found = _PLACE.fullmatch(error)
    what, where = (found["what"], found["where"] or "") if found else (error, "")
    missing = _MISSING.fullmatch(what)
    if missing:
        return f"the answer has no {where}{'.' * bool(where)}{missing[1]}"
    if what == _EMPTY:
        return f"the answer has no {where}"
    which = f"{where} of the answer" if where else "the answer"
    return f"{which}: {what[:1].lower()}{what[1:]}"


def _safe(value: object, into: type[Answer] | None) -> object:
    """The value as records hold it: text harmless, times in UTC, without members that are None.

    Done before a type is looked at, so that no declaration can forget it. Of a structure that
    becomes a record only the declared members are touched: a task of ECS has ninety.
    """
    kind = type(value)  # exact types first: to ask each value for all of them took most of a look
    if kind is str:
        return visible(value, 2000)  # type: ignore[arg-type]
    if kind is dict:
        return _members(value, into)  # type: ignore[arg-type]
    if kind is list:
        return [_safe(each, into) for each in value]  # type: ignore[attr-defined]
    if isinstance(value, float):
        return int(value) if value.is_integer() else value  # JSON has one kind of number: 5.0 is 5
    if isinstance(value, datetime):
        return _utc(value)
    if isinstance(value, str):
        return visible(value, 2000)
    if isinstance(value, list | tuple):
        return [_safe(each, into) for each in value]
    return _members(value, into) if isinstance(value, Mapping) else value


def _members(value: Mapping[str, object], into: type[Answer] | None) -> dict[object, object]:
    """A structure with the members that a record declares; with all, where none declares any."""
    if into is None:
        return {_safe(k, None): _safe(v, None) for k, v in value.items() if v is not None}
    return {
        name: _safe(each, part)
        for name, part in _parts(into).items()
        if (each := value.get(name)) is not None
    }


_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9998, 1, 1, tzinfo=UTC)
"""Services write “never” as a time at the end of the calendar, or before all: a rule that adds an
hour to it must not fall off. Nearer times are as they are told."""


def _utc(value: datetime) -> datetime:
    if value.tzinfo is UTC and _FIRST <= value <= _LAST:
        return value
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    return min(max(aware, _FIRST), _LAST).astimezone(UTC)


@cache
def _parts(record: type[Answer]) -> Mapping[str, type[Answer] | None]:
    """Each declared member with the record that its structure, or each of its list, becomes."""
    hints = get_type_hints(record)
    names = zip(record.__struct_encode_fields__, record.__struct_fields__, strict=True)
    return {member: _record_in(hints[field]) for member, field in names}


def _record_in(kind: object) -> type[Answer] | None:
    if isinstance(kind, type) and issubclass(kind, Answer):
        return kind
    if get_origin(kind) is dict:  # its names are not ours to choose from
        return None
    return next(filter(None, map(_record_in, get_args(kind))), None)
