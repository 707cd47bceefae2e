"""What a server of PostgreSQL's or MySQL's protocol may send: honest openings and hostile answers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, count, repeat
from struct import pack

Parts = Iterator[bytes]

_MB = 1024 * 1024
_TEXT, _JSON = 25, 114


def _pg(kind: bytes, body: bytes = b"", *, announced: int = 0) -> bytes:
    """A message; more octets than the body has may be announced."""
    return kind + pack("!i", 4 + (announced or len(body))) + body


def _pg_columns(*names: bytes, kind: int = _TEXT) -> bytes:
    each = b"".join(name + b"\0" + pack("!ihihih", 0, 0, kind, -1, -1, 0) for name in names)
    return _pg(b"T", pack("!H", len(names)) + each)


def _pg_row(*values: bytes) -> bytes:
    each = b"".join(pack("!i", len(value)) + value for value in values)
    return _pg(b"D", pack("!H", len(values)) + each)


_PG_END = _pg(b"C", b"SELECT 1\0") + _pg(b"Z", b"I")


def pg_value(value: bytes, *, kind: int = _TEXT) -> Parts:
    """One row of one column."""
    yield _pg_columns(b"a", kind=kind) + _pg_row(value) + _PG_END


def pg_json(value: bytes) -> Parts:
    """One value that the driver reads as JSON."""
    return pg_value(value, kind=_JSON)


def pg_large(size: int) -> Parts:
    """A value of so many octets, announced as such."""
    head = pack("!Hi", 1, size)
    return chain(
        (_pg_columns(b"a"), _pg(b"D", head, announced=size + len(head))),
        repeat(b"a" * _MB, size // _MB),
        (_PG_END,),
    )


def pg_error(text: bytes, *, size: int) -> Parts:
    """An error that repeats a text until it has so many octets."""
    head = b"SERROR\0C22000\0M"
    times = size // len(text)
    yield _pg(b"E", head, announced=len(head) + times * len(text) + 2)
    a_time = _MB // len(text)
    for sent in range(0, times, a_time):
        yield text * min(a_time, times - sent)
    yield b"\0\0" + _pg(b"Z", b"I")


def pg_rows(number: int, columns: int) -> Parts:
    """So many rows of columns that are NULL."""
    row = _pg(b"D", pack("!H", columns) + b"\xff\xff\xff\xff" * columns)
    a_time = max(1, _MB // len(row))
    yield _pg_columns(*(b"%d" % column for column in range(columns)))
    for sent in range(0, number, a_time):
        yield row * min(a_time, number - sent)
    yield _PG_END


def pg_notifications() -> Parts:
    """Without an end."""
    return repeat(_pg(b"A", pack("!i", 1) + b"a\0\0") * (_MB // 12), 200)


def _my(*bodies: bytes, first: int = 1) -> bytes:
    return b"".join(
        pack("<I", len(each))[:3] + bytes([number % 256]) + each
        for number, each in enumerate(bodies, first)
    )


_MY_EOF = b"\xfe\0\0\2\0"
_MY_OK = _my(b"\0\0\0\2\0\0\0")


def _my_column(name: bytes) -> bytes:
    tail = b"\x0c" + pack("<HIBHB", 45, 255, 253, 0, 0) + b"\0\0"
    return b"\3def\0\0\0" + bytes([len(name)]) + name + b"\0" + tail


def _my_answer(*columns: bytes) -> tuple[bytes, ...]:
    """The packets before the rows."""
    return (b"\xfc" + pack("<H", len(columns)), *map(_my_column, columns), _MY_EOF)


def my_value(value: bytes) -> Parts:
    """One row of one column."""
    size = b"\xfe" + pack("<Q", len(value))
    yield _my(*_my_answer(b"a"), size + value, _MY_EOF)


def my_large(size: int) -> Parts:
    """A value of so many octets, in packets of the largest size."""
    head = _my_answer(b"a")
    yield _my(*head)
    yield b"\xff\xff\xff" + bytes([len(head) + 1]) + b"\xfe" + pack("<Q", size) + b"a" * (_MB - 10)
    yield from repeat(b"a" * _MB, 15)
    for number in count(len(head) + 2):
        yield b"\xff\xff\xff" + bytes([number % 256])
        yield from chain(repeat(b"a" * _MB, 15), (b"a" * (_MB - 1),))


def my_rows(columns: int, number: int | None = None) -> Parts:
    """So many rows of columns that are NULL; None: without an end."""
    head = _my_answer(*(b"%d" % column for column in range(columns)))
    yield _my(*head)
    sent, row = 0, b"\xfb" * columns
    while number is None or sent < number:
        some = min(256, 256 if number is None else number - sent)
        yield _my(*repeat(row, some), first=len(head) + 1 + sent)
        sent += some
    yield _my(_MY_EOF, first=len(head) + 1 + sent)


def my_columns() -> Parts:
    """As many columns as a number holds."""
    yield _my(b"\xfe" + pack("<Q", 2**40))
    for number in count(2, 256):
        yield _my(*repeat(_my_column(b"a"), 256), first=number)


def my_error(text: bytes, *, size: int) -> Parts:
    """An error that repeats a text until it has so many octets."""
    yield _my(b"\xff" + pack("<H", 1105) + b"#HY000" + text * (size // len(text)))


_MY_GREETING = (
    b"\x0a8.0.36\0",
    pack("<I", 1),
    b"12345678\0",
    pack("<HBHH", 0xF7DF, 45, 2, 0x00FF),
    b"\x15" + b"\0" * 10 + b"123456789012\0mysql_native_password\0",
)
OPENINGS: dict[str, tuple[bytes, ...]] = {
    "postgres": (
        b"",
        _pg(b"R", pack("!i", 0))
        + _pg(b"S", b"server_version\x0018.0\0")
        + _pg(b"S", b"client_encoding\0UTF8\0")
        + _pg(b"Z", b"I"),
        _pg_columns(b"arrived") + _pg_row(b"3000 500") + _PG_END,
    ),
    "mysql": (
        _my(b"".join(_MY_GREETING), first=0),
        _my(b"\0\0\0\2\0\0\0", first=2),
        _MY_OK,
        _my(*_my_answer(b"v", b"c"), b"\x058.0.0\0", _MY_EOF),
        _MY_OK,
        _MY_OK,
    ),
}
"""What a server says first, and to each question before the one that is meant."""
