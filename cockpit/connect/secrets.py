"""Secrets by reference: resolved when a connection is made, told to the masker, never stored."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
from functools import partial
from io import FileIO
from pathlib import Path

from cockpit.errors import BlindError, Reason
from cockpit.redact import MASKER

SCHEMES = ("env:", "file:", "command:", "aws-secret:", "iam")
_LARGEST = 64 * 1024
_COMMAND_TIMEOUT = 10.0


def is_reference(text: str) -> bool:
    """Whether the text is empty or one of the reference forms, rather than a secret itself."""
    return not text or text == "iam" or text.startswith(SCHEMES[:-1])


def needs_aws(reference: str) -> bool:
    """Whether the place's AWS credentials are needed to resolve it (`aws-secret:`, `iam`)."""
    return reference == "iam" or reference.startswith("aws-secret:")


def no_token_unless(verified: bool, reference: str, *, where: str, hint: str) -> None:
    """Raise `BlindError` for `iam` where it is not checked to whom the token goes: who has it may
    log in with it, anywhere, for a quarter of an hour.
    """
    if reference == "iam" and not verified:
        raise BlindError(
            Reason.MISCONFIGURED,
            f"{where}: iam wants TLS with a verified certificate; nothing was sent",
            hint=f"{hint} in the target",
        )


def resolve(reference: str) -> str:
    """The secret behind `env:NAME` or `file:PATH`; an empty reference is an empty secret.

    `file:` gives the first line without its line break. Raises `BlindError(misconfigured)` when the
    variable or file is not there; the message never holds a value.
    """
    scheme, _, rest = reference.partition(":")
    match scheme:
        case "":
            return ""
        case "env":
            value = os.environ.get(rest)
            if value is None:
                raise _broken(f"the environment variable {rest} is not set", f"export {rest}=…")
            return _learned(value)
        case "file":
            return _learned(_first_line(Path(rest).expanduser()))
        case _:
            raise _broken(
                f"a secret cannot be read from {scheme!r} here",
                "use env:NAME, file:PATH, command:…, aws-secret:ARN or iam",
            )


async def resolve_async(reference: str) -> str:
    """Like `resolve`, and also `command:…`: the first line that a program prints, without a shell.

    The program has ten seconds and gets no standard input.
    """
    scheme, _, rest = reference.partition(":")
    if scheme != "command":
        return resolve(reference)
    loop = asyncio.get_running_loop()
    running = _RUNNING.get((loop, rest))
    if running is None:
        running = _RUNNING[loop, rest] = loop.create_task(_printed(rest))
        running.add_done_callback(partial(_ended, (loop, rest)))
    return await asyncio.shield(running)


_RUNNING: dict[tuple[asyncio.AbstractEventLoop, str], asyncio.Task[str]] = {}
"""Programs that run now, and for a moment what they gave. A look that is given up does not end
its program: a password store that takes longer than a look could never be read otherwise, and
each look would leave one more program behind.
"""
_KEPT = 30.0
"""Seconds for which a secret waits for the next look when no look could wait for it."""


def _ended(key: tuple[asyncio.AbstractEventLoop, str], task: asyncio.Task[str]) -> None:
    if task.cancelled() or task.exception() is not None:
        _RUNNING.pop(key, None)
    else:
        key[0].call_later(_KEPT, _RUNNING.pop, key, None)


async def _printed(command: str) -> str:
    """The first line that a program prints. It never outlives its time, or this task."""
    words = _split(command)
    ours, theirs = os.pipe()
    with FileIO(ours, "rb") as pipe:
        try:
            process = await asyncio.create_subprocess_exec(
                *words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=theirs,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except (OSError, ValueError) as error:
            said = getattr(error, "strerror", "") or str(error)
            raise _broken(f"the secret's command {words[0]!r} did not start: {said}") from None
        finally:
            os.close(theirs)
        try:
            async with asyncio.timeout(_COMMAND_TIMEOUT):
                output = await _beginning(pipe)
                await process.wait()
        except TimeoutError:
            raise _broken(f"the secret's command {words[0]!r} did not end within 10 s") from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()  # killed: at once, and its number is given back
    if process.returncode:
        raise _broken(f"the secret's command {words[0]!r} ended with {process.returncode}")
    lines = output.decode(errors="replace").splitlines()
    return _learned(lines[0] if lines else "")


async def _beginning(pipe: FileIO) -> bytes:
    """What is taken of an output that is read to its end: a full pipe would stop the program.

    The pipe is ours: asyncio's own does not tell of the end of a program that was killed while
    more of its output waited than asyncio takes at once (Python before 3.13).
    """
    reader, taken = asyncio.StreamReader(), b""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    try:
        while part := await reader.read(_LARGEST):
            taken += part[: _LARGEST - len(taken)]
    finally:
        transport.close()
    return taken


def _split(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise _broken(f"the secret's command cannot be read: {error}") from None
    if not words:
        raise _broken("the secret's command is empty", "command:pass show orders-db")
    return words


def _first_line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST)
    except OSError as error:
        raise _broken(f"the secret's file {path} cannot be read: {error.strerror}") from None
    lines = content.decode(errors="replace").splitlines()
    return lines[0] if lines else ""


def _learned(value: str) -> str:
    MASKER.learn(value)
    return value


def _broken(message: str, hint: str = "") -> BlindError:
    return BlindError(Reason.MISCONFIGURED, message, hint=hint)
