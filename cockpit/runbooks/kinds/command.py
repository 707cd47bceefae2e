"""Steps of the kind `command`: a program with its arguments. There is no shell, anywhere.

The program is a constant absolute path whose digest is part of the plan. It gets a scrubbed
environment, no input, its own session; at the end of its time the whole group is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import secrets
import signal
import stat
import sys
from collections.abc import Awaitable, Callable
from importlib import resources
from io import FileIO
from pathlib import Path

from cockpit.errors import BlindError, Reason, Refused
from cockpit.ownership import stranger
from cockpit.runbooks.kinds.process import StepProcess, named_by, process_of
from cockpit.runbooks.kinds.result import CutOff, Result
from cockpit.runbooks.plan import Act
from cockpit.units import duration

MOST = 1024 * 1024
"""Octets of output that are kept; what is beyond is read and dropped."""
COOKIE = "INCIDENT_COCKPIT_STEP"
"""In the environment of a step's program: its children are known by it."""
_ROUNDS = 20
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
        found = stranger(path)
    except OSError as error:
        raise Refused(f"{program}: {error.strerror}") from None
    if not stat.S_ISREG(mode) or not os.access(real, os.X_OK):
        raise Refused(f"{program} is not an executable file")
    if mode & stat.S_IWOTH:
        raise Refused(f"{program} can be written by everybody: it is not run")
    if found is not None:
        raise Refused(f"{program}: {found[1]}: it is not run")
    return hashlib.sha256(content).hexdigest()


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


async def _untold(_: StepProcess) -> None:
    """Nobody keeps a record."""


async def run(act: Act, tell: Callable[[StepProcess], Awaitable[None]] = _untold) -> Result:
    """Run it to its end. `done` False: it ended with another status than 0.

    `tell` is given its process before the program begins, which it does when that returns. Raises
    `BlindError` when it did not start, `UnknownOutcome` when its time was up.
    """
    output, cookie = bytearray(), f"{COOKIE}={secrets.token_hex(16)}"
    with _Pipe() as printed, _Pipe() as word, _Pipe() as errors:
        reading = asyncio.create_task(_drain(printed.take(), output))
        try:
            process = await _waiting(act, cookie, printed=printed, word=word, errors=errors)
        except (OSError, ValueError) as error:
            reading.cancel()
            await asyncio.wait({reading})
            raise _not_started(act, str(error)) from None
        status, failed = None, bytearray()
        try:
            await tell(process_of(process.pid))
            os.write(word.theirs, b"1")
            errors.close_theirs()
            await _drain(errors.take(), failed)
            status = await _status(process, act.timeout)
        finally:
            word.close()
            await _end(process, reading, cookie)
    if failed:
        raise _not_started(act, os.strerror(int(failed)))
    if status is None:
        raise CutOff(
            f"{act.argv[0]} did not end within {duration(act.timeout)} and was killed",
            hint="verify what it had done by then",
            output=output.decode("utf-8", "replace"),
        )
    return _result(act, status, output)


def _not_started(act: Act, why: str) -> BlindError:
    return BlindError(Reason.MISCONFIGURED, f"{act.argv[0]} did not start: {why}")


async def _waiting(
    act: Act, cookie: str, *, printed: _Pipe, word: _Pipe, errors: _Pipe
) -> asyncio.subprocess.Process:
    """The process, which becomes the program once it is given the word: see `tied.py`."""
    tied = resources.files("cockpit.runbooks.kinds").joinpath("tied.py").read_text()
    handed = (word.ours, errors.theirs)
    name, _, value = cookie.partition("=")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", "-c", tied),
        *(str(each) for each in (*handed, os.getpid())),
        *act.argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=printed.theirs,
        stderr=printed.theirs,
        pass_fds=handed,
        env={**_ENVIRONMENT, name: value},
        cwd="/",
        start_new_session=True,
    )
    printed.close_theirs()
    return process


class _Pipe:
    """Two ends: `ours` is read from, `theirs` is written to. Closed at the end, each once."""

    def __init__(self) -> None:
        self.ours, self.theirs = os.pipe()
        self._open = {self.ours, self.theirs}

    def __enter__(self) -> _Pipe:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def take(self) -> FileIO:
        """The end that is read, as a file which somebody else closes."""
        self._open.discard(self.ours)
        return FileIO(self.ours, "rb")

    def close_theirs(self) -> None:
        """Only they write from now on."""
        self._shut(self.theirs)

    def close(self) -> None:
        """Both ends, as far as they are ours."""
        self._shut(self.ours)
        self._shut(self.theirs)

    def _shut(self, end: int) -> None:
        if end in self._open:
            self._open.discard(end)
            os.close(end)


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


async def _end(
    process: asyncio.subprocess.Process, reading: asyncio.Task[None], cookie: str
) -> None:
    """Kill what is left: the program itself, children that outlived it, and those of them that
    left its group.
    """
    if process.returncode is None:
        _signal(process.pid, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GRACE):
                await process.wait()
    else:
        await asyncio.wait({reading}, timeout=_GRACE / 4)
    _signal(process.pid, signal.SIGKILL)
    await process.wait()
    await asyncio.to_thread(_end_named, cookie)
    await asyncio.wait({reading}, timeout=_GRACE)
    reading.cancel()


def _end_named(cookie: str) -> None:
    """Until none is left: one that is looked at while it forks leaves a child behind."""
    for _ in range(_ROUNDS):
        found = named_by(cookie)
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not found:
            return


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
