"""Compare the members that we add to service models with those of a newer botocore.

`python -m tests.tools.newer_members FOLDER` takes the `data` folder of a botocore that is installed
apart; `make members` fetches the newest. It prints each difference, and fails when there is one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

from botocore.loaders import Loader

from cockpit.connect.aws.loader import members_of


def services() -> tuple[str, ...]:
    """The services to which members are added."""
    folder = files("cockpit.connect.aws").joinpath("members")
    return tuple(
        sorted(each.name.removesuffix(".json") for each in folder.iterdir() if each.is_file())
    )


def differences(service: str, model: Mapping[str, Any]) -> list[str]:
    """What of ours the model has not, or has otherwise; empty when it says the same."""
    ours = members_of(service)
    return [
        line
        for part in ("shapes", "operations")
        for line in _unlike(ours.get(part, {}), model.get(part, {}), f"{service}.{part}")
    ]


def _unlike(ours: Any, theirs: Any, where: str) -> Iterator[str]:
    if isinstance(ours, Mapping):
        if not isinstance(theirs, Mapping):
            yield f"{where}: {theirs!r}, not a structure"
            return
        for name, value in ours.items():
            if name in theirs:
                yield from _unlike(value, theirs[name], f"{where}.{name}")
            else:
                yield f"{where} has no {name}"
    elif isinstance(ours, list) and isinstance(theirs, list):
        yield from (f"{where} lacks {each}" for each in ours if each not in theirs)
    elif ours != theirs:
        yield f"{where}: {theirs!r}, not {ours!r}"


def main(folder: str) -> int:
    """Print what differs; 1 when something does."""
    loader = Loader(extra_search_paths=[folder], include_default_search_paths=False)
    found = [
        line
        for service in services()
        for line in differences(service, loader.load_service_model(service, "service-2"))
    ]
    print("\n".join(found) or "the newer models say the same of every member that is ours")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
