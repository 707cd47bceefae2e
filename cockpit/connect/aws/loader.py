"""Service models with the members that a commander needs and the installed botocore has not yet.

aioboto3 holds botocore back for months, and botocore's parser drops what its model does not have.
`members/SERVICE.json` has shapes and operations in the form of botocore's own models; they are
added where they are missing. What the installed model has wins: a newer one is never undone.

`services/` has whole models, with endpoint rules, of services that it does not know at all.

Botocore has `service-2.sdk-extras.json` for this, and it is not used: the first such file on the
search path hides all others (botocore ships six), and what it says replaces what the model has.
"""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TypeAlias, cast

import botocore.loaders
import msgspec

Members: TypeAlias = dict[str, object]
"""A structure of a service model, or a part of one: names and what stands under them."""


_UNPACKED: Mapping[str, Callable[[bytes], bytes]] = {".json": bytes, ".json.gz": gzip.decompress}


class ModelFiles(botocore.loaders.JSONFileLoader):  # type: ignore[misc]
    """Botocore's files of models, read in a fifth of the time: it makes an `OrderedDict` of every
    object, which is from when a dict had no order.
    """

    def load_file(self, file_path: str) -> object:
        """What a file holds, whose path is given without its suffix; None when there is none."""
        for suffix, unpacked in _UNPACKED.items():
            path = Path(file_path + suffix)
            if path.is_file():
                return msgspec.json.decode(unpacked(path.read_bytes()))
        return None


class ModelLoader(botocore.loaders.Loader):  # type: ignore[misc]
    """Botocore's loader of models from disk, completed. May be used from any thread."""

    FILE_LOADER_CLASS = ModelFiles

    def __init__(self) -> None:
        # behind what botocore has: a service that it comes to know is read from there
        super().__init__()
        self._search_paths.append(str(files("cockpit.connect.aws").joinpath("services")))
        self._lock = threading.Lock()
        self._done: set[int] = set()  # by identity: what is loaded is kept for good

    def load_service_model(
        self, service_name: str, type_name: str, api_version: str | None = None
    ) -> Members:
        """As botocore has it; a `service-2` with our members. The same object every time."""
        # Botocore keeps what it read: it is completed before anybody else can hold it.
        with self._lock:
            model: Members = super().load_service_model(service_name, type_name, api_version)
            if type_name == "service-2" and id(model) not in self._done:
                self._done.add(id(model))
                self._complete(service_name, model)
        return model

    def _complete(self, service: str, model: Members) -> None:
        """What a loader does with a model, once."""
        complete(model, members_of(service))


class ReadsLoader(ModelLoader):
    """A loader for sessions that only look: models have the operations of some services that may be
    called there, and no documentation. All of EC2's 700 operations are eight megabytes.
    """

    def __init__(self, kept: Mapping[str, Collection[str]]) -> None:
        """`kept`: service → its operations; what is not named here stays whole."""
        super().__init__()
        self._kept = kept

    def _complete(self, service: str, model: Members) -> None:
        super()._complete(service, model)
        if service in self._kept:
            cut(model, self._kept[service])


def cut(model: Members, kept: Collection[str]) -> None:
    """Leave the operations `kept` and the shapes that they reach, in place, without documentation.

    What botocore calls by itself stays: where a service tells its endpoints (DynamoDB), and every
    error, which is found by its code.
    """
    model.pop("documentation", None)
    operations = cast("dict[str, Members]", model["operations"])
    shapes = cast("dict[str, Members]", model["shapes"])
    for name, operation in [*operations.items()]:
        if name not in kept and not operation.get("endpointoperation"):
            del operations[name]
    wanted = [name for name, shape in shapes.items() if shape.get("exception")]
    for operation in operations.values():
        wanted += _parts(operation, ("input", "output"), "errors")
    reached: set[str] = set()
    while wanted:
        if (name := wanted.pop()) not in reached:
            reached.add(name)
            wanted += _parts(shapes[name], ("member", "key", "value"), "members")
    for name in shapes.keys() - reached:
        del shapes[name]


def _parts(whole: Members, single: tuple[str, ...], several: str) -> list[str]:
    """The shapes that an operation or a shape is made of; takes the documentation off all."""
    more = whole.get(several, ())
    listed = cast("Iterable[Members]", more.values() if isinstance(more, dict) else more)
    parts = [*(cast("Members", whole[each]) for each in single if each in whole), *listed]
    for each in (whole, *parts):
        each.pop("documentation", None)
    return [str(each["shape"]) for each in parts]


@cache
def members_of(service: str) -> Members:
    """The shapes and operations that are ours to add; empty for most services."""
    file = files("cockpit.connect.aws").joinpath("members", f"{service}.json")
    if not file.is_file():
        return {}
    found: Members = json.loads(file.read_text(encoding="utf-8"))
    return found


def complete(there: Members, ours: Mapping[str, object]) -> None:
    """Add what is not there, in place, at any depth; done twice, nothing changes."""
    for name, value in ours.items():
        held = there.setdefault(name, value)
        if held is not value and isinstance(held, dict) and isinstance(value, dict):
            complete(held, value)
