"""What looks like a secret, wherever it stands: by the place and the name, not by the value.

URLs with a user or a signed query, headers that log in, members of a body whose name says what they
hold; as they are, escaped for JSON, and percent-encoded. A name that only points at a secret
(`SecretId`) is none: it must end with the word.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

MASK = "•••"

_WORDS = (
    r"(?:passw(?:or)?d|passphrase|pwd|secret|token|api[-_]?key|access[-_]?key|private[-_]?key"
    r"|credentials?|authorization|cookie|signature)"
)
_IN_QUERY = rf"(?:[\w.~-]*{_WORDS}|(?:[\w.~-]*[-_.])?(?:key|sig|auth|jwt|sas|session[-_]?id))"
_HEADERS = (
    r"(?:(?:proxy-)?authorization|(?:set-)?cookie"
    r"|x-(?=[\w-]*?(?:key|token|auth|secret|signature|credential))[\w-]*+)"
)
_ESCAPES = r"\\{0,31}"
"""What stands before a quote in JSON in JSON, five deep."""
_END = r"(?P=escapes)(?P=quote)"
_HINT = re.compile(
    r"(?i)://|%3a%2f%2f|passw|passphrase|pwd|secret|token|key|credential|authorization|cookie"
    r"|signature|sig(?:=|%3d)|auth|jwt|sas(?:=|%3d)|session[-_]?id|bearer|basic"
)
"""What every shape below has in it: most texts have none of it, and cost one search."""
_HINTS = (
    "://", "%3a%2f%2f", "passw", "passphrase", "pwd", "secret", "token", "key", "credential",
    "auth", "cookie", "signature", "sig=", "sig%3d", "jwt", "sas=",
    "sas%3d", "sessionid", "session-id", "session_id", "bearer", "basic",
)  # fmt: skip
"""The same for texts of ASCII alone, where a search for each is ten times faster."""
_SHAPES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?i)(https?://)[^\s/?#\"'<>\\]+@"), rf"\1{MASK}@"),
    (re.compile(r"(://)[^\s/?#@\"'<>\\:]*:[^\s/?#\"'<>\\]+@"), rf"\1{MASK}@"),
    (re.compile(r"(?i)(%3a%2f%2f)(?:(?!%2f|%40)[^\s&\"'<>])+%40"), rf"\1{MASK}%40"),
    (
        re.compile(
            rf"(?i)((?:[?&#;]|%3f|%26|%23|%3b|\\u0026){_IN_QUERY}(?:=|%3d))"
            r"(?:(?!%26|\\u0026)[^\s&#;\"'<>\\])+"
        ),
        rf"\1{MASK}",
    ),
    (
        re.compile(
            rf"(?i)({_WORDS}(?:{_ESCAPES}[\"'])?\s*[:=]\s*(?P<escapes>{_ESCAPES})(?P<quote>[\"']))"
            rf"(?:(?P=escapes)\\(?:(?P=escapes)[\\\"'])?|(?!{_END})[^\n])++(?={_END})"
        ),
        rf"\1{MASK}",
    ),
    (re.compile(rf"(?i)({_WORDS}(?:=|%3d))(?:(?!%26)[^\s&;,\"'<>\\(){{}}$?:])+"), rf"\1{MASK}"),
    (re.compile(rf"(?i)((?<![\w-]){_HEADERS}:[ \t]*)[^\s\"'\\][^\r\n\"']*"), rf"\1{MASK}"),
    (re.compile(r"(?i)\b(bearer|basic)(\s+|%20)[\w.~+/-]{16,}={0,2}"), rf"\1\2{MASK}"),
)
"""Each takes time as the length of the text, whatever that is: none may begin at every letter of a
word, nor read on to the end of a line for every name in it. So a name is found by its last word.
"""
_MEMBER = re.compile(rf"(?i)(?:^|.*[\w.-]){_WORDS}$|^{_WORDS}$")
_LOCKS = frozenset({"LockToken", "NextLockToken"})
"""Of WAF: which reading a change goes by. They let nobody in, and an undo needs them."""
_QUERY_NAME = re.compile(rf"(?i)^{_IN_QUERY}$")
_HEADER_NAME = re.compile(
    r"(?i)auth|cookie|token|secret|password|passwd|credential|signature|session|\bkey\b|api-?key"
)
_STRONG = 4
_WEAK = 8
"""Characters from which a value is remembered: of a member that says so, of a mere `key`."""


def without_shapes(content: str) -> str:
    """The text with what stands in the place of a secret as `•••`."""
    if not may_have_shapes(content):
        return content
    for shape, put in _SHAPES:
        content = shape.sub(put, content)
    return content


def may_have_shapes(content: str) -> bool:
    """False when nothing in the text looks like a secret; True when it must be looked through."""
    if not content.isascii():  # other letters are alike without their case: ſ and s
        return _HINT.search(content) is not None
    lower = content.lower()
    for hint in _HINTS:  # noqa: SIM110  (`any` and its generator take twice as long, and each text that leaves comes here)
        if hint in lower:
            return True
    return False


def named_secret(name: str) -> bool:
    """Whether the name of a member says that it holds a secret."""
    return name not in _LOCKS and _MEMBER.match(name) is not None


def secret_header(name: str) -> bool:
    """Whether the value of a header logs somebody in."""
    return _HEADER_NAME.search(name) is not None


def secrets_of(url: str, headers: Mapping[str, str], body: str) -> Iterator[str]:
    """The values of a request that stand in the place of a secret, for who masks known values."""
    parts = urlsplit(url)
    if "@" in parts.netloc:
        user, _, password = parts.netloc.rpartition("@")[0].partition(":")
        yield from _each(password or user)
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if _QUERY_NAME.match(name):
            yield from _each(value, weak=not named_secret(name))
    for name, value in headers.items():
        if secret_header(name):
            yield from _of_header(value)
    yield from _of_body(body)


def _each(value: str, *, weak: bool = False) -> Iterator[str]:
    """As it is and decoded. One of a weak name counts when it does not look like a word."""
    for form in dict.fromkeys((value, unquote(value))):
        word = len(form) < 2 * _WEAK and form.isalpha()
        if len(form) >= (_WEAK if weak else _STRONG) and not (weak and word):
            yield form


def _of_header(value: str) -> Iterator[str]:
    """The whole, what follows the scheme, each cookie, and what a Basic one holds."""
    yield from _each(value)
    scheme, _, rest = value.strip().partition(" ")
    yield from _each(rest.strip())
    if scheme.lower() == "basic":
        try:
            user_password = base64.b64decode(rest.strip(), validate=True).decode()
        except (binascii.Error, ValueError):
            return
        yield from _each(user_password.partition(":")[2])
    for pair in value.split(";"):
        yield from _each(pair.partition("=")[2].strip(), weak=True)


def _of_body(body: str) -> Iterator[str]:
    try:
        yield from _members(json.loads(body), depth=0)
    except (ValueError, RecursionError):
        for name, value in parse_qsl(body):
            if named_secret(name):
                yield from _each(value)


def _members(value: object, *, depth: int) -> Iterator[str]:
    if depth > 40:
        return
    if isinstance(value, dict):
        for name, each in value.items():
            if named_secret(str(name)) and isinstance(each, str):
                yield from _each(each)
            yield from _members(each, depth=depth + 1)
    elif isinstance(value, list):
        for each in value:
            yield from _members(each, depth=depth + 1)
