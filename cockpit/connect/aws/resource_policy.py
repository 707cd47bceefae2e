"""What a policy of a resource opens, and to whom: pure, from its text.

Sources: S3 User Guide, "The meaning of public" (a policy is public unless every Allow goes to fixed
values: principals, or one of some condition keys; a broad `aws:SourceIp` does not count) and IAM
User Guide, "IAM JSON policy elements". Whatever is not understood counts as open: a policy that is
called closed must be closed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import NoReturn

_ELEMENTS = {
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
}
_FIXING = {
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceorgid",
    "aws:sourceorgpaths",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    "s3:dataaccesspointaccount",
    "s3:dataaccesspointarn",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
}
"""PolicyCondition keys that a fixed value of makes a grant not public."""
EQUAL = {"stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike"}
_POINT = re.compile(r"arn:[\w-]+:s3:[\w-]*:\d{12}:accesspoint/[^*?]*\*?", re.IGNORECASE)
"""An access point's ARN may have a `*` for its name, as long as its account is fixed."""
_PRIVATE = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
_READ_VERB = re.compile(r"\w+:(get|list|describe|head)", re.IGNORECASE)
READS = ("s3:GetObject", "s3:ListBucket", "s3:GetObjectVersion", "s3:GetBucketPolicy")
WRITES = (
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:PutObjectAcl",
    "s3:AbortMultipartUpload",
    "s3:RestoreObject",
    "s3:ReplicateObject",
    "s3:PutBucketPolicy",
    "s3:DeleteBucketPolicy",
    "s3:PutBucketAcl",
    "s3:DeleteBucket",
    "s3:PutLifecycleConfiguration",
    "s3:PutEncryptionConfiguration",
)


@dataclass(frozen=True, slots=True)
class PolicyCondition:
    """`operator`, `key` (both in lower case) and the values of which one must match."""

    operator: str
    key: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyStatement:
    """One statement of a policy. `principals` are `*`, or `AWS:arn…`, `Service:name`."""

    number: int
    """Its place, from 1."""
    sid: str
    allows: bool
    principals: tuple[str, ...]
    not_principals: bool
    """`principals` are those that it is *not* about."""
    actions: tuple[str, ...]
    not_actions: bool
    resources: tuple[str, ...]
    not_resources: bool
    conditions: tuple[PolicyCondition, ...]

    @property
    def name(self) -> str:
        """Its Sid, else its place."""
        return self.sid or f"statement {self.number}"

    def covers(self, action: str) -> bool:
        """Whether it is about an action, such as `s3:GetObject`."""
        return any(matches(each, action) for each in self.actions) is not self.not_actions

    @property
    def writes(self) -> bool:
        """Whether it is about anything that changes objects or the bucket."""
        return self._of(WRITES, reading=False)

    @property
    def reads(self) -> bool:
        """Whether it is about reading objects or their list."""
        return self._of(READS, reading=True)

    def _of(self, known: Sequence[str], *, reading: bool) -> bool:
        if any(map(self.covers, known)):
            return True
        verbs = (bool(_READ_VERB.match(each)) for each in self.actions)
        return not self.not_actions and reading in verbs


class PolicyProblem(ValueError):
    """The text is no policy that the cockpit understands."""


def statements_of(text: str) -> tuple[PolicyStatement, ...]:
    """The statements of a policy's text.

    Raises `PolicyProblem` for anything that is not understood: an element that nobody knows may
    change what the rest means.
    """
    document = _document(text)
    held = document["Statement"]
    rows = held if isinstance(held, list) else [held]
    return tuple(_statement(row, number) for number, row in enumerate(rows, 1))


def _document(text: str) -> dict[str, object]:
    try:
        document = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise PolicyProblem(f"it is no JSON: {error}") from None
    if not isinstance(document, dict):
        raise PolicyProblem("it is no structure")
    if "Statement" not in document:
        raise PolicyProblem("it has no Statement")
    if unknown := document.keys() - {"Version", "Id", "Statement"}:
        raise PolicyProblem(f"{min(unknown)} is no element of a policy")
    return document


