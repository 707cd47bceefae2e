"""What a line of a log tells, and the shape that it shares with others: pure, one pass a line.

A shape is a line without what differs from line to line: ids, times, numbers, addresses, quoted
text. What is left is what the program's author wrote.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from cockpit.text import visible

MEMORY, DENIED, POOL, THROTTLED = "memory", "denied", "pool", "throttled"
TIMEOUT, FIELD, ERROR = "timeout", "field", "error"

WANTED = (
    "?ERROR ?Error ?error ?Exception ?exception ?Traceback ?FATAL ?Fatal ?CRITICAL ?panic "
    '?"timed out" ?"Timed out" ?timeout ?Timeout ?TimeoutError ?ETIMEDOUT ?DeadlineExceeded '
    '?"deadline exceeded" ?"Process exited" ?"signal: killed" ?OutOfMemory ?"out of memory" '
    '?"Out of memory" ?OOMKilled ?"exit status 137" ?"code 137" ?"Runtime exited" ?AccessDenied '
    '?"Access Denied" ?"access denied" ?UnauthorizedOperation ?Forbidden ?"not authorized" '
    '?"too many connections" ?"Too many connections" ?"too many clients" ?"connection slots" '
    '?"pool exhausted" ?QueuePool ?Throttling ?ThrottlingException ?"Rate exceeded" ?SlowDown '
    '?TooManyRequests ?ProvisionedThroughputExceeded ?"Cannot read propert" ?NullPointer '
    '?NoneType ?" 500 " ?" 502 " ?" 503 " ?" 504 "'
)
"""Filter pattern: any of these. CloudWatch Logs matches case by case, and a term also in a word; it
takes 1,024 characters. What comes is sorted here once more."""
_READ = 4_000
"""Characters of a line that are looked at: a stack trace's own words come first."""
_SHAPE = 200
_MEMBERS = ("level", "severity", "errorType", "errorMessage", "message", "msg", "error", "status")
_SHOWN_MEMBERS = 12

_KINDS = tuple(
    (kind, re.compile(words, re.IGNORECASE))
    for kind, words in (
        (
            MEMORY,
            r"runtime exited|signal: killed|out ?of ?memory|oomkilled|\bmemoryerror\b"
            r"|process exited before completing|exit(?:ed)?(?: with)?(?: code| status)?:? 137\b"
            r"|cannot allocate memory",
        ),
        (
            DENIED,
            r"access ?denied|unauthorizedoperation|\bforbidden\b|not authorized to perform"
            r"|authorizationerror",
        ),
        (
            POOL,
            r"too many (?:connections|clients)|remaining connection slots|queuepool limit"
            r"|pool (?:is )?exhausted|timeout acquiring|connection is not available"
            r"|timed out (?:while )?(?:waiting for|acquiring) (?:a |an )?(?:idle )?connection",
        ),
        (
            THROTTLED,
            r"throttlingexception|throttlederror|rate exceeded|\bslow ?down\b|toomanyrequests"
            r"|provisionedthroughputexceeded|requestlimitexceeded",
        ),
        (
            TIMEOUT,
            r"timed out|\betimedout\b|timeout(?:error|exception)|deadline ?exceeded"
            r"|\b(?:request|read|connect|query|gateway) ?timeout\b|status: timeout",
        ),
        (
            FIELD,
            r"\btypeerror\b|cannot read propert|\bkeyerror\b|nullpointer|nonetype"
            r"|attributeerror|nullreferenceexception",
        ),
    )
)
_WRONG = re.compile(
    r"(?i:(?<!no )(?<!0 )(?<!without )errors?\b"
    r"(?![\"']?\s*[:=]\s*[\"']?(?:0\b|null|none|false|\[\]|nil|-)))"
    r"|\bERR\b|(?i:exceptions?\b|\btraceback\b|\bfatal\b|\bpanic:|\bcritical\b)"
    r"|(?i:\bstatus(?:[_ ]?code)?[\"'\s:=]{1,4}5\d\d\b)|\" 5\d\d (?=\d|-)"
)
_CALM = re.compile(r"(?i:\b(?:debug|trace|info|information|notice|warn|warning)\b)")
_LOUD = re.compile(r"(?i:\b(?:error|fatal|critical|severe|emerg|alert)\b)")
_HEAD = 80
"""Characters in which a line says its own level."""

