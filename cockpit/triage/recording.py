"""Snapshots as JSON and back, so that a look can be recorded, replayed and used as a test.

A recording holds no literal of any statement and no known secret: `SecretText` is written without
its literals, and the whole text goes through the process' masker.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from cockpit.connect.rows import secret
from cockpit.errors import Misconfigured
from cockpit.redact import SecretText, masked
from cockpit.text import visible

Snapshot = TypeVar("Snapshot")


def encode(snapshot: object) -> bytes:
    """The snapshot as JSON, indented, its keys in the order of the fields."""
    return msgspec.json.format(msgspec.json.encode(masked(builtins(snapshot))), indent=1)


def decode(content: bytes, kind: type[Snapshot]) -> Snapshot:
    """The snapshot that was recorded. Raises `Misconfigured` when it is not one of this kind."""
    try:
        return msgspec.json.decode(content, type=kind, dec_hook=secret)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(
            f"not a recording of {kind.__name__}: {visible(str(error), 200)}"
        ) from None


def builtins(snapshot: object) -> Any:
    """The snapshot as dicts, lists, numbers and texts: what captures of runbooks query.

    By way of JSON, since JMESPath knows lists and not tuples.
    """
    return msgspec.json.decode(msgspec.json.encode(snapshot, enc_hook=_plain))


def _plain(value: object) -> object:
    if isinstance(value, SecretText):
        return str(value)
    if isinstance(value, frozenset | set):
        return sorted(value)
    raise TypeError(f"a snapshot cannot hold {type(value).__name__}")
