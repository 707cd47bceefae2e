"""Whether a new policy of a resource would shut out whoever puts it: pure.

Source: IAM User Guide, "Policy evaluation logic" and "AWS JSON policy elements: Principal" (a
session is also its role, and everybody of an account is its root).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cockpit.connect.aws.resource_policy import (
    EQUAL,
    PolicyCondition,
    PolicyStatement,
    form,
    matches,
    statements_of,
)

PUT = "s3:PutBucketPolicy"


@dataclass(frozen=True, slots=True)
class PolicyCaller:
    """Who asks, as STS tells it: `arn:aws:sts::123456789012:assumed-role/pay/session`."""

    account: str
    arn: str

    @property
    def names(self) -> frozenset[str]:
        """What a principal of a policy may call it: itself, and its role."""
        return frozenset({self.arn, self.role})

    @property
    def role(self) -> str:
        """The role of a session, without its path, which a session's ARN does not tell."""
        found = re.fullmatch(r"arn:([\w-]+):sts::(\d+):assumed-role/([^/]+)/.+", self.arn)
        return f"arn:{found[1]}:iam::{found[2]}:role/{found[3]}" if found else self.arn


def about(statement: PolicyStatement, caller: PolicyCaller) -> bool:
    """Whether a statement is about the caller by its principals."""
    named = any(_names(each, caller) for each in statement.principals)
    return named is not statement.not_principals


def _names(principal: str, caller: PolicyCaller) -> bool:
    sort, _, who = principal.partition(":")
    if principal == "*" or (sort == "AWS" and who == "*"):
        return True
    if sort != "AWS":
        return sort == "Service" and who == caller.arn
    partition = caller.arn.split(":")[1:2]
    root = f"arn:{partition[0] if partition else 'aws'}:iam::{caller.account}:root"
    return who in {caller.account, root} or any(_same_role(who, each) for each in caller.names)


def _same_role(told: str, known: str) -> bool:
    """A role with a path is the role of a session whose ARN has none."""
    if told == known:
        return True
    head, slash, _ = told.partition(":role/")
    return bool(slash) and f"{head}:role/{told.rsplit('/', 1)[-1]}" == known


def applies(
    statement: PolicyStatement, caller: PolicyCaller, context: Mapping[str, str]
) -> bool | None:
    """Whether its conditions hold for the caller; None: not all that they ask is known.

    `context`: condition key in lower case → its value in this request.
    """
    known = {
        "aws:principalaccount": caller.account,
        "aws:principalarn": caller.role,
        "aws:securetransport": "true",
        **context,
    }
    results = {_holds(each, known) for each in statement.conditions}
    return False if False in results else None if None in results else True


def _holds(condition: PolicyCondition, known: Mapping[str, str]) -> bool | None:
    value = known.get(condition.key)
    plain = condition.operator.rpartition(":")[2].removesuffix("ifexists")
    negated = plain.startswith(("stringnot", "arnnot"))
    if value is None or plain.replace("not", "") not in {*EQUAL, "bool"}:
        return None
    loose = "like" in plain or "arn" in plain
    wanted = condition.values
    if any("${" in each for each in wanted):
        return None
    same = any(_equal(each, value, loose=loose) for each in wanted)
    return same is not negated


def _equal(wanted: str, value: str, *, loose: bool) -> bool:
    if loose and matches(wanted, value, exactly=True):
        return True
    return wanted.lower() == value.lower() or _same_role(wanted, value)


def locks_out(
    text: str, now: str, caller: PolicyCaller, *, owner: str = "", action: str = PUT
) -> str:
    """Why a new policy would take an action from the caller; empty: it does not.

    `now`: the policy that is in force; empty: there is none. What it denies already is no new
    lock, since the caller could not put a policy at all. A Deny whose conditions cannot all be
    told counts as one that holds. `owner`: the account that owns the resource; a caller of another
    one needs the policy's own Allow. Raises `PolicyProblem`.
    """
    new, old = statements_of(text) if text else (), statements_of(now) if now else ()
    for each in _meant(new, caller, action):
        same = any(form(each) == form(other) for other in old)
        if not each.allows and not same and applies(each, caller, {}) is not False:
            return f"{each.name} would deny {action} to {caller.role}"
    had = any(s.allows and applies(s, caller, {}) for s in _meant(old, caller, action))
    has = any(s.allows and applies(s, caller, {}) for s in _meant(new, caller, action))
    if owner and owner != caller.account and had and not has:
        return f"it would take the Allow of {action} from {caller.role}"
    return ""


def _meant(
    statements: Iterable[PolicyStatement], caller: PolicyCaller, action: str
) -> tuple[PolicyStatement, ...]:
    return tuple(s for s in statements if s.covers(action) and about(s, caller))
