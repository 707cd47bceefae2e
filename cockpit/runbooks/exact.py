"""Values that the record has as they were, and what it could not keep of them.

An entry masks what looks like a secret and cuts what is long. A repair that is taken back, or
proved, by such a value would be another one: so what is read back is held against a digest.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from types import MappingProxyType

from cockpit.incident.sanitise import Identifier, plain_data
from cockpit.runbooks.plan import digest_of

_DEEP = 5
"""How deep in an entry the values of a step stand."""
_IDENTIFIERS = MappingProxyType({"apigateway.UpdateApiKey": ("apiKey",)})
"""Arguments that are called like a secret and name a thing: they stand in the path of the request.
A test holds them against the service models."""
_NAMED = re.compile(r"([A-Za-z_]\w*)\.([A-Za-z_]\w*)")


def exactly(name: str, values: Mapping[str, object]) -> dict[str, object]:
    """Values as an entry has them, with a digest: the record masks and cuts what it is given."""
    if not values:
        return {}
    with contextlib.suppress(ValueError):  # JSON has no such number: the record cannot have it
        return {name: dict(values), f"{name}_digest": digest_of(values)}
    return {name: dict(values)}


def whole(data: Mapping[str, object], name: str) -> Mapping[str, object] | None:
    """The values under `name` when they are those that were written; None: masked, cut, or none."""
    values = data.get(name)
    if not isinstance(values, Mapping) or not values:
        return None
    return values if digest_of(values) == data.get(f"{name}_digest") else None


def held(scope: Mapping[str, object]) -> dict[str, object]:
    """What the record can hold of a scope as it is: one log line with a password in it must not
    cost the number that stands beside it.
    """
    return {
        name: {key: value for key, value in values.items() if _holds(key, value)}
        if isinstance(values, Mapping)
        else values
        for name, values in scope.items()
    }


def _holds(key: str, value: object) -> bool:
    return bool(plain_data({key: value}, _DEEP) == {key: value})


def relied(expression: str, scope: Mapping[str, object]) -> dict[str, object]:
    """What of a scope an expression (JMESPath) names."""
    words = set(re.findall(r"[A-Za-z_]\w*", expression))
    return {name: value for name, value in scope.items() if name in words}


def lacks(expression: str, scope: Mapping[str, object]) -> bool:
    """Whether an expression compares with a value that a scope from the record has not: null is
    different from everything, and would prove what nobody saw.
    """
    for name, key in _NAMED.findall(expression):
        values = scope.get(name)
        if isinstance(values, Mapping) and key not in values:
            return True
    return False


def identified(call: str, args: Mapping[str, object]) -> dict[str, object]:
    """The arguments of a call of AWS, with those marked that only name what it is about."""
    names = _IDENTIFIERS.get(call, ())
    return {
        name: Identifier(value) if name in names and isinstance(value, str) else value
        for name, value in args.items()
    }
