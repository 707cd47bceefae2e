"""From what a driver gives to frozen dataclasses, strictly: a wrong type is `unreadable`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec

from cockpit.errors import BlindError, Reason
from cockpit.redact import SecretText
from cockpit.text import visible

Row = TypeVar("Row")


def rows_into(
    rows: Iterable[Mapping[str, object]], into: type[Row], *, mysql: bool = False
) -> list[Row]:
    """Each row by column name; unknown columns are ignored, missing ones take the default.

    Text becomes `SecretText` where the field says so; `mysql`: double quotes delimit strings in
    it. Raises `BlindError(unreadable)` for a value of the wrong type.
    """
    hook = _mysql_secret if mysql else secret
    try:
        return [msgspec.convert(row, into, strict=False, dec_hook=hook) for row in rows]
    except msgspec.ValidationError as error:
        raise BlindError(
            Reason.UNREADABLE,
            f"the server's answer is not what was asked for: {visible(str(error), 200)}",
            hint="a server version that the cockpit does not know? please report it",
        ) from None


def first_value(rows: Sequence[Mapping[str, object]]) -> object:
    """The first column of the first row; None without rows."""
    return next(iter(rows[0].values())) if rows and rows[0] else None


def secret(kind: type, value: object) -> object:
    """The decoding hook of msgspec: text for `SecretText`."""
    if kind is SecretText:
        return value if isinstance(value, SecretText) else SecretText(str(value))
    raise TypeError(f"cannot convert to {kind.__name__}")


def _mysql_secret(kind: type, value: object) -> object:
    if kind is SecretText and not isinstance(value, SecretText):
        return SecretText(str(value), mysql=True)
    return secret(kind, value)
