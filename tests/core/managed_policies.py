"""AWS's managed policies as moto carries them: what AWS itself counts as a read, and every action."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any


@cache
def _all() -> dict[str, Any]:
    from moto.iam.aws_managed_policies import aws_managed_policies_data

    made: dict[str, Any] = json.loads(aws_managed_policies_data)
    return made


def _named(policy: str) -> Iterator[str]:
    statements = _all()[policy]["Document"]["Statement"]
    for statement in statements if isinstance(statements, list) else [statements]:
        actions = statement.get("Action", [])
        yield from actions if isinstance(actions, list) else [actions]


def is_in(policy: str, action: str) -> bool:
    """Whether a managed policy names the action, by a pattern or whole."""
    return bool(_pattern(policy).fullmatch(action))


@cache
def _pattern(policy: str) -> re.Pattern[str]:
    return re.compile(
        "|".join(re.escape(one).replace(r"\*", ".*") for one in _named(policy)), re.IGNORECASE
    )


@cache
def every_action() -> frozenset[str]:
    """Every action that a managed policy names whole: also those that are no operation."""
    return frozenset(one for policy in _all() for one in _named(policy) if "*" not in one)
