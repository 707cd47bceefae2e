"""Whether a function's own policy lets an API invoke it.

Source: Lambda Developer Guide ("Granting Lambda function access to AWS services"); the source's ARN
is `arn:aws:execute-api:REGION:ACCOUNT:API/STAGE/METHOD/PATH`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

_SERVICE = "apigateway.amazonaws.com"
_INVOKES = ("lambda:InvokeFunction", "lambda:*", "lambda:Invoke*", "*")


def lets_in(policy: str, api: str, stage: str) -> bool:
    """Whether any statement allows it for any method of the stage. True also where a condition is
    beyond us: what is not certain is not told.
    """
    try:
        statements = json.loads(policy).get("Statement", [])
    except (ValueError, AttributeError):
        return True
    return any(
        _allows(each, api, stage)
        for each in (statements if isinstance(statements, list) else [statements])
        if isinstance(each, dict)
    )


def _allows(statement: Mapping[str, object], api: str, stage: str) -> bool:
    if statement.get("Effect") != "Allow" or not _is_gateway(statement.get("Principal")):
        return False
    if not any(each in _INVOKES for each in _texts(statement.get("Action"))):
        return False
    sources = list(_sources(statement.get("Condition")))
    return not sources or any(_covers(each, api, stage) for each in sources)


def _is_gateway(principal: object) -> bool:
    if principal == "*":
        return True
    named = principal.values() if isinstance(principal, dict) else ()
    return any(each in {_SERVICE, "*"} for some in named for each in _texts(some))


def _sources(condition: object) -> Iterator[str]:
    for names in condition.values() if isinstance(condition, dict) else ():
        for name, value in names.items() if isinstance(names, dict) else ():
            if str(name).lower() == "aws:sourcearn":
                yield from _texts(value)


def _covers(arn: str, api: str, stage: str) -> bool:
    """Whether the source is this API, and its stage is this one, all, or not told."""
    path = arn.split(":", 5)[-1].split("/")
    same = fnmatchcase(api, path[0]) or path[0] == "*"
    return same and (len(path) < 2 or fnmatchcase(stage, path[1]))


def _texts(value: object) -> tuple[str, ...]:
    several = value if isinstance(value, list) else [value]
    return tuple(each for each in several if isinstance(each, str))
