"""What IAM's policy simulation says of an act before it is tried.

Source: IAM API Reference, `SimulatePrincipalPolicy`. It is asked without the resource, so a Deny
that it finds holds for all of them, and a missing Allow may still stand for the one that is meant.
Resource policies and service control policies of others are not part of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from cockpit.connect.session import Right

_ASSUMED = re.compile(
    r"^arn:(?P<partition>[\w-]+):sts::(?P<account>\d+):assumed-role/(?P<role>[^/]+)/"
)


def role_of(arn: str) -> str:
    """The identity whose policies count: an assumed role's own ARN, as far as the session tells it.

    A role's path is not in the session's ARN: for a role with one, IAM answers that there is none.
    """
    found = _ASSUMED.match(arn)
    if found is None:
        return arn
    return f"arn:{found['partition']}:iam::{found['account']}:role/{found['role']}"


def simulated(answer: Mapping[str, object], action: str, arn: str) -> Right:
    """What the simulation's answer means for one action."""
    rows = answer.get("EvaluationResults")
    decision = ""
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, Mapping) and row.get("EvalActionName") == action:
            decision = str(row.get("EvalDecision", ""))
    if decision == "allowed":
        return Right(held=True)
    if decision == "explicitDeny":
        why = f"a Deny forbids {action}: an Allow does not help"
        return Right(False, why, f"-- change the policy of {arn} that denies {action}")
    if decision == "implicitDeny":
        return Right(None, f"no policy allows {action} on everything; on this one it may")
    return Right(None, f"IAM's simulation gave no decision for {action}")
