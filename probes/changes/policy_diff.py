"""Two policies of IAM, a bucket or a key: which statements came and went, in words."""

from __future__ import annotations

import json
from collections.abc import Mapping

from probes.changes.lines import CAME, MOST, WENT, cut, listed


def policy(before: object, after: object) -> tuple[str, ...]:
    """Two policy documents, as text or structure; `before` None: only what stands there now."""
    was, now = _statements(before), _statements(after)
    if before is None:
        return tuple(f"now: {words}" for words in now.values())[:MOST]
    told = []
    for key in sorted(was.keys() | now.keys()):
        old, new = was.get(key), now.get(key)
        if old == new:
            continue
        if old is not None:
            told.append(f"{WENT} {old}")
        if new is not None:
            told.append(f"{CAME} {new}")
    return tuple(told)[:MOST] or ("the same statements as before",)


def public_statement(document: object) -> str:
    """The first statement that allows everybody without a condition; empty: none does."""
    for statement in listed(_parsed(document).get("Statement")):
        if not isinstance(statement, Mapping) or statement.get("Condition"):
            continue
        if statement.get("Effect") == "Allow" and "*" in _names(statement.get("Principal")):
            return _statement(statement)
    return ""


def _statements(document: object) -> dict[str, str]:
    """Each statement in words, by its own name or its words."""
    found: dict[str, str] = {}
    for statement in listed(_parsed(document).get("Statement")):
        if isinstance(statement, Mapping):
            words = _statement(statement)
            found[str(statement.get("Sid") or words)] = words
    return found


def _parsed(document: object) -> Mapping[str, object]:
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except ValueError:
            return {}
    return document if isinstance(document, Mapping) else {}


def _statement(statement: Mapping[str, object]) -> str:
    """`Allow s3:GetObject on arn:aws:s3:::site/* to everybody, if aws:SourceIp …`."""
    parts = [str(statement.get("Effect", "?"))]
    for member, word in (("Action", ""), ("NotAction", "all but")):
        if member in statement:
            parts.append(f"{word} {', '.join(_names(statement[member]))}".strip())
    for member, word in (("Resource", "on"), ("NotResource", "on all but")):
        if member in statement:
            parts.append(f"{word} {', '.join(_names(statement[member]))}")
    for member, word in (("Principal", "to"), ("NotPrincipal", "to all but")):
        if member in statement:
            who = ", ".join(_names(statement[member]))
            parts.append(f"{word} {'everybody' if who == '*' else who}")
    condition = statement.get("Condition")
    if isinstance(condition, Mapping) and condition:
        tests = [
            f"{test} {key} {', '.join(_names(value))}"
            for test, each in sorted(condition.items())
            if isinstance(each, Mapping)
            for key, value in sorted(each.items())
        ]
        parts.append("if " + " and ".join(tests))
    return cut(" ".join(parts))


def _names(value: object) -> list[str]:
    if isinstance(value, Mapping):
        return sorted(name for each in value.values() for name in _names(each))
    return sorted(str(each) for each in listed(value))