def _once(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    """A structure whose names are there once: which of two counts is not ours to choose."""
    held: dict[str, object] = {}
    for name, value in pairs:
        if name in held:
            raise PolicyProblem(f"{name} is there twice")
        held[name] = value
    return held


def _statement(row: object, number: int) -> PolicyStatement:
    if not isinstance(row, dict):
        raise PolicyProblem(f"statement {number} is no structure")
    if unknown := row.keys() - _ELEMENTS:
        raise PolicyProblem(f"{min(unknown)} is no element of a statement")
    if row.get("Effect") not in {"Allow", "Deny"}:
        raise PolicyProblem(f"statement {number} neither allows nor denies")
    for pair in ("Principal", "Action", "Resource"):
        if pair in row and f"Not{pair}" in row:
            raise PolicyProblem(f"statement {number} has {pair} and Not{pair}")
    if "Action" not in row and "NotAction" not in row:
        raise PolicyProblem(f"statement {number} has no Action")
    return PolicyStatement(
        number=number,
        sid=str(row.get("Sid", "")),
        allows=row["Effect"] == "Allow",
        principals=_principals(row.get("Principal", row.get("NotPrincipal", []))),
        not_principals="NotPrincipal" in row,
        actions=_words(row.get("Action", row.get("NotAction"))),
        not_actions="NotAction" in row,
        resources=_words(row.get("Resource", row.get("NotResource", []))),
        not_resources="NotResource" in row,
        conditions=_conditions(row.get("Condition", {})),
    )


def _words(value: object) -> tuple[str, ...]:
    words = value if isinstance(value, list) else [value]
    if not all(isinstance(each, str) for each in words):
        _not_text(value)
    return tuple(words)


def _principals(value: object) -> tuple[str, ...]:
    if isinstance(value, dict):
        return tuple(f"{sort}:{each}" for sort, held in value.items() for each in _words(held))
    return _words(value)


def _conditions(value: object) -> tuple[PolicyCondition, ...]:
    if not isinstance(value, dict):
        raise PolicyProblem("Condition is no structure")
    found = []
    for operator, keys in value.items():
        if not isinstance(keys, dict):
            raise PolicyProblem(f"{operator} is no structure")
        for key, held in keys.items():
            values = held if isinstance(held, list) else [held]
            if not all(isinstance(each, str | bool | int | float) for each in values):
                _not_text(held)
            texts = (str(v).lower() if isinstance(v, bool) else str(v) for v in values)
            found.append(PolicyCondition(operator.lower(), key.lower(), tuple(texts)))
    return tuple(found)


def _not_text(value: object) -> NoReturn:
    raise PolicyProblem(f"{str(value)[:60]!r} is no text")


def matches(pattern: str, word: str, *, exactly: bool = False) -> bool:
    """IAM's own patterns: `*` and `?`; actions do not mind capitals, all else does (`exactly`)."""
    regular = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(regular, word, 0 if exactly else re.IGNORECASE) is not None


def is_public(statement: PolicyStatement) -> bool:
    """Whether a statement gives something to everybody, as S3 sees it."""
    return statement.allows and not (_fixed_principals(statement) or _narrowed(statement))


def _fixed_principals(statement: PolicyStatement) -> bool:
    who = statement.principals
    return bool(who) and not statement.not_principals and all(map(_fixed, who))


def _fixed(value: str) -> bool:
    """Neither a pattern nor a variable."""
    return bool(value) and not any(mark in value for mark in ("*", "?", "${"))


def _narrowed(statement: PolicyStatement) -> bool:
    """Whether a condition lets only fixed values through; all conditions must hold."""
    return any(map(_narrows, statement.conditions))


def _narrows(condition: PolicyCondition) -> bool:
    operator = condition.operator
    several, _, plain = operator.rpartition(":")
    if several == "forallvalues" or plain.endswith("ifexists") or not condition.values:
        return False  # true also where the request says nothing of it
    if plain == "ipaddress":
        return condition.key == "aws:sourceip" and all(map(_narrow_address, condition.values))
    if plain not in EQUAL or condition.key not in _FIXING:
        return False
    if condition.key == "s3:dataaccesspointarn":
        return all(_fixed(each) or _POINT.fullmatch(each) for each in condition.values)
    return all(map(_fixed, condition.values))


def _narrow_address(text: str) -> bool:
    """No broader than /8 of IPv4 and /32 of IPv6; what nobody outside can have is narrow."""
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return False
    if network.version == 4:
        return network.prefixlen >= 8 or any(network == each for each in _PRIVATE)
    return network.prefixlen >= 32


def public_in(statements: Iterable[PolicyStatement]) -> tuple[PolicyStatement, ...]:
    """The statements that make a policy public; none: it is not."""
    return tuple(filter(is_public, statements))


def wide_in(statements: Iterable[PolicyStatement]) -> tuple[PolicyStatement, ...]:
    """Statements that allow something on every resource there is."""
    return tuple(
        each
        for each in statements
        if each.allows
        and (each.not_resources or any(re.fullmatch(r"[*?:]+", r) for r in each.resources))
    )


def without(text: str, taken: Iterable[PolicyStatement]) -> str:
    """The policy without some statements, in one line; empty when none is left.

    Raises `PolicyProblem`.
    """
    numbers = {each.number for each in taken}
    document = _document(text)
    held = document["Statement"]
    rows = held if isinstance(held, list) else [held]
    kept = [row for number, row in enumerate(rows, 1) if number not in numbers]
    return json.dumps({**document, "Statement": kept}, separators=(",", ":")) if kept else ""


def one_line(text: str) -> str:
    """The same policy in one line of ASCII, so that it can be shown, kept and put back."""
    return json.dumps(_document(text), separators=(",", ":"))


def form(statement: PolicyStatement) -> tuple[object, ...]:
    """What a statement says, however it is written: order, place, Sid and an account's two names
    make no difference.
    """
    return (
        statement.allows,
        statement.not_principals,
        statement.not_actions,
        statement.not_resources,
        frozenset(
            re.sub(r"^AWS:arn:[\w-]+:iam::(\d{12}):root$", r"AWS:\1", p)
            for p in statement.principals
        ),
        frozenset(statement.actions),
        frozenset(statement.resources),
        frozenset(
            (each.operator, each.key, frozenset(each.values)) for each in statement.conditions
        ),
    )


def same(one: str, other: str) -> bool:
    """Whether two policies say the same; an empty text is no policy. Raises `PolicyProblem`."""
    if not one or not other:
        return one == other
    said = ({form(each) for each in statements_of(text)} for text in (one, other))
    return next(said) == next(said)
