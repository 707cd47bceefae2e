"""A cockpit of its own process that follows a runbook until somebody kills it: for a restart."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from cockpit.config import load
from cockpit.connect.role import Role
from cockpit.desk import Desk, Opening
from cockpit.runbooks.library import library
from cockpit.runbooks.run import Run
from cockpit.triage.registry import catalog, registry

BOOK = """\
+++
id = "own-book"
title = "Of our own"
for = ["NET_TCP_REFUSED"]
reviewed = 2026-11-30

[params.web]
type = "target"
kind = "endpoint"
from = "finding.target"
+++
# Of our own

## Look at it
```toml step
id = "look"
kind = "probe"
target = "$web"
probe = "endpoint.path"
capture = { code = "reading.findings[0].code" }
```

## Begin the work
```toml step
id = "begin"
kind = "command"
risk = "high"
target = "$web"
argv = ["/bin/echo", "begun"]
effect = "nothing"
verify = { probe = "endpoint.path", until = "length(reading.findings) > `0`", says = "it was looked at", within = "20s" }
undo = "none: nothing was done"
```

## Wait for the others
```toml step
id = "wait"
kind = "manual"
```

## Go on for long
```toml step
id = "long"
kind = "command"
risk = "high"
target = "$web"
argv = ["/bin/sleep", "600"]
effect = "nothing"
timeout = "10m"
verify = { probe = "endpoint.path", until = "length(reading.findings) > `0`", says = "it was looked at", within = "20s" }
undo = "none: nothing was done"
```
"""


def write(folder: Path, port: int) -> None:
    """A configuration with one endpoint that nobody answers at, and a runbook for it."""
    (folder / "books").mkdir()
    (folder / "books" / "own-book.md").write_text(BOOK)
    (folder / "cockpit.toml").write_text(f"""
environment = "test"
runbooks = ["{folder}/books"]
[incident]
folder = "{folder}/data"
[[target]]
kind = "endpoint"
name = "web"
url = "http://127.0.0.1:{port}/"
""")


def opening(folder: Path) -> Opening:
    """What the command line puts together for this configuration."""
    config = load(folder / "cockpit.toml", catalog())
    books = library([folder / "books"])
    return Opening(config, probes=registry(), library=books, role=Role.COMMANDER)


async def begun(desk: Desk) -> Run:
    """The run for what is found."""
    await desk.engine.sweep()
    (found,) = [each for each in desk.board.open.values() if each.id.code == "NET_TCP_REFUSED"]
    return desk.start_run("own-book", found)


async def carry(run: Run, step: str) -> None:
    """Run a step as a person would who types what is asked for."""
    plan = await run.plan(step)
    await run.execute(plan, run.approve(plan, typed=plan.confirm_word))


async def follow(folder: Path) -> None:
    """Look, act, skip, and begin what does not end."""
    desk = await opening(folder).create("nobody can pay", "P1")
    run = await begun(desk)
    await carry(run, "look")
    await carry(run, "begin")
    await run.skip("wait", "they are here")
    desk.incident.subscribe(lambda entry: print(entry.kind.value, entry.text, flush=True))
    await carry(run, "long")


if __name__ == "__main__":
    asyncio.run(follow(Path(sys.argv[1])))