_VARIES = re.compile(
    r"""
      (?P<kept>(?i:\b(?:status|code|exit|errno|sqlstate|http)(?:[_ ]?code)?["'\s:=]{1,4}\d{1,5}\b)
        | (?<="\ )[1-5]\d\d(?=\ [\d-]))
    | (?P<ID>\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b
        | \b0x[0-9a-fA-F]+\b
        | \b(?=[a-fA-F]{0,40}\d)[0-9a-fA-F]{8,}\b)
    | (?P<TIME>\d{4}-\d\d-\d\d
            (?:[T\ ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?
        | \b\d{1,2}[/\ ](?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*
            [/\ ]\d{2,4}(?:[:\s]\d\d:\d\d:\d\d)?(?:\ [+-]\d{4})?
        | \b\d\d:\d\d:\d\d(?:[.,]\d{1,9})?)
    | (?P<ADDRESS>[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64}){1,4}
        | \b\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?\b)
    | (?P<QUOTED>"(?:[^"\\\n]|\\.){0,300}"|(?<!\w)'[^'\n]{0,300}'(?!\w)|`[^`\n]{0,300}`)
    | (?P<N>\d+(?:\.\d+)?)
    """,
    re.VERBOSE,
)
_PUT = {"QUOTED": "…"}


def kind_of(message: str) -> str:
    """What sort of trouble a line tells of; empty: of none.

    A line that says of itself that it is of a calm level (info, debug) is no error for having the
    word in it; what it tells in words of its own, such as a refused action, counts all the same.
    """
    text = message[:_READ]
    for kind, words in _KINDS:
        if words.search(text):
            return kind
    if _WRONG.search(text) is None:
        return ""
    head = _level(text)
    calm = _CALM.search(head)
    loud = _LOUD.search(head)
    if calm is not None and (loud is None or calm.start() < loud.start()):
        return ""
    return ERROR


def _level(text: str) -> str:
    """Where a line says its level: the member of one in JSON, else its beginning."""
    line = _structure(text)
    if line is None:
        return text[:_HEAD]
    told = line.get("level", line.get("severity", line.get("levelname", "")))
    return told if isinstance(told, str) else ""


def shape_of(message: str) -> str:
    """A line without what differs from line to line, at most 200 characters."""
    text = " ".join(words_of(message).split())[:_READ]
    return visible(_VARIES.sub(_masked, text[: _SHAPE * 4]), _SHAPE)


def _masked(found: re.Match[str]) -> str:
    name = str(found.lastgroup)
    return found[0] if name == "kept" else _PUT.get(name, name)


def words_of(message: str) -> str:
    """What a line says: of one in JSON its message, of a traceback its last line."""
    text = message[:_READ].strip()
    line = _structure(text)
    if line is not None:
        return _said(line) or text
    if text.startswith("Traceback (most recent call last)"):
        told = [each for each in text.splitlines() if each.strip()]
        return told[-1].strip() if len(told) > 1 else text
    return text.partition("\n")[0]


def _structure(text: str) -> Mapping[str, object] | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, dict) else None


def _said(line: Mapping[str, object]) -> str:
    """The members that hold a message; without one, all short ones by their names."""
    told = []
    for name in _MEMBERS:
        value = line.get(name)
        if isinstance(value, Mapping):
            value = value.get("message", value.get("msg"))
        if isinstance(value, str | int) and value != "":
            told.append(f"status={value}" if name == "status" else str(value))
    if len(told) > 1 or "message" in line or "msg" in line:
        return " ".join(told)
    plain = [f"{n}={v}" for n, v in line.items() if isinstance(v, str | int | float)]
    return " ".join(plain[:_SHOWN_MEMBERS])
