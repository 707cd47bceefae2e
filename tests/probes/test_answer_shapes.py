"""Every member that a probe declares is one of AWS's own model, with a type that fits.

A misspelled name would read as absent for ever, which looks like health.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from datetime import datetime
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import pytest
from botocore.model import ServiceModel, Shape

import probes
from cockpit.connect.aws.answer import Answer
from cockpit.connect.aws.loader import ModelLoader

_FITS = {
    str: {"string"},
    bool: {"boolean"},
    int: {"integer", "long"},
    float: {"double", "float", "integer", "long"},
    datetime: {"timestamp"},
}


_NEWER = {"ec2.NatGateway has no AvailabilityMode"}
"""Members of a service model newer than the oldest that is allowed: older ones leave them out."""


def _records(base: type[Answer] = Answer) -> Iterator[type[Answer]]:
    for record in base.__subclasses__():
        yield record
        yield from _records(record)


for _module in pkgutil.walk_packages(probes.__path__, "probes."):
    importlib.import_module(_module.name)
OURS = [
    each for each in _records() if each.__module__.startswith("probes.") and each.__struct_fields__
]
WHOLE = [each for each in OURS if each.of]


def _shape(of: str) -> Shape:
    service, _, name = of.partition(".")
    loaded = ModelLoader().load_service_model(service, "service-2")
    return ServiceModel(loaded, service).shape_for(name)


def _misfits(kind: Any, shape: Shape, where: str, seen: set[type]) -> Iterator[str]:
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        yield from _misfits(args[0], shape, where, seen)
    elif origin in (Union, UnionType):
        (only,) = [each for each in args if each is not NoneType]
        yield from _misfits(only, shape, where, seen)
    elif isinstance(kind, type) and issubclass(kind, Answer):
        seen.add(kind)
        yield from _of_record(kind, shape, where, seen)
    elif origin is tuple and shape.type_name == "list":
        yield from _misfits(args[0], shape.member, f"{where}[]", seen)
    elif origin is dict and shape.type_name == "map":
        yield from _misfits(args[1], shape.value, f"{where}{{}}", seen)
    elif (
        kind not in (object, Any)
        and origin is not dict
        and shape.type_name not in _FITS.get(kind, ())
    ):
        yield f"{where} is a {shape.type_name}, not {kind}"


def _of_record(record: type[Answer], shape: Shape, where: str, seen: set[type]) -> Iterator[str]:
    hints = get_type_hints(record, include_extras=True)
    names = zip(record.__struct_fields__, record.__struct_encode_fields__, strict=True)
    if shape.type_name == "map":  # its names are the service's, not the model's
        return
    for field, member in names:
        inner = shape.members.get(member)
        if inner is None:
            yield f"{where} has no {member}"
        else:
            yield from _misfits(hints[field], inner, f"{where}.{member}", seen)


@pytest.mark.parametrize("record", WHOLE, ids=lambda record: record.__qualname__)
def test_what_is_declared_is_in_the_service_model(record: type[Answer]) -> None:
    told = set(_of_record(record, _shape(record.of), record.of, set()))
    assert told <= _NEWER


def test_every_record_says_which_shape_it_reads_or_is_part_of_one_that_does() -> None:
    seen: set[type] = set(WHOLE)
    for record in WHOLE:
        list(_of_record(record, _shape(record.of), record.of, seen))
    shared = {base for each in seen for base in each.__mro__}
    assert [each.__qualname__ for each in OURS if each not in shared] == []
