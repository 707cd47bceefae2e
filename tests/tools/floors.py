"""The floors that pyproject.toml declares, as constraints: `python -m tests.tools.floors`.

`make floors` installs exactly these and runs the tests that need no server, so that a floor is a
version that works and not a museum piece.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

FLOOR = re.compile(r"^([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?>=([0-9.]+)")


def floors(text: str) -> list[str]:
    """`name==version` for every requirement with a floor."""
    project = tomllib.loads(text)["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["demo"]]
    found = (FLOOR.match(requirement) for requirement in wanted)
    return [f"{match.group(1)}=={match.group(2)}" for match in found if match]


if __name__ == "__main__":
    print("\n".join(floors(Path("pyproject.toml").read_text(encoding="utf-8"))))
