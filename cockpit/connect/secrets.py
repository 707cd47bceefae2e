"""Secrets by reference: resolved when a connection is made, told to the masker, never stored."""

from __future__ import annotations

import asyncio
import os
import shlex
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
    words = shlex.split(rest)
    if not words:
        raise _broken("the secret's command is empty", "command:pass show orders-db")
    try:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as error:
        raise _broken(
            f"the secret's command {words[0]!r} did not start: {error.strerror}"
        ) from None
    try:
        async with asyncio.timeout(_COMMAND_TIMEOUT):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise _broken(f"the secret's command {words[0]!r} did not end within 10 s") from None
    if process.returncode:
        raise _broken(f"the secret's command {words[0]!r} ended with {process.returncode}")
    lines = output[:_LARGEST].decode(errors="replace").splitlines()
    return _learned(lines[0] if lines else "")


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
