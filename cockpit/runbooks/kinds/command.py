"""Steps of the kind `command`: a program with its arguments. There is no shell, anywhere.

The program is a constant absolute path whose digest is part of the plan. It gets a scrubbed
environment, no input, its own session; at the end of its time the whole group is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import signal
import stat
from io import FileIO
from pathlib import Path

from cockpit.errors import BlindError, Reason, Refused
from cockpit.runbooks.kinds.result import CutOff, Result
from cockpit.runbooks.plan import Act
from cockpit.units import duration

MOST = 1024 * 1024
"""Octets of output that are kept; what is beyond is read and dropped."""
_GRACE = 1.0
_CHUNK = 64 * 1024
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TERM": "dumb", "HOME": "/"}


def fingerprint(program: str) -> str:
    """The SHA-256 of a program that may be run. Raises `Refused` for one that may not.

    Refused: a path that is not absolute, not a file, not executable, or that others may write:
    the file itself, or one of the folders that lead to it.
    """
    path = Path(program)
    if not path.is_absolute():
        raise Refused(f"{program!r}: the program must be an absolute path")
    try:
        real = path.resolve(strict=True)
        mode = real.stat().st_mode
        content = real.read_bytes()
    except OSError as error:
        raise Refused(f"{program}: {error.strerror}") from None
    if not stat.S_ISREG(mode) or not os.access(real, os.X_OK):
        raise Refused(f"{program} is not an executable file")
    if mode & stat.S_IWOTH:
        raise Refused(f"{program} can be written by everybody: it is not run")
    for each in (path, real):
        _must_be_ours(program, each)
    return hashlib.sha256(content).hexdigest()


def _must_be_ours(program: str, path: Path) -> None:
    """Raise `Refused` when somebody else could put another program in its place.

    As sshd does for `authorized_keys`: file and folders belong to root or to us, and no stranger
    may write them. In a folder with the sticky bit (/tmp) only its owner may replace a file.
    """
    for each in (path, *path.parents):
        try:
            found = each.lstat()
        except OSError as error:
            raise Refused(f"{program}: {each}: {error.strerror}") from None
        if found.st_uid not in {0, os.geteuid()}:
            raise Refused(f"{program}: {each} belongs to another user: it is not run")
        if stat.S_ISLNK(found.st_mode):
            continue
        strangers = stat.S_IWOTH
        if found.st_gid not in {0, os.getegid()}:
            strangers |= stat.S_IWGRP
        if found.st_mode & strangers and not found.st_mode & stat.S_ISVTX:
            raise Refused(f"{program}: others may write {each}: it is not run")


def argument(value: object, *, after_dashes: bool) -> str:
    """One value as one argument. Raises `Refused` for what a program could take for an option."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Refused(f"an argument must be text or a number, not {type(value).__name__}")
    text = str(value)
    if "\0" in text:
        raise Refused("an argument must not hold a NUL")
    if text.startswith("-") and not after_dashes:
        raise Refused(f"{text[:40]!r} would be read as an option: put -- before it in argv")
    return text


async def run(act: Act) -> Result:
    """Run it to its end. `done` False: it ended with another status than 0.

    Raises `BlindError` when it did not start, `UnknownOutcome` when its time was up.
    """
    readable, theirs = os.pipe()
    ours = os.fdopen(readable, "rb", buffering=0)
    output = bytearray()
    reading = asyncio.create_task(_drain(ours, output))
    try:
        process = await asyncio.create_subprocess_exec(
            *act.argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            env=_ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reading.cancel()
        await asyncio.wait({reading})
        ours.close()
        raise BlindError(Reason.MISCONFIGURED, f"{act.argv[0]} did not start: {error}") from None
    finally:
        os.close(theirs)
    status = None
    try:
        status = await _status(process, act.timeout)
    finally:
        await _end(process, reading)
    if status is None:
        raise CutOff(
            f"{act.argv[0]} did not end within {duration(act.timeout)} and was killed",
            hint="verify what it had done by then",
            output=output.decode("utf-8", "replace"),
        )
    return _result(act, status, output)


async def _status(process: asyncio.subprocess.Process, timeout: float) -> int | None:
    """Its exit status; None when the time was up first."""
    try:
        async with asyncio.timeout(timeout):  # wait_for of 3.11 may swallow a cancellation
            return await process.wait()
    except TimeoutError:
        return None


async def _drain(pipe: FileIO, output: bytearray) -> None:
    """Read to the end, so that the program never blocks on a full pipe; keep the first part.

    The pipe is ours and not asyncio's: with asyncio's, the end of the program is not told while a
    child of it keeps the pipe open (Python before 3.13).
    """
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    try:
        while chunk := await reader.read(_CHUNK):
            output += chunk[: MOST - len(output)]
    finally:
        transport.close()


async def _end(process: asyncio.subprocess.Process, reading: asyncio.Task[None]) -> None:
    """Kill what is left of the group: the program itself, or children that outlived it."""
    if process.returncode is None:
        _signal(process.pid, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GRACE):
                await process.wait()
    else:
        await asyncio.wait({reading}, timeout=_GRACE / 4)
    _signal(process.pid, signal.SIGKILL)
    await process.wait()
    await asyncio.wait({reading}, timeout=_GRACE)
    reading.cancel()


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _result(act: Act, status: int, output: bytearray) -> Result:
    text = output.decode("utf-8", "replace")
    data = {"status": status, "output": text, "lines": text.splitlines()}
    if status < 0:
        said = f"{act.argv[0]} was ended by signal {-status}"
    else:
        said = f"{act.argv[0]} ended with {status}"
    return Result(status == 0, said, text, data)
