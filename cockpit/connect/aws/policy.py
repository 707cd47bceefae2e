"""The session policy that narrows an assumed role to what the configured targets need.

Sources: STS API Reference, `AssumeRole` (a session policy has at most 2,048 characters, and a
packed size that AWS alone can tell: `PackedPolicyTooLarge`); IAM User Guide, "Session policies"
(the session may do what role and policy both allow). The exact list stays the connector's: this is
the second lock, for whoever else gets hold of the session.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from cockpit.connect.aws import reads

Form = Callable[[str], str]
"""An IAM action as the policy names it."""
LIMIT = 2048
"""Characters."""
_READ_VERB = re.compile(r"(BatchGet|BatchDescribe|Describe|Get|List|Lookup|Search|Simulate)")
_WORD, _LETTER = re.compile(r"[A-Z]+[a-z0-9]*"), re.compile(r"\w")
_ALWAYS = {"sts:GetCallerIdentity"}
"""STS answers it to everybody, whatever any policy says."""
_DENIABLE = {"ec2:Describe*", "autoscaling:Describe*"}
"""Verbs with so many reads that it is shorter to deny the few that show user data or a screen."""
_GATEWAY = "apigateway:GET"
"""One action for everything that API Gateway has, its keys included: those are denied by path."""
_KEYS = ("apikeys*", "clientcertificates*", "usageplans/*/keys*", "*/exports/*", "*/sdks/*")
_NO_KEYS = {
    "Effect": "Deny",
    "Action": _GATEWAY,
    "Resource": [f"arn:*:apigateway:*::/{path}" for path in _KEYS],
}


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    """What an assumed role is narrowed to."""

    actions: tuple[str, ...]
    """IAM actions that it lets through, the most important first; with patterns also others."""
    left_out: frozenset[str] = frozenset()
    """IAM actions that did not fit: a look that needs one is blind, and says so."""
    text: str = field(default="", repr=False)
    """JSON, at most `LIMIT` characters."""

    def smaller(self) -> SessionPolicy | None:
        """With about three quarters of the actions, for AWS found it too large packed; None: it
        cannot be any smaller.
        """
        kept = self.actions[: len(self.actions) * 3 // 4]
        if not kept:
            return None
        shorter = session_policy(kept)
        return SessionPolicy(
            shorter.actions, self.left_out | set(self.actions) - set(shorter.actions), shorter.text
        )


def session_policy(actions: Iterable[str] = ()) -> SessionPolicy:
    """A policy for IAM actions, the most important first; without any: for all reads.

    Names stand as they are while they fit. Then services are cut, the one that gains most first:
    to patterns that match nothing that writes, acts or shows secrets (`ecs:DescribeService*`), then
    within a word (`ecs:DescribeS*`), and where that is not enough to whole verbs with a Deny of
    what they would match besides. What does not
    fit even so is left out, the last ones first.
    """
    named = tuple(dict.fromkeys(each for each in actions if each not in _ALWAYS))
    return _made(named or tuple(each for each in reads.iam_actions() if each not in _ALWAYS))


@cache
def _made(wanted: tuple[str, ...]) -> SessionPolicy:
    """The policy with as many of the actions as fit: a place opens several sessions with one."""
    fits, too_many = 0, len(wanted) + 1
    while too_many - fits > 1:  # at first all: mostly they fit
        many = len(wanted) if too_many > len(wanted) else (fits + too_many) // 2
        if _fitting(wanted[:many]):
            fits = many
        else:
            too_many = many
    return SessionPolicy(wanted[:fits], frozenset(wanted[fits:]), _fitting(wanted[:fits]))


def _fitting(actions: Sequence[str]) -> str:
    """The narrowest text for the actions that fits; empty: none does."""
    forms: dict[str, Form] = {}
    services: dict[str, list[str]] = {}
    for action in actions:
        services.setdefault(_service(action), []).append(action)
    for form in _FORMS:
        gains = {service: _gain(here, service, form) for service, here in services.items()}
        for service in sorted(gains, key=lambda each: -gains[each]):
            text = _written(actions, forms)
            if len(text) <= LIMIT:
                return text
            if gains[service] > 0:
                forms[service] = form
    text = _written(actions, forms)
    return text if len(text) <= LIMIT else ""


def _gain(here: Sequence[str], service: str, form: Form) -> int:
    """Characters that a form saves for the actions of a service."""
    return len(_written(here, {})) - len(_written(here, {service: form}))


def _written(actions: Iterable[str], forms: Mapping[str, Form]) -> str:
    exactly: Form = str
    named = {forms.get(_service(action), exactly)(action) for action in actions}
    heads = tuple(name[:-1] for name in named if name.endswith("*"))
    names = {n for n in named if not _covered(n, heads)}
    allow = {"Effect": "Allow", "Action": sorted(names), "Resource": "*"}
    statements: list[object] = [allow]
    denied = sorted(other for name in names if name.endswith("*") for other in _caught(name))
    if denied:
        statements.append({"Effect": "Deny", "Action": denied, "Resource": "*"})
    if _GATEWAY in names:
        statements.append(_NO_KEYS)
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))


def _covered(name: str, heads: tuple[str, ...]) -> bool:
    """Whether a pattern beside it lets a name through already."""
    bare = name.removesuffix("*")
    own = bare if name.endswith("*") else ""
    return bare.startswith(heads) and any(bare.startswith(head) for head in heads if head != own)


def _service(action: str) -> str:
    return action.partition(":")[0]


@cache
def _narrow(action: str) -> str:
    """The widest pattern for an action that matches nothing that is held back; else itself."""
    return next((each for each in _patterns(action) if not _caught(each)), action)


@cache
def _terse(action: str) -> str:
    """The same, but cut within a word."""
    return next((each for each in _patterns(action, _LETTER) if not _caught(each)), action)


@cache
def _wide(action: str) -> str:
    """The action's whole verb where what that matches besides is known and can be denied."""
    whole = next(iter(_patterns(action)), action)
    return whole if whole in _DENIABLE else _terse(action)


_FORMS: tuple[Form, ...] = (_narrow, _terse, _wide)


def _patterns(action: str, unit: re.Pattern[str] = _WORD) -> Iterator[str]:
    """An action cut after its reading verb, then after each further word: the widest first."""
    service, _, name = action.partition(":")
    verb = _READ_VERB.match(name)
    if verb is None:
        return
    yield f"{service}:{verb[0]}*"
    for each in unit.finditer(name, verb.end()):
        if each.end() < len(name):
            yield f"{service}:{name[: each.end()]}*"


@cache
def _caught(found: str) -> frozenset[str]:
    """What a pattern matches of that which `reads` holds back."""
    head = found.removesuffix("*")
    return frozenset(action for action in _held_back() if action.startswith(head))


@cache
def _held_back() -> frozenset[str]:
    """IAM actions that no pattern may let through."""
    return frozenset(
        reads.iam_action(client, operation)
        for table in (reads.SECRET, reads.ACTING, reads.CONSENT, reads.UNASKED)
        for client, operations in table.items()
        for operation in operations
    ) - {_GATEWAY, *reads.iam_actions()}
