"""`python -m cockpit.world --scenario NAME --folder DIR`: one world, until its parent is gone."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
import sys
import threading
from pathlib import Path
from typing import NoReturn

from cockpit.connect.role import Role
from cockpit.world import folder as folders
from cockpit.world import prepare, scenario

_LATEST = 10.0
_OURS = ("PATH", "LANG", "TMPDIR", "SYSTEMROOT", "VIRTUAL_ENV", "PYTHONPATH")


def scrub() -> None:
    """Forget every credential, profile and proxy of the caller: no call may leave this machine."""
    kept = {name: os.environ[name] for name in _OURS if name in os.environ}
    os.environ.clear()
    os.environ.update(kept)
    os.environ |= {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_ACCESS_KEY_ID": "world",
        "AWS_SECRET_ACCESS_KEY": "world",
        "NO_PROXY": "127.0.0.1,localhost",
        "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",
        "TZ": "UTC",
    }


def main() -> None:
    """Parse, prepare what the parent has not, run, clean up, and be gone at once."""
    parser = argparse.ArgumentParser(prog="python -m cockpit.world", description=__doc__)
    parser.add_argument("--scenario", default=scenario.DEFAULT, choices=scenario.names())
    parser.add_argument("--folder", type=Path, help="an existing folder; without it, a new one")
    parser.add_argument("--role", default="triage", choices=[role.value for role in Role])
    parser.add_argument("--parent-fd", type=int, help="a pipe whose end is the parent's end")
    given = parser.parse_args()
    scrub()
    if given.folder is None:
        folders.clean_up()
    folder = (given.folder or folders.make()).resolve()
    folders.own(folder, os.getpid(), "world")
    chosen = scenario.load(given.scenario)
    prepared = prepare.read(folder) or prepare.prepare(folder, chosen, role=Role(given.role))
    if given.parent_fd is None:
        print(prepared.config, flush=True)
    sys.setswitchinterval(0.001)  # a busy API must not make the health checks late
    try:
        asyncio.run(_play(prepared, chosen, given.parent_fd))
    finally:  # only a bug of ours comes here; its traceback is in the log, which the parent reads
        folders.end_servers(folder)
        if given.parent_fd is None:
            folders.remove(folder)


async def _play(
    prepared: prepare.PreparedWorld, chosen: scenario.Scenario, parent: int | None
) -> None:
    # until it is up: what is loaded stays, and each walk over it would take longer than the last
    gc.disable()
    _read_models_fast()
    from cockpit.world.play import Play

    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, ending.set)
    watches = [loop.create_task(_leave_in_any_case(ending, prepared.folder))]
    if parent is not None:
        loop.add_reader(parent, _at_end, parent, ending)
        watches.append(loop.create_task(_orphaned(os.getppid(), ending)))
    await Play(prepared, chosen).run(ending)
    for watch in watches:
        watch.cancel()
    _leave(prepared.folder)


def _read_models_fast() -> None:
    """For every session in this process: moto makes many, and botocore's files are most of what
    they do.
    """
    from botocore.loaders import Loader

    from cockpit.connect.aws.loader import ModelFiles

    Loader.FILE_LOADER_CLASS = ModelFiles


async def _leave_in_any_case(ending: asyncio.Event, folder: Path) -> None:
    """Be gone some seconds after the end was asked for, whatever still hangs by then."""
    await ending.wait()
    late = threading.Timer(_LATEST, _leave, (folder,))
    late.daemon = True
    late.start()


def _leave(folder: Path) -> NoReturn:
    """Take every server and the folder along. Threads that wait for a client hold nothing up."""
    folders.end_servers(folder)
    folders.remove(folder)
    sys.stdout.flush()
    os._exit(0)


def _at_end(parent: int, ending: asyncio.Event) -> None:
    """The parent closed its end of the pipe, by will or by death."""
    if not os.read(parent, 4096):
        asyncio.get_running_loop().remove_reader(parent)
        ending.set()


async def _orphaned(parent: int, ending: asyncio.Event) -> None:
    """A second watch, should somebody else hold the pipe: another parent means ours is dead."""
    while os.getppid() == parent:  # noqa: ASYNC110 - nothing tells a change of parent
        await asyncio.sleep(1)
    ending.set()


if __name__ == "__main__":
    main()
